#ifndef CRB_VAULT_SEAL_H
#define CRB_VAULT_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "broker/vault/vault.h"

/*
 * A sealed record: format u8, key epoch u32, nonce 24, ciphertext, tag 16;
 * XChaCha20-Poly1305.  The associated data are the format, the epoch and the
 * label, so that a record opens only as what it was sealed as.
 */
#define CRB_SEAL_OVERHEAD (1u + 4u + 24u + 16u)

struct crb_seal_label {
	const uint8_t *vault_id; /* CRB_VAULT_ID_BYTES; borrowed */
	enum crb_kind kind;
	struct crb_record_id id;
	uint64_t revision;
};

/* `out` has room for len + CRB_SEAL_OVERHEAD.  A fresh nonce each time. */
void crb_seal(uint8_t *out, const struct crb_key *key, uint32_t epoch,
    const struct crb_seal_label *label, const void *plain, size_t len);

/* The epoch whose key opens it; what is not a record is CRB_ERR_CORRUPT. */
CRB_NODISCARD enum crb_status crb_seal_epoch(
    const void *sealed, size_t len, uint32_t *epoch, struct crb_err *err);
/* Owned by the caller; CRB_ERR_CORRUPT when anything does not fit. */
CRB_NODISCARD enum crb_status crb_seal_open(const void *sealed, size_t len,
    const struct crb_key *key, const struct crb_seal_label *label,
    struct crb_secret **plain, struct crb_err *err);

#endif /* !CRB_VAULT_SEAL_H */
