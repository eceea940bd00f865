#include "broker/gateway/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/gateway/aws_scope.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/download.h"
#include "broker/gateway/fetch.h"
#include "broker/gateway/flow.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/git_reply.h"
#include "broker/gateway/query.h"
#include "broker/gateway/response.h"
#include "broker/gateway/server.h"
#include "broker/gateway/session.h"
#include "broker/gateway/show.h"
#include "broker/gateway/upload.h"

/* What is read of a refused body before the connection is closed instead. */
#define DROP_MAX (1ull << 30)
/* What a session may have on its way to the core: four of the largest. */
#define ASKING_MAX (4u * 65536)
/* Large, and looked at only as far as it is filled: left as it is. */
#define UNCLEARED __attribute__((uninitialized))
/* The rest of a pkt-line, and a message. */
#define TAIL_MAX (2 * CRB_PKTLINE_MAX)

static void
link_to(struct crb_session *session, struct crb_exchange *exchange)
{
	exchange->session = session;
	exchange->next = session->exchanges;
	if (exchange->next != NULL)
		exchange->next->prev = exchange;
	session->exchanges = exchange;
}

static void
unlink_from_session(struct crb_exchange *exchange)
{
	if (exchange->session == NULL)
		return;
	crb_exchange_asked(exchange);
	crb_show_drop(exchange);
	if (exchange->next != NULL)
		exchange->next->prev = exchange->prev;
	if (exchange->prev != NULL)
		exchange->prev->next = exchange->next;
	else
		exchange->session->exchanges = exchange->next;
	exchange->next = exchange->prev = NULL;
	exchange->session = NULL;
}

void
crb_exchange_free(struct crb_exchange *exchange)
{
	crb_show_drop(exchange);
	unlink_from_session(exchange);
	crb_exchanges_remove(&exchange->gateway->exchanges, exchange->id);
	if (exchange->answer != NULL)
		MHD_destroy_response(exchange->answer);
	if (exchange->commands != NULL)
		crb_git_commands_clear(exchange->commands);
	free(exchange->commands);
	free(exchange->show);
	free(exchange->refusal);
	free(exchange->refused_refs);
	crb_buf_clear(&exchange->body);
	crb_buf_clear(&exchange->reply.tail);
	free(exchange->reply.packet);
	free(exchange->reply.whole);
	crb_gather_close(&exchange->reply.gather);
	free(exchange->reply.headers);
	free(exchange->origin);
	free(exchange);
}

void *
crb_exchange_target(void *ctx, const char *target, struct MHD_Connection *mhd)
{
	struct crb_connection *connection = crb_connection_of(mhd);
	size_t len = strnlen(target, CRB_REQUEST_TARGET_MAX + 1);
	struct crb_exchange *exchange;

	((struct crb_gateway *)ctx)->calls++;
	if (connection == NULL ||
	    (exchange = calloc(1, sizeof(*exchange) + len + 1)) == NULL)
		return NULL;
	memcpy(exchange->target, target, len);
	exchange->gateway = ctx;
	exchange->connection = connection;
	exchange->mhd = mhd;
	exchange->reply.tail = (struct crb_buf)CRB_BUF_INIT(TAIL_MAX);
	if (!crb_exchanges_add(
		&exchange->gateway->exchanges, exchange, &exchange->id)) {
		free(exchange);
		return NULL;
	}
	link_to(connection->session, exchange);
	connection->exchange = exchange;
	return exchange;
}

struct headers {
	struct crb_header at[CRB_REQUEST_HEADERS_MAX + 1];
	size_t count;
};

static enum MHD_Result
add_header(void *ctx, enum MHD_ValueKind kind, const char *name,
    size_t name_len, const char *value, size_t value_len)
{
	struct headers *headers = ctx;

	(void)kind;
	headers->at[headers->count++] = (struct crb_header){
		.name = { name, name_len },
		.value = { value != NULL ? value : "", value_len },
	};
	return headers->count <= CRB_REQUEST_HEADERS_MAX ? MHD_YES : MHD_NO;
}

