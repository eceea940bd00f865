#include "broker/core/map.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define MAP_LEAST 16

_Static_assert(
    sizeof(((struct crb_map *)NULL)->seed) == crypto_shorthash_KEYBYTES,
    "the seed is a SipHash key");

void
crb_map_clear(struct crb_map *map)
{
	free(map->slot);
	memset(map, 0, sizeof(*map));
}

static size_t
home(const struct crb_map *map, const void *key, size_t len)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, key, len, map->seed);
	return (size_t)hash & (map->capacity - 1);
}

static struct crb_map_slot *
find(const struct crb_map *map, const void *key, size_t len)
{
	size_t i = home(map, key, len);

	for (;; i = (i + 1) & (map->capacity - 1)) {
		struct crb_map_slot *slot = &map->slot[i];

		if (slot->value == NULL ||
		    (slot->len == len && memcmp(slot->key, key, len) == 0))
			return slot;
	}
}

void *
crb_map_get(const struct crb_map *map, const void *key, size_t len)
{
	return map->count == 0 ? NULL : find(map, key, len)->value;
}

void *
crb_map_text(const struct crb_map *map, const char *key)
{
	return crb_map_get(map, key, strlen(key));
}

static enum crb_status
grow(struct crb_map *map, struct crb_err *err)
{
	struct crb_map bigger = *map;

	bigger.capacity = map->capacity > 0 ? 2 * map->capacity : MAP_LEAST;
	bigger.slot = calloc(bigger.capacity, sizeof(*bigger.slot));
	if (bigger.slot == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (map->capacity == 0)
		randombytes_buf(bigger.seed, sizeof(bigger.seed));
	for (size_t i = 0; i < map->capacity; i++) {
		const struct crb_map_slot *slot = &map->slot[i];

		if (slot->value != NULL)
			*find(&bigger, slot->key, slot->len) = *slot;
	}
	free(map->slot);
	*map = bigger;
	return CRB_OK;
}

enum crb_status
crb_map_put(struct crb_map *map, const void *key, size_t len, void *value,
    struct crb_err *err)
{
	enum crb_status status;
	struct crb_map_slot *slot;

	if (4 * (map->count + 1) > 3 * map->capacity &&
	    (status = grow(map, err)) != CRB_OK)
		return status;
	slot = find(map, key, len);
	if (slot->value != NULL)
		return crb_err_set(err, CRB_ERR_EXISTS, "it exists already");
	*slot = (struct crb_map_slot){ key, len, value };
	map->count++;
	return CRB_OK;
}

/* Close the gap at `hole`, so that no probe stops short of its key. */
static void
close_gap(struct crb_map *map, size_t hole)
{
	size_t mask = map->capacity - 1;

	for (size_t i = (hole + 1) & mask; map->slot[i].value != NULL;
	     i = (i + 1) & mask) {
		size_t at = home(map, map->slot[i].key, map->slot[i].len);

		if (((i - at) & mask) < ((i - hole) & mask))
			continue;
		map->slot[hole] = map->slot[i];
		hole = i;
	}
	memset(&map->slot[hole], 0, sizeof(map->slot[hole]));
}

void *
crb_map_take(struct crb_map *map, const void *key, size_t len)
{
	struct crb_map_slot *slot;
	void *value;

	if (map->count == 0 || (slot = find(map, key, len))->value == NULL)
		return NULL;
	value = slot->value;
	map->count--;
	close_gap(map, (size_t)(slot - map->slot));
	return value;
}
