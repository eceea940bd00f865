#ifndef CRB_VAULT_INDEX_H
#define CRB_VAULT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "broker/vault/vault.h"

/*
 * A map from kind and record id to a number: a record's revision, or its place
 * in a transaction.  Ids are random and our own, so they hash themselves.
 */
struct crb_index {
	struct crb_index_entry {
		struct crb_record_id id;
		uint64_t value;
		enum crb_kind kind; /* 0: free */
	} * entry;
	size_t cap; /* a power of two, or 0 */
	size_t count;
};

void crb_index_clear(struct crb_index *index);
/* NULL when it is not there; valid until the index is changed. */
uint64_t *crb_index_find(const struct crb_index *index, enum crb_kind kind,
    const struct crb_record_id *id);
/* Room for `more` entries, so that setting them cannot fail. */
CRB_NODISCARD enum crb_status crb_index_reserve(
    struct crb_index *index, size_t more, struct crb_err *err);
/* Insert or replace; there must be room. */
void crb_index_set(struct crb_index *index, enum crb_kind kind,
    const struct crb_record_id *id, uint64_t value);
void crb_index_remove(struct crb_index *index, enum crb_kind kind,
    const struct crb_record_id *id);

#endif /* !CRB_VAULT_INDEX_H */
