#ifndef CRB_VAULT_GENERATION_H
#define CRB_VAULT_GENERATION_H

#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "broker/vault/header.h"

/*
 * The copy of the store's generation that lives outside it, the file
 * "generation": magic "CRBGENER", vault id 16, generation u64, MAC 32 (keyed
 * BLAKE2b-256 of all before it).  A store older than it was put back.  It is
 * written after each commit and reaches the disk a little later, so after a
 * crash it may be behind the store, never ahead.
 */
#define CRB_GENERATION_BYTES (8u + CRB_VAULT_ID_BYTES + 8u + 32u)

void crb_generation_encode(uint8_t out[CRB_GENERATION_BYTES],
    const struct crb_key *key, const uint8_t vault_id[CRB_VAULT_ID_BYTES],
    uint64_t generation);
/* Read and check an open file. */
CRB_NODISCARD enum crb_status crb_generation_read(int fd,
    const struct crb_key *key, const uint8_t vault_id[CRB_VAULT_ID_BYTES],
    uint64_t *generation, struct crb_err *err);

#endif /* !CRB_VAULT_GENERATION_H */
