#include "base/log.h"
#include "broker/core/core_link.h"
#include "broker/core/exchange.h"
#include "broker/core/exchange_hold.h"
#include "broker/core/lease_gateway.h"
#include "broker/core/query.h"
#include "broker/core/session_open.h"

static void
dispatch(struct crb_core *core, struct crb_msg *msg)
{
	/* The table lets nothing else through. */
	if (msg->type == CRB_MSG_EXCHANGE)
		crb_exchange_judge(core, &msg->exchange);
	else if (msg->type == CRB_MSG_EXCHANGE_DONE)
		crb_exchange_served(core, &msg->exchange_done);
	else if (msg->type == CRB_MSG_SHOWN)
		crb_holds_shown(core, &msg->shown);
	else if (msg->type == CRB_MSG_WITHDRAWN)
		crb_holds_withdrawn(core, &msg->withdrawn);
	else if (msg->type == CRB_MSG_QUERY)
		crb_query_answer(core, &msg->query);
	else if (msg->type == CRB_MSG_GATEWAY_CONFINED)
		crb_confined_said(
		    &core->confinement.gateway, &msg->gateway_confined);
	else if (msg->type == CRB_MSG_SESSION_ENDED)
		(void)crb_pending_reply(
		    &core->gateway.pending, msg->session_ended.request, msg);
	else if (msg->type == CRB_MSG_LEASE_DROPPED)
		(void)crb_pending_reply(
		    &core->gateway.pending, msg->lease_dropped.request, msg);
	else if (msg->type == CRB_MSG_LEASE_FETCHED)
		crb_lease_fetched(core, &msg->lease_fetched);
	else if (msg->type == CRB_MSG_SESSION_MISSED)
		crb_session_missed(core, msg->session_missed.session);
}

static void
message(void *ctx, struct crb_msg *msg)
{
	struct crb_core *core = ctx;

	dispatch(core, msg);
	crb_link_hold(&core->gateway);
}

static void
drained(void *ctx)
{
	crb_session_announce_more(ctx);
}

static void
gone(void *ctx, const struct crb_err *why)
{
	struct crb_core *core = ctx;

	(void)why;
	crb_peer_lost(core, &core->gateway);
	crb_holds_lost(core);
	crb_exchange_gateway_lost(core);
}

enum crb_status
crb_gateway_up(struct crb_core *core, int fd, struct crb_err *err)
{
	const struct crb_link_options options = {
		.loop = core->loop,
		.peer = CRB_ROLE_GATEWAY,
		.message = message,
		.gone = gone,
		.drained = drained,
		.ctx = core,
	};
	enum crb_status status;

	status = crb_link_up(&core->gateway, fd, &options, err);
	if (status == CRB_OK)
		crb_session_announce_all(core);
	return status;
}
