#include "base/slab.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

/*
 * What the allocator knows stands beside the arena, not in it: a block that is
 * overrun spoils no links, and untouched pages stay untouched.
 */
#define UNIT_SHIFT 6u /* the smallest block: 64 bytes */
#define UNIT (1u << UNIT_SHIFT)
#define ORDERS 26u /* the largest: 2 GiB */
#define NONE UINT32_MAX
/*
 * Small blocks that are freed stay as they are for the next of their order, so
 * many of each: to join them with all their neighbours, and split those again,
 * would take longer than what they are needed for.
 */
#define RESTING_ORDERS 8u /* 64 bytes to 8 KiB */
#define RESTING_MOST 16u

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif

#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define HIDE(p, len) ASAN_POISON_MEMORY_REGION((p), (len))
#define SHOW(p, len) ASAN_UNPOISON_MEMORY_REGION((p), (len))
#define SCAN(p, len) __lsan_register_root_region((p), (len))
#else
#define HIDE(p, len) ((void)(p), (void)(len))
#define SHOW(p, len) ((void)(p), (void)(len))
#define SCAN(p, len) ((void)(p), (void)(len))
#endif

enum { MIDDLE, FREE, USED, RESTING };

/* Of the unit that a block starts at. */
struct unit {
	uint32_t next, prev; /* free, resting: in the list of its order */
	uint32_t len;        /* used: bytes asked for */
	uint8_t order;
	uint8_t state;
};

/* In front of a block that is not in the arena; keeps 16-byte alignment. */
struct spill {
	size_t len;
	size_t pad;
};

/* There is one a process: the allocators of libraries carry no context. */
static struct {
	pthread_mutex_t mutex;
	unsigned char *arena;
	struct unit *units;
	uint32_t free[ORDERS];
	struct {
		uint32_t first;
		unsigned count;
	} resting[RESTING_ORDERS];
	unsigned top; /* the order of the whole arena */
	struct crb_slab_stats stats;
} slab = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void
list_push(uint32_t at, unsigned order)
{
	struct unit *unit = &slab.units[at];

	*unit = (struct unit){ .next = slab.free[order],
		.prev = NONE,
		.order = (uint8_t)order,
		.state = FREE };
	if (unit->next != NONE)
		slab.units[unit->next].prev = at;
	slab.free[order] = at;
}

static void
list_remove(uint32_t at)
{
	struct unit *unit = &slab.units[at];

	if (unit->next != NONE)
		slab.units[unit->next].prev = unit->prev;
	if (unit->prev != NONE)
		slab.units[unit->prev].next = unit->next;
	else
		slab.free[unit->order] = unit->next;
	unit->state = MIDDLE;
}

/* The unit at which a block of `order` starts, or NONE. */
static uint32_t
block_take(unsigned order)
{
	unsigned from = order;
	uint32_t at;

	while (from <= slab.top && slab.free[from] == NONE)
		from++;
	if (from > slab.top)
		return NONE;
	at = slab.free[from];
	list_remove(at);
	while (from > order) {
		from--;
		list_push(at + (1u << from), from);
	}
	return at;
}

static void
block_give(uint32_t at, unsigned order)
{
	uint32_t buddy;

	slab.units[at].state = MIDDLE;
	while (order < slab.top) {
		buddy = at ^ (1u << order);
		if (slab.units[buddy].state != FREE ||
		    slab.units[buddy].order != order)
			break;
		list_remove(buddy);
		at = at < buddy ? at : buddy;
		order++;
	}
	list_push(at, order);
}

static bool
rest_push(uint32_t at, unsigned order)
{
	if (order >= RESTING_ORDERS ||
	    slab.resting[order].count == RESTING_MOST)
		return false;
	slab.units[at].state = RESTING;
	slab.units[at].next = slab.resting[order].first;
	slab.resting[order].first = at;
	slab.resting[order].count++;
	return true;
}

static uint32_t
rest_pop(unsigned order)
{
	uint32_t at;

	if (order >= RESTING_ORDERS || (at = slab.resting[order].first) == NONE)
		return NONE;
	slab.resting[order].first = slab.units[at].next;
	slab.resting[order].count--;
	return at;
}

/* Whole again, as far as it is free. */
static void
rest_join(void)
{
	uint32_t at;

	for (unsigned order = 0; order < RESTING_ORDERS; order++) {
		while ((at = rest_pop(order)) != NONE)
			block_give(at, order);
	}
}

static uint32_t
block_find(unsigned order)
{
	uint32_t at;

	if ((at = rest_pop(order)) != NONE || (at = block_take(order)) != NONE)
		return at;
	rest_join();
	return block_take(order);
}

static unsigned
order_for(size_t len)
{
	unsigned order = 0;

	while (((size_t)UNIT << order) < len && order < ORDERS)
		order++;
	return order;
}

static void *
arena_alloc(size_t len)
{
	unsigned order = order_for(len);
	void *block;
	uint32_t at;

	if (slab.arena == NULL || order > slab.top)
		return NULL;
	if ((at = block_find(order)) == NONE)
		return NULL;
	slab.units[at].state = USED;
	slab.units[at].order = (uint8_t)order;
	slab.units[at].len = (uint32_t)len;
	slab.stats.used += (size_t)UNIT << order;
	if (slab.stats.used > slab.stats.peak)
		slab.stats.peak = slab.stats.used;
	block = slab.arena + ((size_t)at << UNIT_SHIFT);
	SHOW(block, len);
	return block;
}

