#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "broker/core/admin.h"
#include "broker/core/core_link.h"
#include "broker/core/policies.h"
#include "broker/core/reload.h"

static void
peer(struct crb_core *core, struct crb_msg *msg)
{
	enum crb_status status = CRB_OK;
	struct crb_err err;

	crb_confined_started(core, &msg->peer);
	if (msg->peer.role == CRB_ROLE_GATEWAY)
		status = crb_gateway_up(core, CRB_STEAL_FD(msg->fd), &err);
	else if (msg->peer.role == CRB_ROLE_EGRESS)
		status = crb_egress_up(core, CRB_STEAL_FD(msg->fd), &err);
	if (msg->peer.role == CRB_ROLE_GATEWAY)
		core->gateway.pid = msg->peer.pid;
	else if (msg->peer.role == CRB_ROLE_EGRESS)
		core->egress.pid = msg->peer.pid;
	if (status != CRB_OK)
		crb_log(CRB_LOG_ERROR, "process not linked", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

/* Nobody is answered before the policies were looked at. */
static void
listen_admin(struct crb_core *core)
{
	struct crb_err err;

	if (core->admin_socket == -1 ||
	    (crb_core_unlocked(core) && !crb_policies_tried(core->policies)))
		return;
	if (crb_admin_new(core, CRB_STEAL_FD(core->admin_socket), &core->admin,
		&err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "admin socket", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

void
crb_supervisor_settled(struct crb_core *core)
{
	listen_admin(core);
	if (core->reopening == 0 && core->reopen == NULL)
		crb_core_say_ready(core);
}

static void
admin(struct crb_core *core, struct crb_msg *msg)
{
	core->confinement.restarts = msg->admin.restarts;
	if (core->admin != NULL || core->admin_socket != -1)
		return;
	core->admin_socket = CRB_STEAL_FD(msg->fd);
	crb_supervisor_settled(core);
}

/* Each of these is sent once: without it, better begin again. */
static bool
is_lost(struct crb_core *core, const struct crb_msg *msg)
{
	if (msg->fd != CRB_FD_LOST ||
	    (msg->type != CRB_MSG_PEER && msg->type != CRB_MSG_ADMIN))
		return false;
	crb_log(CRB_LOG_ERROR, "no descriptor for what came", CRB_LOG_REASON,
	    crb_msg_name(msg->type), CRB_LOG_END);
	crb_loop_stop(core->loop);
	return true;
}

static void
message(void *ctx, struct crb_msg *msg)
{
	struct crb_core *core = ctx;

	if (is_lost(core, msg))
		return;
	if (msg->type == CRB_MSG_PEER)
		peer(core, msg);
	else if (msg->type == CRB_MSG_ADMIN)
		admin(core, msg);
	else if (msg->type == CRB_MSG_STOP)
		crb_loop_stop(core->loop);
	else if (msg->type == CRB_MSG_RELOAD)
		crb_reload(core, CRB_STEAL_FD(msg->fd));
	/* All replies start with the number of their request. */
	else
		(void)crb_pending_reply(
		    &core->supervisor.pending, msg->folder_opened.request, msg);
}

/* Without it there are no folders and nobody to restart anything: end. */
static void
gone(void *ctx, const struct crb_err *why)
{
	struct crb_core *core = ctx;

	(void)why;
	crb_loop_stop(core->loop);
}

enum crb_status
crb_supervisor_up(struct crb_core *core, int fd, struct crb_err *err)
{
	const struct crb_link_options options = {
		.loop = core->loop,
		.peer = CRB_ROLE_SUPERVISOR,
		.message = message,
		.gone = gone,
		.ctx = core,
	};

	return crb_link_up(&core->supervisor, fd, &options, err);
}

void
crb_peer_lost(struct crb_core *core, const struct crb_link *link)
{
	struct crb_msg_peer_lost msg = { .pid = (uint32_t)link->pid };
	struct crb_err err;

	if (crb_link_send(
		&core->supervisor, CRB_MSG_PEER_LOST, &msg, -1, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "lost process not reported",
		    CRB_LOG_PROCESS, link->name, CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}
