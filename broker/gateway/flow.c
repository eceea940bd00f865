#include "broker/gateway/flow.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/session.h"

static void
close_flow(struct crb_flow *flow)
{
	struct crb_flow **at = &flow->session->flows;

	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	if (flow->exchange != NULL)
		flow->exchange->flow = NULL;
	if (!flow->hung)
		crb_loop_unwatch(flow->session->gateway->loop, flow->fd);
	(void)close(flow->fd);
	flow->session->gateway->flow_count--;
	free(flow);
}

static void
flow_event(void *ctx, int fd, unsigned events)
{
	struct crb_flow *flow = ctx;

	if (flow->exchange == NULL) {
		/* Nothing may come between exchanges. */
		close_flow(flow);
		return;
	}
	if ((events & CRB_HANGUP) != 0) {
		/* It would be reported for ever. */
		crb_loop_unwatch(flow->session->gateway->loop, fd);
		flow->hung = true;
	} else if (!flow->exchange->parked) {
		/* Nobody waits for it; who does later says so again. */
		crb_flow_want(flow, 0);
	}
	crb_exchange_flow_event(flow->exchange);
}

static struct crb_flow *
find(struct crb_session *session, uint32_t id)
{
	struct crb_flow *flow = session->flows;

	while (flow != NULL && (flow->id != id || flow->exchange != NULL))
		flow = flow->next;
	return flow;
}

static struct crb_flow *
new_flow(struct crb_session *session, uint32_t id, int *fd)
{
	struct crb_flow *flow = calloc(1, sizeof(*flow));
	struct crb_err err;

	if (flow == NULL)
		return NULL;
	if (crb_loop_watch(session->gateway->loop, *fd, 0, flow_event, flow,
		&err) != CRB_OK) {
		free(flow);
		return NULL;
	}
	flow->session = session;
	flow->id = id;
	flow->fd = CRB_STEAL_FD(*fd);
	flow->next = session->flows;
	session->flows = flow;
	session->gateway->flow_count++;
	return flow;
}

struct crb_flow *
crb_flow_take(struct crb_session *session, uint32_t id, int *fd,
    struct crb_exchange *exchange)
{
	struct crb_flow *flow = *fd != -1 ? new_flow(session, id, fd)
					  : find(session, id);

	if (flow != NULL)
		flow->exchange = exchange;
	return flow;
}

void
crb_flow_release(struct crb_flow *flow, bool clean)
{
	if (flow->exchange != NULL)
		flow->exchange->flow = NULL;
	flow->exchange = NULL;
	if (clean && !flow->hung)
		crb_flow_want(flow, CRB_READABLE);
	else
		close_flow(flow);
}

void
crb_flow_close_all(struct crb_session *session)
{
	while (session->flows != NULL)
		close_flow(session->flows);
}

void
crb_flow_close(struct crb_session *session, uint32_t id)
{
	struct crb_flow *flow = find(session, id);

	if (flow != NULL)
		close_flow(flow);
}

void
crb_flow_want(struct crb_flow *flow, unsigned events)
{
	if (!flow->hung)
		crb_loop_want(flow->session->gateway->loop, flow->fd, events);
}
