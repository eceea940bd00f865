#include "broker/core/core_link.h"
#include "broker/core/exchange.h"

static void
confined(struct crb_core *core, const struct crb_msg_egress_confined *said)
{
	const struct crb_msg_gateway_confined same = {
		.uid = said->uid,
		.seccomp = said->seccomp,
		.root = said->root,
		.namespaces = said->namespaces,
		.landlock = said->landlock,
		.problems = said->problems,
	};

	crb_confined_said(&core->confinement.egress, &same);
}

static void
message(void *ctx, struct crb_msg *msg)
{
	struct crb_core *core = ctx;

	if (msg->type == CRB_MSG_JOB_DONE)
		crb_exchange_sent(core, &msg->job_done);
	else if (msg->type == CRB_MSG_SESSION_DROPPED)
		(void)crb_pending_reply(
		    &core->egress.pending, msg->session_dropped.request, msg);
	else if (msg->type == CRB_MSG_PROBED)
		(void)crb_pending_reply(
		    &core->egress.pending, msg->probed.request, msg);
	else if (msg->type == CRB_MSG_MINTED)
		(void)crb_pending_reply(
		    &core->egress.pending, msg->minted.request, msg);
	else if (msg->type == CRB_MSG_EGRESS_CONFINED)
		confined(core, &msg->egress_confined);
}

static void
gone(void *ctx, const struct crb_err *why)
{
	struct crb_core *core = ctx;

	(void)why;
	crb_peer_lost(core, &core->egress);
	crb_exchange_egress_lost(core);
}

enum crb_status
crb_egress_up(struct crb_core *core, int fd, struct crb_err *err)
{
	const struct crb_link_options options = {
		.loop = core->loop,
		.peer = CRB_ROLE_EGRESS,
		.message = message,
		.gone = gone,
		.ctx = core,
	};

	return crb_link_up(&core->egress, fd, &options, err);
}
