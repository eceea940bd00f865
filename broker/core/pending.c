#include "broker/core/pending.h"

#include <stdlib.h>

struct entry {
	struct crb_pending *pending;
	uint32_t request;
	crb_pending_fn *fn;
	void *ctx;
	struct crb_timer timer;
};

void
crb_pending_init(struct crb_pending *pending, struct crb_loop *loop)
{
	*pending = (struct crb_pending){ .loop = loop };
}

/* Out of the map before the call, which may add others. */
static void
finish(struct entry *entry, struct crb_msg *msg, const struct crb_err *why)
{
	struct crb_pending *pending = entry->pending;

	(void)crb_map_take(
	    &pending->map, &entry->request, sizeof(entry->request));
	crb_timer_clear(pending->loop, &entry->timer);
	if (entry->fn != NULL)
		entry->fn(entry->ctx, msg, why);
	free(entry);
}

static void
too_late(void *ctx)
{
	struct entry *entry = ctx;
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_TIMEOUT,
	    "another process of the broker did not answer in time");
	finish(entry, NULL, &why);
}

static uint32_t
next_number(struct crb_pending *pending)
{
	do {
		pending->last++;
	} while (pending->last == 0 ||
	    crb_map_get(&pending->map, &pending->last, sizeof(pending->last)) !=
		NULL);
	return pending->last;
}

enum crb_status
crb_pending_add(struct crb_pending *pending, int64_t timeout_ms,
    crb_pending_fn *fn, void *ctx, uint32_t *request, struct crb_err *err)
{
	enum crb_status status;
	struct entry *entry;

	if ((entry = calloc(1, sizeof(*entry))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	entry->pending = pending;
	entry->request = next_number(pending);
	entry->fn = fn;
	entry->ctx = ctx;
	crb_timer_init(&entry->timer, too_late, entry);
	status = crb_timer_set(pending->loop, &entry->timer, timeout_ms, err);
	if (status == CRB_OK)
		status = crb_map_put(&pending->map, &entry->request,
		    sizeof(entry->request), entry, err);
	if (status != CRB_OK) {
		crb_timer_clear(pending->loop, &entry->timer);
		free(entry);
		return status;
	}
	*request = entry->request;
	return CRB_OK;
}

static struct entry *
lookup(const struct crb_pending *pending, uint32_t request)
{
	return crb_map_get(&pending->map, &request, sizeof(request));
}

void
crb_pending_forget(struct crb_pending *pending, uint32_t request)
{
	struct entry *entry = lookup(pending, request);

	if (entry == NULL)
		return;
	entry->fn = NULL;
	finish(entry, NULL, NULL);
}

bool
crb_pending_reply(
    struct crb_pending *pending, uint32_t request, struct crb_msg *msg)
{
	struct entry *entry = lookup(pending, request);

	if (entry == NULL)
		return false;
	finish(entry, msg, NULL);
	return true;
}

static struct entry *
any(const struct crb_pending *pending)
{
	for (size_t i = 0; i < pending->map.capacity; i++)
		if (pending->map.slot[i].value != NULL)
			return pending->map.slot[i].value;
	return NULL;
}

void
crb_pending_fail(struct crb_pending *pending, const struct crb_err *why)
{
	struct entry *entry;

	while ((entry = any(pending)) != NULL)
		finish(entry, NULL, why);
	crb_map_clear(&pending->map);
}
