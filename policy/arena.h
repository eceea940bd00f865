#ifndef CRB_ARENA_H
#define CRB_ARENA_H

#include <stddef.h>

/*
 * Memory that is freed together: a policy, or what one question needs.  The
 * first bytes may be the caller's own, so that a question that is small needs
 * no malloc().
 */
struct crb_arena_block;

struct crb_arena {
	struct crb_arena_block *blocks;
	char *at; /* the next free byte */
	size_t left;
	size_t used; /* bytes that were ever given */
	size_t max;  /* of `used` */
};

#define CRB_ARENA_INIT(maximum)  \
	{                        \
		.max = (maximum) \
	}
#define CRB_ARENA_INIT_ON(bytes, maximum)                                      \
	{                                                                      \
		.at = (char *)(bytes), .left = sizeof(bytes), .max = (maximum) \
	}

/* Zeroed, aligned for anything; NULL when over the maximum or without memory.
 */
void *crb_arena_alloc(struct crb_arena *arena, size_t len);
/* `count` of `size` bytes each. */
void *crb_arena_array(struct crb_arena *arena, size_t count, size_t size);
void crb_arena_clear(struct crb_arena *arena);

#define CRB_AUTO_ARENA __attribute__((cleanup(crb_arena_clear)))

#endif /* !CRB_ARENA_H */