static bool
check_permission(struct crb_exchange *exchange, struct crb_refusal *refusal)
{
	const struct crb_request_facts *facts = &exchange->facts;

	if (!exchange->match.route->needs_session)
		return true;
	if (crb_aws_scope_applies(exchange))
		return crb_aws_scope_take(exchange, refusal);
	if (facts->authorization.p != NULL &&
	    !crb_session_accepts(exchange->session, facts->authorization,
		exchange->match.route->bare_token)) {
		crb_refusal_make(refusal, CRB_PROBLEM_TOKEN,
		    "the token is not one of this session");
		return false;
	}
	if (facts->authorization.p != NULL || facts->session_header)
		return true;
	crb_refusal_make(refusal, CRB_PROBLEM_NO_HEADER,
	    "this path wants the session's header or token");
	return false;
}

static bool
check_body(const struct crb_exchange *exchange, struct crb_refusal *refusal)
{
	const struct crb_route *route = exchange->match.route;

	if (route->action == CRB_ACTION_GIT ||
	    route->action == CRB_ACTION_HTTP ||
	    (exchange->facts.length <= route->body_max &&
		(exchange->facts.body != CRB_BODY_CHUNKED ||
		    route->body_max > 0)))
		return true;
	crb_refusal_make(refusal, CRB_PROBLEM_BODY_LARGE,
	    "the body is longer than %zu bytes", route->body_max);
	return false;
}

/* Can the request be understood, and its framing trusted? */
static bool
check_head(struct crb_exchange *exchange, const char *version,
    struct crb_refusal *refusal)
{
	UNCLEARED struct headers headers;
	struct crb_request_view view = {
		.method = exchange->method,
		.version = version,
		.target = exchange->target,
		.headers = headers.at,
		.port = exchange->session != NULL ? exchange->session->port : 0,
	};

	headers.count = 0;
	(void)MHD_get_connection_values_n(
	    exchange->mhd, MHD_HEADER_KIND, add_header, &headers);
	view.header_count = headers.count;
	return crb_request_check(&view, &exchange->facts, refusal);
}

/* The path, then the permission; then whether the session lives. */
static bool
check_route(struct crb_exchange *exchange, struct crb_refusal *refusal)
{
	return crb_route_find(exchange->method, exchange->target,
		   &exchange->match, refusal) &&
	    check_permission(exchange, refusal) &&
	    !crb_session_refuses(exchange->session, refusal) &&
	    crb_fetch_permits(exchange, refusal);
}

static void
look_at_target(struct crb_exchange *exchange)
{
	exchange->facts.authorization = (struct crb_slice){ NULL, 0 };
	exchange->facts.imds_token = (struct crb_slice){ NULL, 0 };
	exchange->facts.imds_ttl = (struct crb_slice){ NULL, 0 };
	exchange->facts.aws_payload = (struct crb_slice){ NULL, 0 };
	if (crb_route_plain(exchange->target))
		exchange->facts.plain = true;
	if (crb_route_git(exchange->target))
		exchange->operation = crb_git_operation_of(
		    exchange->method, exchange->target);
	if (exchange->operation == CRB_GIT_PUSH)
		crb_upload_watch_commands(exchange);
}

/*
 * libmicrohttpd closes a connection that is answered here.  That is right for
 * what cannot be understood; any other refusal is said when the body has come,
 * to git in its own way.
 */
static enum MHD_Result
begin(struct crb_exchange *exchange, const char *method, const char *version)
{
	static enum MHD_Result (*const actions[])(struct crb_exchange *) = {
		[CRB_ACTION_QUERY] = crb_query_begin,
		[CRB_ACTION_NOTHING] = crb_query_begin,
		[CRB_ACTION_GIT] = crb_upload_begin,
		[CRB_ACTION_HTTP] = crb_upload_begin,
		[CRB_ACTION_LEASE] = crb_fetch_lease_begin,
		[CRB_ACTION_IMDS] = crb_fetch_imds_begin,
		[CRB_ACTION_IMDS_TOKEN] = crb_fetch_token_begin,
	};
	UNCLEARED struct crb_refusal refusal;
	bool understood, accepted;

	crb_connection_busy(exchange->connection);
	exchange->method = method;
	understood = check_head(exchange, version, &refusal);
	accepted = understood && check_route(exchange, &refusal);
	look_at_target(exchange);
	if (accepted && check_body(exchange, &refusal))
		return actions[exchange->match.route->action](exchange);
	crb_exchange_refuse(exchange, &refusal);
	if (understood && !accepted)
		return MHD_YES;
	return crb_response_send_refusal(exchange);
}