static bool
in_arena(const void *p)
{
	uintptr_t at = (uintptr_t)p, start = (uintptr_t)slab.arena;

	return slab.arena != NULL && at >= start &&
	    at - start < slab.stats.arena;
}

/* Anything but the start of a used block is a bug that must not go on. */
static uint32_t
unit_of(const void *p)
{
	size_t offset = (uintptr_t)p - (uintptr_t)slab.arena;
	uint32_t at = (uint32_t)(offset >> UNIT_SHIFT);

	if (offset % UNIT != 0 || slab.units[at].state != USED)
		abort();
	return at;
}

static void
arena_free(void *p)
{
	uint32_t at = unit_of(p);
	struct unit *unit = &slab.units[at];

	HIDE(p, (size_t)unit->len);
	slab.stats.used -= (size_t)UNIT << unit->order;
	if (!rest_push(at, unit->order))
		block_give(at, unit->order);
}

static struct spill *
spill_of(void *p)
{
	return (struct spill *)p - 1;
}

static void *
spill_alloc(size_t len)
{
	struct spill *spill;

	if (len > SIZE_MAX - sizeof(*spill) ||
	    (spill = calloc(1, sizeof(*spill) + len)) == NULL)
		return NULL;
	spill->len = len;
	return spill + 1;
}

void *
crb_slab_alloc(size_t len)
{
	void *p;

	len = len > 0 ? len : 1;
	pthread_mutex_lock(&slab.mutex);
	if ((p = arena_alloc(len)) == NULL && (p = spill_alloc(len)) != NULL)
		slab.stats.spilled += len;
	pthread_mutex_unlock(&slab.mutex);
	return p;
}

static size_t
block_len(void *p)
{
	size_t len;

	pthread_mutex_lock(&slab.mutex);
	len = in_arena(p) ? slab.units[unit_of(p)].len : spill_of(p)->len;
	pthread_mutex_unlock(&slab.mutex);
	return len;
}

void
crb_slab_free(void *p)
{
	size_t len;

	if (p == NULL)
		return;
	/* Still the caller's, so it can be wiped outside the lock. */
	len = block_len(p);
	sodium_memzero(p, len);

	pthread_mutex_lock(&slab.mutex);
	if (in_arena(p)) {
		arena_free(p);
	} else {
		slab.stats.spilled -= len;
		free(spill_of(p));
	}
	pthread_mutex_unlock(&slab.mutex);
}

void *
crb_slab_realloc(void *p, size_t len)
{
	size_t old;
	void *q;

	if ((q = crb_slab_alloc(len)) == NULL || p == NULL)
		return q;
	old = block_len(p);
	memcpy(q, p, old < len ? old : len);
	crb_slab_free(p);
	return q;
}

char *
crb_slab_strdup(const char *s)
{
	size_t len = strlen(s) + 1;
	char *copy;

	if ((copy = crb_slab_alloc(len)) != NULL)
		memcpy(copy, s, len);
	return copy;
}

/* Kernels from 4.14 can hand a forked child zeroes instead of our pages. */
static int
keep_from_children(void *arena, size_t len)
{
	if (madvise(arena, len, MADV_WIPEONFORK) == 0)
		return 0;
	return madvise(arena, len, MADV_DONTFORK);
}

static enum crb_status
arena_map(size_t len, struct crb_err *err)
{
	size_t units_len = (len >> UNIT_SHIFT) * sizeof(struct unit);
	void *arena, *units;

	if ((arena = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) ==
	    MAP_FAILED)
		return crb_err_errno(err, "memory for secrets");
	if (madvise(arena, len, MADV_DONTDUMP) != 0 ||
	    keep_from_children(arena, len) != 0 ||
	    (units = mmap(NULL, units_len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) ==
		MAP_FAILED) {
		(void)crb_err_errno(err, "memory for secrets");
		(void)munmap(arena, len);
		return err->status;
	}
	/* Not fatal: stats.locked says it, and `doctor` reports it. */
	if (mlock2(arena, len, MLOCK_ONFAULT) == 0)
		slab.stats.locked = len;
	slab.arena = arena;
	slab.units = units;
	slab.stats.arena = len;
	return CRB_OK;
}

enum crb_status
crb_slab_open(size_t bytes, struct crb_err *err)
{
	enum crb_status status = CRB_OK;
	unsigned order = order_for(bytes);

	if (order >= ORDERS)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "memory for secrets: %zu bytes are too many", bytes);
	/* At least a page, since that is what is locked and mapped. */
	order = order < 6 ? 6 : order;

	pthread_mutex_lock(&slab.mutex);
	if (slab.arena != NULL)
		status = crb_err_set(err, CRB_ERR_EXISTS,
		    "memory for secrets: it is there already");
	else
		status = arena_map((size_t)UNIT << order, err);
	if (status == CRB_OK) {
		for (unsigned i = 0; i < ORDERS; i++)
			slab.free[i] = NONE;
		for (unsigned i = 0; i < RESTING_ORDERS; i++)
			slab.resting[i].first = NONE;
		slab.top = order;
		list_push(0, order);
		SCAN(slab.arena, slab.stats.arena);
		HIDE(slab.arena, slab.stats.arena);
	}
	pthread_mutex_unlock(&slab.mutex);
	return status;
}

struct crb_slab_stats
crb_slab_stats(void)
{
	struct crb_slab_stats stats;

	pthread_mutex_lock(&slab.mutex);
	stats = slab.stats;
	pthread_mutex_unlock(&slab.mutex);
	return stats;
}
