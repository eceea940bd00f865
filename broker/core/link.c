#include "broker/core/link.h"

#include <unistd.h>

#include "base/log.h"

/* A process that takes longer has stopped working. */
#define LINK_REPLY_MS 10000

void
crb_link_init(struct crb_link *link, const char *name, struct crb_loop *loop)
{
	*link = (struct crb_link){ .name = name };
	crb_pending_init(&link->pending, loop);
}

static void
lost(void *ctx, const struct crb_err *why)
{
	struct crb_link *link = ctx;
	struct crb_bus *bus = link->bus;

	link->bus = NULL;
	crb_bus_free(bus);
	crb_log(CRB_LOG_WARN, "process lost", CRB_LOG_PROCESS, link->name,
	    CRB_LOG_REASON, why->msg, CRB_LOG_END);
	crb_pending_fail(&link->pending, why);
	link->gone(link->ctx, why);
}

static void
received(void *ctx, struct crb_msg *msg)
{
	struct crb_link *link = ctx;

	link->message(link->ctx, msg);
}

static void
drained(void *ctx)
{
	struct crb_link *link = ctx;

	crb_bus_pause(link->bus, false);
	if (link->drained != NULL)
		link->drained(link->ctx);
}

bool
crb_link_open(const struct crb_link *link)
{
	return link->bus != NULL && !crb_bus_crowded(link->bus);
}

void
crb_link_hold(struct crb_link *link)
{
	if (link->bus != NULL && crb_bus_crowded(link->bus))
		crb_bus_pause(link->bus, true);
}

enum crb_status
crb_link_up(struct crb_link *link, int fd,
    const struct crb_link_options *options, struct crb_err *err)
{
	struct crb_bus_options bus = {
		.loop = options->loop,
		.self = CRB_ROLE_CORE,
		.peer = options->peer,
		.message = received,
		.gone = lost,
		.drained = drained,
		.ctx = link,
	};
	struct crb_err why;

	if (link->bus != NULL) {
		(void)crb_err_set(&why, CRB_ERR_SYSTEM, "it was replaced");
		lost(link, &why);
	}
	link->message = options->message;
	link->gone = options->gone;
	link->drained = options->drained;
	link->ctx = options->ctx;
	link->started++;
	return crb_bus_new(fd, &bus, &link->bus, err);
}

void
crb_link_down(struct crb_link *link)
{
	struct crb_bus *bus = link->bus;
	struct crb_err why;

	link->bus = NULL;
	crb_bus_free(bus);
	(void)crb_err_set(&why, CRB_ERR_SYSTEM, "the broker is stopping");
	crb_pending_fail(&link->pending, &why);
}

static enum crb_status
need_up(const struct crb_link *link, struct crb_err *err)
{
	if (link->bus == NULL)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the %s is being restarted; try again", link->name);
	return CRB_OK;
}

enum crb_status
crb_link_send(struct crb_link *link, enum crb_msg_type type, const void *msg,
    int fd, struct crb_err *err)
{
	if (need_up(link, err) != CRB_OK)
		return err->status;
	return crb_bus_send(link->bus, type, msg, fd, err);
}

enum crb_status
crb_link_request_long(struct crb_link *link, int64_t most,
    enum crb_msg_type type, const void *msg, uint32_t *number,
    crb_pending_fn *fn, void *ctx, struct crb_err *err)
{
	enum crb_status status;

	/* Behind crb_link_down() nothing may wait any more. */
	if ((status = need_up(link, err)) != CRB_OK ||
	    (status = crb_pending_add(
		 &link->pending, most, fn, ctx, number, err)) != CRB_OK)
		return status;
	status = crb_link_send(link, type, msg, -1, err);
	if (status != CRB_OK)
		crb_pending_forget(&link->pending, *number);
	return status;
}

enum crb_status
crb_link_request(struct crb_link *link, enum crb_msg_type type, const void *msg,
    uint32_t *number, crb_pending_fn *fn, void *ctx, struct crb_err *err)
{
	return crb_link_request_long(
	    link, LINK_REPLY_MS, type, msg, number, fn, ctx, err);
}