/* Nothing is done with it; only a push's command list is looked at. */
enum MHD_Result
crb_exchange_drop(struct crb_exchange *exchange, const char *data, size_t *size)
{
	crb_show_watch(exchange, data, *size);
	exchange->dropped += *size;
	*size = 0;
	return exchange->dropped <= DROP_MAX ? MHD_YES : MHD_NO;
}

/* The body is dropped, then the refusal is said. */
static enum MHD_Result
refuse(struct crb_exchange *exchange, const char *data, size_t *size)
{
	if (*size > 0)
		return crb_exchange_drop(exchange, data, size);
	return crb_response_send_refusal(exchange);
}

/* The core answers when it does; a body waits until then. */
static enum MHD_Result
wait_for_core(struct crb_exchange *exchange, const char *data, size_t *size)
{
	(void)data;
	(void)size;
	crb_exchange_park(exchange, 0);
	return MHD_YES;
}

/* A response is queued: libmicrohttpd has no reason to ask. */
static enum MHD_Result
done(struct crb_exchange *exchange, const char *data, size_t *size)
{
	(void)exchange;
	(void)data;
	*size = 0;
	return MHD_YES;
}

static crb_phase_fn *const phases[] = {
	[CRB_PHASE_COLLECT] = crb_query_collect,
	[CRB_PHASE_ASKED] = wait_for_core,
	[CRB_PHASE_SHOW] = crb_show_collect,
	[CRB_PHASE_ANSWER] = crb_query_reply,
	[CRB_PHASE_FETCH] = crb_fetch_reply,
	[CRB_PHASE_UPLOAD] = crb_upload_forward,
	[CRB_PHASE_AWAIT] = crb_download_await,
	[CRB_PHASE_REPLY] = done,
	[CRB_PHASE_REFUSE] = refuse,
};

enum MHD_Result
crb_exchange_access(void *ctx, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **request)
{
	struct crb_exchange *exchange = *request;

	(void)mhd;
	(void)url;
	((struct crb_gateway *)ctx)->calls++;
	if (exchange == NULL || exchange->dead)
		return MHD_NO;
	if (exchange->phase == CRB_PHASE_HEAD)
		return begin(exchange, method, version);
	return phases[exchange->phase](exchange, data, size);
}

enum MHD_Result
crb_exchange_again(
    struct crb_exchange *exchange, const char *data, size_t *size)
{
	return phases[exchange->phase](exchange, data, size);
}

void
crb_exchange_completed(void *ctx, struct MHD_Connection *mhd, void **request,
    enum MHD_RequestTerminationCode code)
{
	struct crb_exchange *exchange = *request;
	struct crb_connection *connection;
	const struct crb_reply *reply;

	(void)mhd;
	((struct crb_gateway *)ctx)->calls++;
	if (exchange == NULL)
		return;
	*request = NULL;
	connection = exchange->connection;
	reply = &exchange->reply;
	exchange->connection = NULL;
	exchange->mhd = NULL;
	exchange->parked = false;
	crb_connection_quiet(connection);
	crb_exchange_end_flow(exchange,
	    code == MHD_REQUEST_TERMINATED_COMPLETED_OK && reply->ended &&
		reply->clean && exchange->end_sent);
	crb_show_leave(exchange);
	crb_show_drop(exchange);
	/* A verdict may bring a descriptor, or name a job that must end. */
	if (!exchange->verdict_due)
		crb_exchange_free(exchange);
}

void
crb_exchange_client_gone(struct crb_exchange *exchange)
{
	exchange->dead = true;
	crb_exchange_unpark(exchange);
}

