#ifndef CRB_EXCHANGES_H
#define CRB_EXCHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crb_exchange;

/*
 * Exchanges by the number that the core answers with: a slot, and above it how
 * often a slot was given out, so that a late answer meets nobody.
 */
struct crb_exchanges {
	struct crb_exchange **slots;
	size_t slot_count;
	uint32_t *vacant; /* slots, `vacant_count` of them */
	size_t vacant_count;
	uint32_t last;
};

/* Frees those that are left, too. */
void crb_exchanges_clear(struct crb_exchanges *exchanges);

/* *id is never 0.  False when out of memory. */
bool crb_exchanges_add(struct crb_exchanges *exchanges,
    struct crb_exchange *exchange, uint64_t *id);
void crb_exchanges_remove(struct crb_exchanges *exchanges, uint64_t id);
/* The one with this number, or NULL. */
struct crb_exchange *crb_exchanges_find(
    const struct crb_exchanges *exchanges, uint64_t id);

#endif /* !CRB_EXCHANGES_H */
