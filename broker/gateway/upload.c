#include "broker/gateway/upload.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/bus/headers.h"
#include "broker/bus/stream.h"
#include "broker/gateway/download.h"
#include "broker/gateway/flow.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/show.h"

enum MHD_Result
crb_upload_begin(struct crb_exchange *exchange)
{
	const struct crb_route_match *match = &exchange->match;
	const char *query = match->query != NULL ? match->query : "";
	struct crb_msg_exchange ask;

	exchange->route = match->route->action == CRB_ACTION_HTTP
	    ? CRB_ROUTE_HTTP
	    : CRB_ROUTE_GIT;
	ask = (struct crb_msg_exchange){
		.exchange = exchange->id,
		.session = CRB_SLICE(exchange->session->id),
		.route = (uint8_t)exchange->route,
		.method = CRB_SLICE(exchange->method),
		.target = { match->rest, match->rest_len },
		.query = CRB_SLICE(query),
		.has_query = match->query != NULL,
		.body = (uint8_t)exchange->facts.body,
		.length = exchange->facts.length,
		.service = CRB_SLICE(exchange->aws_service),
		.region = CRB_SLICE(exchange->aws_region),
	};

	crb_exchange_ask(exchange, CRB_MSG_EXCHANGE, &ask);
	exchange->verdict_due = exchange->phase == CRB_PHASE_ASKED;
	return MHD_YES;
}

void
crb_upload_watch_commands(struct crb_exchange *exchange)
{
	exchange->commands = malloc(sizeof(*exchange->commands));
	if (exchange->commands != NULL)
		crb_git_commands_init(exchange->commands);
}

static void
refuse_upstream(struct crb_exchange *exchange, const char *why)
{
	struct crb_refusal refusal;

	crb_refusal_make(&refusal, CRB_PROBLEM_UPSTREAM, "%s", why);
	crb_exchange_refuse(exchange, &refusal);
}

/* Nobody waits for it any more, or it cannot be carried out. */
static void
give_back(struct crb_exchange *exchange, const struct crb_msg *msg)
{
	if (exchange->session != NULL && msg->fd == -1)
		crb_flow_close(exchange->session, msg->verdict.stream);
	crb_exchange_end_flow(exchange, false);
}

static bool
is_waiting(const struct crb_exchange *exchange)
{
	return exchange->phase == CRB_PHASE_ASKED ||
	    exchange->phase == CRB_PHASE_SHOW;
}

static void
take_allowed(struct crb_exchange *exchange, struct crb_msg *msg)
{
	const struct crb_msg_verdict *verdict = &msg->verdict;

	exchange->allowed = true;
	exchange->job = verdict->job;
	if (exchange->mhd == NULL || exchange->dead || !is_waiting(exchange)) {
		give_back(exchange, msg);
		return;
	}
	exchange->origin = crb_slice_dup(verdict->origin);
	exchange->flow = crb_flow_take(
	    exchange->session, verdict->stream, &msg->fd, exchange);
	if (exchange->origin == NULL || exchange->flow == NULL) {
		crb_exchange_end_flow(exchange, false);
		refuse_upstream(exchange,
		    "the connection to the process that sends requests was "
		    "lost");
		return;
	}
	crb_show_end(exchange);
	exchange->phase = CRB_PHASE_UPLOAD;
}

static void
take_refused(
    struct crb_exchange *exchange, const struct crb_msg_verdict *verdict)
{
	struct crb_refusal refusal;

	if (!is_waiting(exchange))
		return;
	crb_refusal_from_verdict(&refusal, verdict);
	if (verdict->refs.len > 0)
		exchange->refused_refs = crb_slice_dup(verdict->refs);
	crb_exchange_refuse(exchange, &refusal);
}

struct block {
	enum crb_route_kind route;
	struct crb_buf text;
	unsigned count;
};

static enum MHD_Result
add_header(void *ctx, enum MHD_ValueKind kind, const char *name,
    size_t name_len, const char *value, size_t value_len)
{
	struct block *block = ctx;
	struct crb_slice key = { name, name_len };
	struct crb_slice text = { value != NULL ? value : "", value_len };

	(void)kind;
	if (crb_header_request_ok(block->route, key) &&
	    crb_headers_add(&block->text, key, text))
		block->count++;
	return MHD_YES;
}

/* Without a body its head is all of it. */
static enum crb_status
send_block(struct crb_exchange *exchange, struct crb_slice headers,
    struct crb_err *err)
{
	const struct crb_msg_request_head head = { .job = exchange->job,
		.headers = headers };
	const struct crb_msg_request_whole whole = { .job = exchange->job,
		.headers = headers };

	if (exchange->facts.body == CRB_BODY_NONE)
		return crb_stream_send(
		    exchange->flow->fd, CRB_MSG_REQUEST_WHOLE, &whole, err);
	return crb_stream_send(
	    exchange->flow->fd, CRB_MSG_REQUEST_HEAD, &head, err);
}