void
crb_exchange_flow_event(struct crb_exchange *exchange)
{
	if (!exchange->parked)
		return;
	if (exchange->phase == CRB_PHASE_UPLOAD ||
	    exchange->phase == CRB_PHASE_AWAIT)
		crb_download_head(exchange);
	crb_exchange_unpark(exchange);
}

void
crb_exchange_cut(
    struct crb_exchange *exchange, const struct crb_refusal *refusal)
{
	if (exchange->phase == CRB_PHASE_REPLY) {
		crb_download_cut(exchange, refusal);
	} else if (exchange->phase != CRB_PHASE_HEAD &&
	    exchange->phase != CRB_PHASE_REFUSE) {
		crb_exchange_end_flow(exchange, false);
		crb_show_leave(exchange);
		crb_exchange_refuse(exchange, refusal);
	}
	crb_exchange_unpark(exchange);
}

void
crb_exchange_orphan(struct crb_exchange *exchange)
{
	unlink_from_session(exchange);
}

void
crb_exchange_ask(
    struct crb_exchange *exchange, enum crb_msg_type type, const void *msg)
{
	struct crb_session *session = exchange->session;
	size_t asking = strlen(exchange->target) + exchange->body.len;
	struct crb_refusal refusal;

	exchange->phase = CRB_PHASE_ASKED;
	if (session->asking + asking <= ASKING_MAX &&
	    crb_gateway_ask(exchange->gateway, type, msg)) {
		session->asking += asking;
		exchange->asking = asking;
		return;
	}
	crb_refusal_make(&refusal, CRB_PROBLEM_BUSY,
	    "the broker has too much to do for this session");
	crb_exchange_refuse(exchange, &refusal);
}

void
crb_exchange_asked(struct crb_exchange *exchange)
{
	if (exchange->session != NULL)
		exchange->session->asking -= exchange->asking;
	exchange->asking = 0;
}

void
crb_exchange_park(struct crb_exchange *exchange, unsigned events)
{
	if (exchange->flow != NULL)
		crb_flow_want(exchange->flow, events);
	if (exchange->parked)
		return;
	exchange->parked = true;
	MHD_suspend_connection(exchange->mhd);
	crb_connection_watch(exchange->connection);
}

void
crb_exchange_unpark(struct crb_exchange *exchange)
{
	if (!exchange->parked)
		return;
	/* What the flow was watched for stays: to say so costs a call. */
	exchange->parked = false;
	MHD_resume_connection(exchange->mhd);
	crb_server_wake(exchange->gateway->server);
}

void
crb_exchange_refuse(
    struct crb_exchange *exchange, const struct crb_refusal *refusal)
{
	exchange->phase = CRB_PHASE_REFUSE;
	crb_show_release(exchange);
	if (exchange->refusal == NULL)
		exchange->refusal = malloc(sizeof(*exchange->refusal));
	if (exchange->refusal != NULL)
		*exchange->refusal = *refusal;
}

void
crb_exchange_end_flow(struct crb_exchange *exchange, bool clean)
{
	clean = clean && exchange->flow != NULL && !exchange->reply.cut;
	if (exchange->flow != NULL)
		crb_flow_release(exchange->flow, clean);
	if (!exchange->allowed)
		return;
	exchange->allowed = false;
	crb_gateway_send(exchange->gateway, CRB_MSG_EXCHANGE_DONE,
	    &(struct crb_msg_exchange_done){ .exchange = exchange->id,
		.job = exchange->job,
		.clean = clean,
		.status = (uint16_t)exchange->status,
		.up = exchange->up,
		.down = exchange->down });
}

enum MHD_Result
crb_exchange_queue(struct crb_exchange *exchange, unsigned status,
    struct MHD_Response *response)
{
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	if (exchange->facts.close ||
	    crb_connection_is_last(exchange->connection))
		(void)MHD_add_response_header(
		    response, MHD_HTTP_HEADER_CONNECTION, "close");
	exchange->phase = CRB_PHASE_REPLY;
	exchange->status = status;
	result = MHD_queue_response(exchange->mhd, status, response);
	MHD_destroy_response(response);
	return result;
}
