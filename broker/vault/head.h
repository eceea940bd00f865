#ifndef CRB_VAULT_HEAD_H
#define CRB_VAULT_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "broker/vault/vault.h"

/*
 * The head record says what the store holds: how many records, and the sum
 * modulo 2^256 of a keyed hash of each one's kind, id and revision.  Its own
 * revision is the generation, one higher with every transaction that is tried,
 * and it is every record's revision that is written with it: so no two
 * contents ever have the same label.
 */
#define CRB_HEAD_SUM_BYTES 32

struct crb_head {
	uint64_t generation;
	uint64_t count; /* without the head itself */
	uint32_t epoch; /* of the key that seals new records */
	uint8_t sum[CRB_HEAD_SUM_BYTES];
};

/* All zero. */
extern const struct crb_record_id crb_head_id;

#define CRB_HEAD_BYTES (1u + 8u + 8u + 4u + CRB_HEAD_SUM_BYTES)
void crb_head_encode(const struct crb_head *head, uint8_t out[CRB_HEAD_BYTES]);
CRB_NODISCARD enum crb_status crb_head_decode(
    const void *bytes, size_t len, struct crb_head *out, struct crb_err *err);

/* Count a record in, or out. */
void crb_head_add(struct crb_head *head, const struct crb_key *key,
    enum crb_kind kind, const struct crb_record_id *id, uint64_t revision);
void crb_head_remove(struct crb_head *head, const struct crb_key *key,
    enum crb_kind kind, const struct crb_record_id *id, uint64_t revision);

#endif /* !CRB_VAULT_HEAD_H */
