#ifndef CRB_MAP_H
#define CRB_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * From keys to things: open addressing over SipHash with a random key.  Keys
 * are bytes inside the thing itself and borrowed as long as it is in the map.
 */
struct crb_map_slot {
	const void *key;
	size_t len;
	void *value; /* NULL: free */
};
struct crb_map {
	struct crb_map_slot *slot;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	uint8_t seed[16];
};

/* A zeroed map is empty and can be used at once. */
void crb_map_clear(struct crb_map *map);

void *crb_map_get(const struct crb_map *map, const void *key, size_t len);
void *crb_map_text(const struct crb_map *map, const char *key);
/* CRB_ERR_EXISTS when the key is there. */
CRB_NODISCARD enum crb_status crb_map_put(struct crb_map *map, const void *key,
    size_t len, void *value, struct crb_err *err);
/* Returns what was there, or NULL. */
void *crb_map_take(struct crb_map *map, const void *key, size_t len);

#endif /* !CRB_MAP_H */
