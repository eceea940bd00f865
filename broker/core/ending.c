#include "broker/core/ending.h"

#include <stdbool.h>
#include <stdlib.h>

struct crb_ending {
	unsigned waits;
	bool failed;
	struct crb_err why;
	crb_ending_fn *fn;
	void *ctx;
};

enum crb_status
crb_ending_new(
    crb_ending_fn *fn, void *ctx, struct crb_ending **out, struct crb_err *err)
{
	struct crb_ending *ending = calloc(1, sizeof(*ending));

	if (ending == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	ending->waits = 1;
	ending->fn = fn;
	ending->ctx = ctx;
	*out = ending;
	return CRB_OK;
}

void
crb_ending_then(struct crb_ending *ending, crb_ending_fn *fn, void *ctx)
{
	ending->fn = fn;
	ending->ctx = ctx;
}

void
crb_ending_expect(struct crb_ending *ending)
{
	if (ending != NULL)
		ending->waits++;
}

/* Not inlined: gcc 12 would see uses after the free that crb_ending_new()'s own
 * wait rules out. */
__attribute__((noinline)) void
crb_ending_settle(struct crb_ending *ending, const struct crb_err *why)
{
	if (ending == NULL)
		return;
	if (why != NULL && !ending->failed) {
		ending->failed = true;
		ending->why = *why;
	}
	if (--ending->waits > 0)
		return;
	if (ending->fn != NULL)
		ending->fn(ending->ctx, ending->failed ? &ending->why : NULL);
	free(ending);
}

void
crb_ending_ready(struct crb_ending *ending)
{
	crb_ending_settle(ending, NULL);
}

/* A process that was lost meanwhile has nothing open any more. */
void
crb_ending_acknowledged(
    void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	(void)msg;
	crb_ending_settle(
	    ctx, why != NULL && why->status == CRB_ERR_TIMEOUT ? why : NULL);
}
