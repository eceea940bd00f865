#ifndef CRB_POLICY_FILES_H
#define CRB_POLICY_FILES_H

#include "base/path.h"
#include "broker/cli/secret_input.h"
#include "policy/signing_key.h"

/* The files of the commands that sign policies and verify them. */
#define CRB_SIGNED_BYTES_MAX (16u << 20)
#define CRB_SIGNATURE_ENDING ".minisig"

/* "FILE.minisig", unless `given` says otherwise. */
CRB_NODISCARD enum crb_status crb_policy_signature_path(char out[CRB_PATH_MAX],
    const char *file, const char *given, struct crb_err *err);

CRB_NODISCARD enum crb_status crb_policy_public_key_read(
    const char *path, struct crb_public_key *out, struct crb_err *err);

/*
 * A secret key, out of a file that only its owner (or root) can read; the
 * passphrase is asked for when there is one to ask for.
 */
CRB_NODISCARD enum crb_status crb_policy_signing_key_read(const char *path,
    const struct crb_secret_source *passphrase, struct crb_signing_key **out,
    struct crb_err *err);

#endif /* !CRB_POLICY_FILES_H */
