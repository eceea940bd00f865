#ifndef CRB_VAULT_KDF_H
#define CRB_VAULT_KDF_H

#include "base/err.h"
#include "broker/vault/vault.h"

/*
 * The cost is at least libsodium's MODERATE, and at most what a host can be
 * asked for by a file: 4 GiB, 64 operations.
 */
CRB_NODISCARD enum crb_status crb_kdf_cost_check(
    const struct crb_kdf_cost *cost, struct crb_err *err);

#endif /* !CRB_VAULT_KDF_H */
