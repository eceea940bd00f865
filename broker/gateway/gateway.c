#include "broker/gateway/gateway.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/bus/stream.h"
#include "broker/gateway/flow.h"
#include "broker/gateway/query.h"
#include "broker/gateway/server.h"
#include "broker/gateway/show.h"
#include "broker/gateway/upload.h"

static void
stop(struct crb_gateway *gateway)
{
	gateway->stopping = true;
	crb_loop_stop(gateway->loop);
}

void
crb_gateway_send(
    struct crb_gateway *gateway, enum crb_msg_type type, const void *msg)
{
	struct crb_err err;

	if (gateway->stopping ||
	    crb_bus_send(gateway->bus, type, msg, -1, &err) == CRB_OK)
		return;
	crb_log(CRB_LOG_ERROR, "cannot send to the core", CRB_LOG_REASON,
	    err.msg, CRB_LOG_END);
	stop(gateway);
}

bool
crb_gateway_ask(
    struct crb_gateway *gateway, enum crb_msg_type type, const void *msg)
{
	struct crb_err err;

	if (gateway->stopping || crb_bus_crowded(gateway->bus))
		return false;
	if (crb_bus_send(gateway->bus, type, msg, -1, &err) == CRB_OK)
		return true;
	crb_log(CRB_LOG_ERROR, "cannot ask the core", CRB_LOG_REASON, err.msg,
	    CRB_LOG_END);
	return false;
}

static void
open_session(struct crb_gateway *gateway, struct crb_msg *msg)
{
	const struct crb_msg_session_missed missed = {
		.session = msg->session_open.session
	};
	enum crb_status status;
	struct crb_err err;

	status = crb_session_open(gateway, msg, &err);
	if (status == CRB_OK)
		return;
	crb_log(CRB_LOG_ERROR, "session not opened", CRB_LOG_REASON, err.msg,
	    CRB_LOG_END);
	if (status != CRB_ERR_EXISTS)
		crb_gateway_send(gateway, CRB_MSG_SESSION_MISSED, &missed);
}

static void
renew_session(struct crb_gateway *gateway, struct crb_msg *msg)
{
	crb_session_renew(gateway, &msg->session_renew);
}

static void
end_session(struct crb_gateway *gateway, struct crb_msg *msg)
{
	crb_session_end(gateway, &msg->session_end);
}

static void
close_session(struct crb_gateway *gateway, struct crb_msg *msg)
{
	crb_session_close(gateway, &msg->session_close);
}

static void
close_stream(struct crb_gateway *gateway, struct crb_msg *msg)
{
	struct crb_session *session = crb_sessions_find(
	    &gateway->sessions, msg->stream_close.session);

	if (session != NULL)
		crb_flow_close(session, msg->stream_close.stream);
}

static void
take_lease(struct crb_gateway *gateway, struct crb_msg *msg)
{
	crb_lease_take(gateway, &msg->lease);
}

static void
drop_lease(struct crb_gateway *gateway, struct crb_msg *msg)
{
	crb_lease_drop(gateway, &msg->lease_drop);
}

static void
set_imds(struct crb_gateway *gateway, struct crb_msg *msg)
{
	crb_session_imds(gateway, &msg->session_imds);
}

static void
answer(struct crb_gateway *gateway, struct crb_msg *msg)
{
	crb_query_answer(gateway, &msg->answer);
}

static const struct {
	enum crb_msg_type type;
	void (*take)(struct crb_gateway *, struct crb_msg *);
} messages[] = {
	{ CRB_MSG_SESSION_OPEN, open_session },
	{ CRB_MSG_SESSION_RENEW, renew_session },
	{ CRB_MSG_SESSION_END, end_session },
	{ CRB_MSG_SESSION_CLOSE, close_session },
	{ CRB_MSG_STREAM_CLOSE, close_stream },
	{ CRB_MSG_ANSWER, answer },
	{ CRB_MSG_LEASE, take_lease },
	{ CRB_MSG_LEASE_DROP, drop_lease },
	{ CRB_MSG_SESSION_IMDS, set_imds },
	{ CRB_MSG_VERDICT, crb_upload_verdict },
	{ CRB_MSG_NEED, crb_show_need },
};

static void
take_message(void *ctx, struct crb_msg *msg)
{
	struct crb_gateway *gateway = ctx;

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (messages[i].type == msg->type)
			messages[i].take(gateway, msg);
	}
}

/* Without the core there is nothing that could be served. */
static void
core_gone(void *ctx, const struct crb_err *why)
{
	struct crb_gateway *gateway = ctx;

	crb_log(CRB_LOG_INFO, "the core is gone", CRB_LOG_REASON, why->msg,
	    CRB_LOG_END);
	stop(gateway);
}

static void
free_gateway(struct crb_gateway **gateway)
{
	crb_gateway_free(*gateway);
}

enum crb_status
crb_gateway_new(struct crb_loop *loop, int bus_fd, struct crb_gateway **out,
    struct crb_err *err)
{
	__attribute__((
	    cleanup(free_gateway))) struct crb_gateway *gateway = NULL;
	CRB_AUTO_FD int fd = bus_fd;
	struct rlimit limit;
	struct crb_bus_options options = { .loop = loop,
		.self = CRB_ROLE_GATEWAY,
		.peer = CRB_ROLE_CORE,
		.message = take_message,
		.gone = core_gone };

	if ((gateway = calloc(1, sizeof(*gateway))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	gateway->loop = loop;
	gateway->descriptors = getrlimit(RLIMIT_NOFILE, &limit) == 0
	    ? limit.rlim_cur
	    : RLIM_INFINITY;
	TAILQ_INIT(&gateway->idle);
	TAILQ_INIT(&gateway->heads);
	crb_lease_counts_init(gateway);
	if ((gateway->packet = malloc(CRB_STREAM_PACKET_MAX)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (crb_server_new(gateway, &gateway->server, err) != CRB_OK)
		return err->status;
	options.ctx = gateway;
	if (crb_bus_new(CRB_STEAL_FD(fd), &options, &gateway->bus, err) !=
	    CRB_OK)
		return err->status;
	*out = CRB_STEAL(gateway);
	return CRB_OK;
}

void
crb_gateway_free(struct crb_gateway *gateway)
{
	if (gateway == NULL)
		return;
	gateway->stopping = true;
	crb_sessions_clear(gateway);
	crb_lease_counts_clear(gateway);
	crb_server_free(gateway->server);
	crb_exchanges_clear(&gateway->exchanges);
	crb_bus_free(gateway->bus);
	free(gateway->connections);
	free(gateway->packet);
	free(gateway);
}
