#include "policy/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (64u << 10)
#define ALIGN sizeof(max_align_t)

struct crb_arena_block {
	struct crb_arena_block *next;
	_Alignas(max_align_t) char bytes[];
};

static int
add_block(struct crb_arena *arena, size_t len)
{
	size_t bytes = len > BLOCK_BYTES ? len : BLOCK_BYTES;
	struct crb_arena_block *block = malloc(sizeof(*block) + bytes);

	if (block == NULL)
		return -1;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->at = block->bytes;
	arena->left = bytes;
	return 0;
}

void *
crb_arena_alloc(struct crb_arena *arena, size_t len)
{
	size_t skip = (size_t)(-(uintptr_t)arena->at % ALIGN);
	void *p;

	if (len > arena->max || arena->used > arena->max - len)
		return NULL;
	if (arena->at == NULL || arena->left < skip ||
	    arena->left - skip < len) {
		if (add_block(arena, len) != 0)
			return NULL;
		skip = 0;
	}
	p = arena->at + skip;
	arena->at += skip + len;
	arena->left -= skip + len;
	arena->used += skip + len;
	return memset(p, 0, len);
}

void *
crb_arena_array(struct crb_arena *arena, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	return crb_arena_alloc(arena, count * size);
}

void
crb_arena_clear(struct crb_arena *arena)
{
	while (arena->blocks != NULL) {
		struct crb_arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->at = NULL;
	arena->left = 0;
	arena->used = 0;
}
