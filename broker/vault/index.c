#include "broker/vault/index.h"

#include <stdlib.h>
#include <string.h>

#include "broker/vault/bytes.h"

#define LEAST 16u

void
crb_index_clear(struct crb_index *index)
{
	free(index->entry);
	*index = (struct crb_index){ 0 };
}

static size_t
home_of(const struct crb_index *index, enum crb_kind kind,
    const struct crb_record_id *id)
{
	return (size_t)((crb_get_u64(id->bytes) ^ crb_get_u64(id->bytes + 8) ^
			    (unsigned)kind) *
		       0x9e3779b97f4a7c15u >>
		   16) &
	    (index->cap - 1);
}

/* Where it is, or the free place where it would be. */
static size_t
place_of(const struct crb_index *index, enum crb_kind kind,
    const struct crb_record_id *id)
{
	size_t at = home_of(index, kind, id);

	while (index->entry[at].kind != 0 &&
	    (index->entry[at].kind != kind ||
		memcmp(&index->entry[at].id, id, sizeof(*id)) != 0))
		at = (at + 1) & (index->cap - 1);
	return at;
}

uint64_t *
crb_index_find(const struct crb_index *index, enum crb_kind kind,
    const struct crb_record_id *id)
{
	struct crb_index_entry *entry;

	if (index->cap == 0)
		return NULL;
	entry = &index->entry[place_of(index, kind, id)];
	return entry->kind == 0 ? NULL : &entry->value;
}

enum crb_status
crb_index_reserve(struct crb_index *index, size_t more, struct crb_err *err)
{
	struct crb_index bigger = { .cap = index->cap };

	if (bigger.cap == 0)
		bigger.cap = LEAST;
	/* At most three quarters full. */
	while ((index->count + more) * 4 > bigger.cap * 3)
		bigger.cap *= 2;
	if (bigger.cap == index->cap)
		return CRB_OK;
	bigger.entry = calloc(bigger.cap, sizeof(*bigger.entry));
	if (bigger.entry == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for the index of records");
	for (size_t i = 0; i < index->cap; i++)
		if (index->entry[i].kind != 0)
			crb_index_set(&bigger, index->entry[i].kind,
			    &index->entry[i].id, index->entry[i].value);
	free(index->entry);
	*index = bigger;
	return CRB_OK;
}

void
crb_index_set(struct crb_index *index, enum crb_kind kind,
    const struct crb_record_id *id, uint64_t value)
{
	struct crb_index_entry *entry =
	    &index->entry[place_of(index, kind, id)];

	if (entry->kind == 0)
		index->count++;
	*entry = (struct crb_index_entry){ *id, value, kind };
}

void
crb_index_remove(
    struct crb_index *index, enum crb_kind kind, const struct crb_record_id *id)
{
	const size_t mask = index->cap - 1;
	size_t hole, at, home;

	if (crb_index_find(index, kind, id) == NULL)
		return;
	hole = at = place_of(index, kind, id);
	index->count--;
	/* Close the gap: move up what would not be found behind it. */
	for (;;) {
		index->entry[hole].kind = 0;
		do {
			at = (at + 1) & mask;
			if (index->entry[at].kind == 0)
				return;
			home = home_of(
			    index, index->entry[at].kind, &index->entry[at].id);
		} while (((at - home) & mask) < ((at - hole) & mask));
		index->entry[hole] = index->entry[at];
		hole = at;
	}
}
