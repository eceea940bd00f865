#ifndef CRB_SLAB_H
#define CRB_SLAB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * One arena a process for memory that may hold secrets: locked as far as
 * RLIMIT_MEMLOCK allows (mlock2 ONFAULT, so untouched pages cost nothing), left
 * out of core files and not inherited by fork().  Every block is wiped when it
 * is freed.  A buddy allocator; thread-safe.  When the arena is full a block
 * comes from unlocked memory, is wiped all the same, and is counted.
 *
 * crb_slab_open() is called once, first thing in main(); before it, and in
 * programs that never call it, every block is of the unlocked kind.
 */
struct crb_slab_stats {
	size_t arena;   /* bytes */
	size_t locked;  /* bytes of it that mlock2 accepted: all or 0 */
	size_t used;    /* bytes in blocks of the arena */
	size_t spilled; /* bytes now in unlocked blocks */
	size_t peak;    /* most bytes ever used */
};

/* `bytes` is rounded up to a power of two. */
CRB_NODISCARD enum crb_status crb_slab_open(size_t bytes, struct crb_err *err);

/* As malloc, calloc's zeroing included; NULL when out of memory. */
void *crb_slab_alloc(size_t len);
/* As realloc, but always by copy, wiping the old block. */
void *crb_slab_realloc(void *p, size_t len);
/* Wipe and free.  NULL is allowed. */
void crb_slab_free(void *p);
char *crb_slab_strdup(const char *s);

struct crb_slab_stats crb_slab_stats(void);

#define CRB_AUTO_SLAB __attribute__((cleanup(crb_slab_cleanup)))
static inline void
crb_slab_cleanup(void *p)
{
	crb_slab_free(*(void **)p);
}

#endif /* !CRB_SLAB_H */