static enum crb_status
send_head(struct crb_exchange *exchange, struct crb_err *err)
{
	struct block block = { .route = exchange->route,
		.text = CRB_BUF_INIT(CRB_HEADERS_MAX) };
	enum crb_status status;

	(void)MHD_get_connection_values_n(
	    exchange->mhd, MHD_HEADER_KIND, add_header, &block);
	status = block.text.failed
	    ? crb_err_set(err, CRB_ERR_NOMEM, "out of memory")
	    : send_block(exchange, CRB_SLICE(crb_buf_text(&block.text)), err);
	crb_buf_clear(&block.text);
	exchange->head_sent = status == CRB_OK;
	exchange->end_sent = exchange->head_sent &&
	    exchange->facts.body == CRB_BODY_NONE;
	return status;
}

/*
 * Of a request without a body nothing more comes from its client, who is
 * suspended: so it goes out at once, and the client stays so until there is an
 * answer.  Where that fails it is tried again in the ordinary way, which finds
 * out what to do about it.
 */
static bool
send_at_once(struct crb_exchange *exchange)
{
	struct crb_err err;

	if (exchange->phase != CRB_PHASE_UPLOAD || !exchange->parked ||
	    exchange->facts.body != CRB_BODY_NONE ||
	    send_head(exchange, &err) != CRB_OK)
		return false;
	exchange->phase = CRB_PHASE_AWAIT;
	crb_flow_want(exchange->flow, CRB_READABLE);
	return true;
}

void
crb_upload_verdict(struct crb_gateway *gateway, struct crb_msg *msg)
{
	struct crb_exchange *exchange = crb_exchanges_find(
	    &gateway->exchanges, msg->verdict.exchange);

	if (exchange == NULL || !exchange->verdict_due) {
		crb_log(CRB_LOG_WARN, "verdict for nobody", CRB_LOG_END);
		return;
	}
	exchange->verdict_due = false;
	crb_exchange_asked(exchange);
	if (msg->verdict.allowed)
		take_allowed(exchange, msg);
	else
		take_refused(exchange, &msg->verdict);
	if (exchange->mhd == NULL)
		crb_exchange_free(exchange);
	else if (!send_at_once(exchange))
		crb_exchange_unpark(exchange);
}

static enum crb_status
send_body(struct crb_exchange *exchange, const char *data, size_t *size,
    struct crb_err *err)
{
	size_t len;

	for (; *size > 0; data += len, *size -= len) {
		len = *size < CRB_BODY_MAX ? *size : CRB_BODY_MAX;
		if (crb_stream_send_body(exchange->flow->fd,
			CRB_MSG_REQUEST_BODY, data, len, err) != CRB_OK)
			return err->status;
		crb_show_watch(exchange, data, len);
		exchange->up += len;
	}
	return CRB_OK;
}

static enum crb_status
send_end(struct crb_exchange *exchange, struct crb_err *err)
{
	struct crb_msg_request_end end = { 0 };

	if (crb_stream_send(
		exchange->flow->fd, CRB_MSG_REQUEST_END, &end, err) != CRB_OK)
		return err->status;
	exchange->end_sent = true;
	return CRB_OK;
}

/* As far as the stream takes it now. */
static enum crb_status
send_more(struct crb_exchange *exchange, const char *data, size_t *size,
    struct crb_err *err)
{
	bool at_end = *size == 0;

	if (!exchange->head_sent && send_head(exchange, err) != CRB_OK)
		return err->status;
	if (exchange->end_sent)
		return CRB_OK;
	if (crb_show_send(exchange, err) != CRB_OK)
		return err->status;
	if (!at_end)
		return send_body(exchange, data, size, err);
	return send_end(exchange, err);
}

/* Egress takes no more: the client may send the rest, but it goes nowhere. */
static enum MHD_Result
drop(struct crb_exchange *exchange, const char *data, size_t *size)
{
	if (*size > 0)
		return crb_exchange_drop(exchange, data, size);
	exchange->phase = CRB_PHASE_AWAIT;
	return crb_download_await(exchange, data, size);
}

enum MHD_Result
crb_upload_forward(
    struct crb_exchange *exchange, const char *data, size_t *size)
{
	bool at_end = *size == 0;
	struct crb_err err;

	if (exchange->dropping || exchange->flow == NULL)
		return drop(exchange, data, size);
	if (send_more(exchange, data, size, &err) == CRB_OK) {
		if (!at_end)
			return MHD_YES;
		exchange->phase = CRB_PHASE_AWAIT;
		return crb_download_await(exchange, data, size);
	}
	if (err.status == CRB_ERR_LIMIT) {
		/* It may refuse what it is sent, instead of taking it. */
		crb_exchange_park(exchange,
		    exchange->reply.has_head ? CRB_WRITABLE
					     : CRB_WRITABLE | CRB_READABLE);
		return MHD_YES;
	}
	/* It is gone, and may have said why. */
	exchange->dropping = true;
	crb_show_release(exchange);
	crb_download_head(exchange);
	return crb_exchange_again(exchange, data, size);
}
