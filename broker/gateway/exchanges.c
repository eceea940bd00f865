#include "broker/gateway/exchanges.h"

#include <stdlib.h>

#include "broker/gateway/exchange.h"

#define SLOTS_FIRST 64

void
crb_exchanges_clear(struct crb_exchanges *exchanges)
{
	/* Verdicts were still due to them. */
	for (size_t i = 0; i < exchanges->slot_count; i++) {
		if (exchanges->slots[i] != NULL)
			crb_exchange_free(exchanges->slots[i]);
	}
	free(exchanges->slots);
	free(exchanges->vacant);
	*exchanges = (struct crb_exchanges){ .last = 0 };
}

static bool
grow(struct crb_exchanges *exchanges)
{
	size_t count = exchanges->slot_count > 0 ? exchanges->slot_count * 2
						 : SLOTS_FIRST;
	struct crb_exchange **slots;
	uint32_t *vacant;

	if (count > UINT32_MAX)
		return false;
	slots = reallocarray(
	    exchanges->slots, count, sizeof(struct crb_exchange *));
	if (slots == NULL)
		return false;
	exchanges->slots = slots;
	vacant = reallocarray(exchanges->vacant, count, sizeof(uint32_t));
	if (vacant == NULL)
		return false;
	exchanges->vacant = vacant;
	for (size_t i = exchanges->slot_count; i < count; i++) {
		slots[i] = NULL;
		vacant[exchanges->vacant_count++] = (uint32_t)i;
	}
	exchanges->slot_count = count;
	return true;
}

bool
crb_exchanges_add(struct crb_exchanges *exchanges,
    struct crb_exchange *exchange, uint64_t *id)
{
	uint32_t slot;

	if (exchanges->vacant_count == 0 && !grow(exchanges))
		return false;
	slot = exchanges->vacant[--exchanges->vacant_count];
	if (++exchanges->last == 0)
		exchanges->last = 1;
	exchanges->slots[slot] = exchange;
	*id = (uint64_t)exchanges->last << 32 | slot;
	return true;
}

void
crb_exchanges_remove(struct crb_exchanges *exchanges, uint64_t id)
{
	uint32_t slot = (uint32_t)id;

	if (crb_exchanges_find(exchanges, id) == NULL)
		return;
	exchanges->slots[slot] = NULL;
	exchanges->vacant[exchanges->vacant_count++] = slot;
}

struct crb_exchange *
crb_exchanges_find(const struct crb_exchanges *exchanges, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	struct crb_exchange *exchange;

	if (slot >= exchanges->slot_count)
		return NULL;
	exchange = exchanges->slots[slot];
	return exchange != NULL && exchange->id == id ? exchange : NULL;
}
