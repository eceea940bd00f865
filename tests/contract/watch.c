#include "tests/contract/watch.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>

/*
 * The linker sends free() and realloc() here, so that memory which is handed
 * back without being wiped can be looked at.
 */
void __real_free(void *p);
void __wrap_free(void *p);
void *__real_realloc(void *p, size_t len);
void *__wrap_realloc(void *p, size_t len);

struct watch watch;

static void
watch_block(const void *p)
{
	size_t len = p != NULL && watch.armed
	    ? malloc_usable_size((void *)(uintptr_t)p)
	    : 0;

	if (len > 0 &&
	    (memmem(p, len, CANARY, strlen(CANARY)) != NULL ||
		memmem(p, len, watch.encoded, strlen(watch.encoded)) != NULL))
		watch.found++;
}

void
__wrap_free(void *p)
{
	watch_block(p);
	__real_free(p);
}

void *
__wrap_realloc(void *p, size_t len)
{
	watch_block(p);
	return __real_realloc(p, len);
}
