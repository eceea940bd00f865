#ifndef CRB_AUDIT_KEY_H
#define CRB_AUDIT_KEY_H

#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "broker/core/audit_line.h"

/* In the state folder, and in it the public key: "ed25519 HEX\n". */
#define CRB_AUDIT_FOLDER "audit"
#define CRB_AUDIT_PUBLIC_FILE "public-key"

CRB_NODISCARD enum crb_status crb_audit_public_read(const char *audit_folder,
    uint8_t out[CRB_AUDIT_PUBLIC_BYTES], struct crb_err *err);
/* Write it, or check that it is this one that is there. */
CRB_NODISCARD enum crb_status crb_audit_public_have(const char *audit_folder,
    const uint8_t public[CRB_AUDIT_PUBLIC_BYTES], struct crb_err *err);

/*
 * The Ed25519 pair that the audit sub-key gives.  *secret is 64 bytes in
 * guarded memory: sodium_free().
 */
CRB_NODISCARD enum crb_status crb_audit_key_pair(const struct crb_key *key,
    uint8_t **secret, uint8_t public[CRB_AUDIT_PUBLIC_BYTES],
    struct crb_err *err);

#endif /* !CRB_AUDIT_KEY_H */
