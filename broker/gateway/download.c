#include "broker/gateway/download.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/bus/stream.h"
#include "broker/gateway/flow.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/reply.h"
#include "broker/gateway/response.h"

static void
lost(struct crb_refusal *refusal)
{
	crb_refusal_make(refusal, CRB_PROBLEM_UPSTREAM,
	    "the connection to the upstream service was lost");
}

static void
failed(struct crb_refusal *refusal, const struct crb_msg_response_fail *fail)
{
	crb_refusal_make(refusal, CRB_PROBLEM_UPSTREAM, "%.*s",
	    (int)fail->detail.len, fail->detail.p);
	crb_refusal_set_code(refusal, fail->code);
	/* git would ask for a password. */
	if (fail->status >= 400 && fail->status <= 599 && fail->status != 401)
		refusal->status = fail->status;
}

/*
 * One message of the response; false when nothing waits.  When egress has
 * closed the stream with a part of the request unread, that is told once
 * before what it wrote, which may be why.
 */
static bool
receive(struct crb_exchange *exchange, uint8_t *packet, struct crb_msg *msg,
    bool *closed)
{
	struct crb_err err;

	*closed = true;
	for (int i = 0; i < 2 && *closed && exchange->flow != NULL; i++) {
		if (crb_stream_receive(exchange->flow->fd, CRB_ROLE_EGRESS,
			CRB_ROLE_GATEWAY, packet, msg, closed, &err) != CRB_OK)
			return *closed = true;
	}
	return *closed || msg->type != CRB_MSG_NONE_;
}

static bool
take_head(
    struct crb_exchange *exchange, const struct crb_msg_response_head *head)
{
	struct crb_reply *reply = &exchange->reply;

	if (head->job != exchange->job || head->status < 200 ||
	    head->status > 599 || head->status == 401 || head->status == 407)
		return false;
	if ((reply->headers = crb_slice_dup(head->headers)) == NULL)
		return false;
	reply->has_head = true;
	reply->status = head->status;
	reply->has_length = head->has_length != 0;
	reply->length = head->length;
	/* An answer before the request's end is often the end of its reading.
	 */
	if (exchange->phase == CRB_PHASE_UPLOAD && head->status >= 300)
		exchange->dropping = true;
	return true;
}

/* Of a HEAD, and of some statuses, a length stands there without a body. */
static bool
has_right_length(const struct crb_msg_response_whole *whole)
{
	return whole->data.len == 0 || whole->has_length == 0 ||
	    whole->data.len == whole->length;
}

/* The packet is every exchange's, so the body is taken out of it. */
static bool
take_whole(
    struct crb_exchange *exchange, const struct crb_msg_response_whole *whole)
{
	const struct crb_msg_response_head head = {
		.job = whole->job,
		.status = whole->status,
		.has_length = whole->has_length,
		.length = whole->length,
		.headers = whole->headers,
	};
	struct crb_reply *reply = &exchange->reply;

	if (!has_right_length(whole) ||
	    (reply->whole = malloc(whole->data.len + 1)) == NULL ||
	    !take_head(exchange, &head))
		return false;
	memcpy(reply->whole, whole->data.p, whole->data.len);
	reply->pending = (struct crb_slice){ reply->whole, whole->data.len };
	reply->ended = reply->clean = true;
	return true;
}

static bool
take_first(struct crb_exchange *exchange, const struct crb_msg *msg)
{
	if (msg->type == CRB_MSG_RESPONSE_WHOLE)
		return take_whole(exchange, &msg->response_whole);
	return msg->type == CRB_MSG_RESPONSE_HEAD &&
	    take_head(exchange, &msg->response_head);
}

void
crb_download_head(struct crb_exchange *exchange)
{
	struct crb_refusal refusal;
	struct crb_msg msg;
	bool closed;

	if (exchange->reply.has_head ||
	    !receive(exchange, exchange->gateway->packet, &msg, &closed))
		return;
	if (!closed && take_first(exchange, &msg))
		return;
	if (!closed && msg.type == CRB_MSG_RESPONSE_FAIL)
		failed(&refusal, &msg.response_fail);
	else
		lost(&refusal);
	crb_exchange_end_flow(exchange, false);
	crb_exchange_refuse(exchange, &refusal);
}

/* libmicrohttpd's buffer, as far as it is filled. */
struct piece {
	char *at;
	size_t room, len;
};

static void
take_pending(struct crb_reply *reply, struct piece *piece)
{
	struct crb_slice *pending = &reply->pending;
	size_t len = pending->len < piece->room ? pending->len : piece->room;

	if (len == 0)
		return;
	memcpy(piece->at + piece->len, pending->p, len);
	if (reply->framed && !reply->cut)
		crb_pktline_feed(&reply->line, pending->p, len);
	piece->len += len;
	piece->room -= len;
	pending->p += len;
	pending->len -= len;
}

/* Of what waits, no more goes out than ends the line that is under way. */
static void
end_line(struct crb_reply *reply)
{
	struct crb_slice *pending = &reply->pending;

	if (reply->gather.bytes == NULL) {
		pending->len = 0;
		return;
	}
	pending->len = crb_pktline_rest(&reply->line, pending->p, pending->len);
	crb_buf_add(&reply->tail, pending->p, pending->len);
	crb_pktline_feed(&reply->line, pending->p, pending->len);
	pending->len = 0;
}

/* What is said in the place of the rest: something that git shows, or none. */
static void
write_cut(struct crb_exchange *exchange, const struct crb_refusal *refusal)
{
	struct crb_reply *reply = &exchange->reply;
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(4096);

	reply->cut = true;
	end_line(reply);
	crb_problem_line(refusal, &line);
	if (reply->framed &&
	    crb_pktline_cut(&reply->line, crb_buf_text(&line), &reply->tail))
		reply->pending = (struct crb_slice){ crb_buf_text(&reply->tail),
			reply->tail.len };
	else
		reply->broken = true;
	crb_exchange_end_flow(exchange, false);
}

void
crb_download_cut(
    struct crb_exchange *exchange, const struct crb_refusal *refusal)
{
	/* An answer of our own, or one that has all come, stays whole. */
	if (!exchange->reply.has_head || exchange->reply.cut)
		return;
	if (exchange->reply.ended)
		crb_exchange_end_flow(exchange, false);
	else
		write_cut(exchange, refusal);
}

/* False when nothing waits. */
static bool
pull(struct crb_exchange *exchange)
{
	struct crb_reply *reply = &exchange->reply;
	struct crb_refusal refusal;
	struct crb_msg msg;
	bool closed;

	if (!receive(exchange, reply->packet, &msg, &closed))
		return false;
	if (!closed && msg.type == CRB_MSG_RESPONSE_BODY) {
		reply->pending = reply->gather.bytes != NULL
		    ? crb_gather_add(&reply->gather, msg.response_body.data)
		    : msg.response_body.data;
	} else if (!closed && msg.type == CRB_MSG_RESPONSE_END) {
		reply->ended = true;
		reply->clean = msg.response_end.clean != 0;
		if (reply->gather.bytes != NULL)
			reply->pending = crb_gather_rest(&reply->gather);
	} else {
		if (!closed && msg.type == CRB_MSG_RESPONSE_FAIL)
			failed(&refusal, &msg.response_fail);
		else
			lost(&refusal);
		write_cut(exchange, &refusal);
	}
	return true;
}

/* All of a known length is there, but not the message that ends it. */
static bool
lacks_end(const struct crb_exchange *exchange, const struct piece *piece)
{
	const struct crb_reply *reply = &exchange->reply;

	return reply->has_length && !reply->ended &&
	    exchange->down + piece->len == reply->length;
}

static void
fill(struct crb_exchange *exchange, struct piece *piece)
{
	struct crb_reply *reply = &exchange->reply;

	do {
		take_pending(reply, piece);
		if (reply->pending.len > 0) {
			/* More than was announced. */
			reply->broken = reply->broken ||
			    lacks_end(exchange, piece);
			return;
		}
		if (piece->room == 0 && !lacks_end(exchange, piece))
			return;
	} while (!reply->ended && !reply->cut && pull(exchange));
}

/*
 * libmicrohttpd does not ask again when it has all of a known length.  So that
 * the end is seen, and the stream can be used again, the last byte waits.
 */
static void
hold_last(struct crb_exchange *exchange, struct piece *piece)
{
	struct crb_reply *reply = &exchange->reply;

	if (piece->len == 0 || reply->pending.len > 0 || reply->cut ||
	    !lacks_end(exchange, piece))
		return;
	reply->last = piece->at[--piece->len];
	reply->pending = (struct crb_slice){ &reply->last, 1 };
}

static ssize_t
read_body(void *ctx, uint64_t position, char *buffer, size_t room)
{
	struct crb_exchange *exchange = ctx;
	struct crb_reply *reply = &exchange->reply;
	struct piece piece = { buffer, room, 0 };

	(void)position;
	exchange->gateway->calls++;
	if (exchange->dead)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!reply->broken)
		fill(exchange, &piece);
	hold_last(exchange, &piece);
	exchange->down += piece.len;
	if (piece.len > 0)
		return (ssize_t)piece.len;
	if (reply->broken ||
	    (reply->ended && reply->has_length &&
		exchange->down < reply->length))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (reply->ended || reply->cut)
		return MHD_CONTENT_READER_END_OF_STREAM;
	crb_exchange_park(exchange, CRB_READABLE);
	return 0;
}

/* Of these not even the end of a body may stand there (RFC 9112, 6.3). */
static bool
is_without_body(unsigned status)
{
	return status == 204 || status == 304;
}

/* A response in pkt-lines has no length, so that it can be ended anywhere. */
static void
judge_framing(struct crb_exchange *exchange)
{
	struct crb_reply *reply = &exchange->reply;

	reply->framed = reply->status == 200 && crb_reply_is_framed(reply);
	if (reply->framed ||
	    (reply->length == 0 && !reply->ended &&
		exchange->route == CRB_ROUTE_GIT))
		reply->has_length = false;
	if (is_without_body(reply->status)) {
		reply->has_length = true;
		reply->length = 0;
	}
}

/*
 * All of the body is there: then it goes out with its head, in one call, and
 * libmicrohttpd does not ask for it.
 */
static bool
is_in_hand(const struct crb_reply *reply)
{
	return reply->whole != NULL && reply->pending.len > 0 &&
	    !is_without_body(reply->status);
}

static struct MHD_Response *
body_in_hand(struct crb_exchange *exchange)
{
	struct crb_reply *reply = &exchange->reply;
	size_t len = reply->pending.len;

	exchange->down = len;
	reply->pending.len = 0;
	return crb_response_taken(CRB_STEAL(reply->whole), len);
}

static struct MHD_Response *
new_response(struct crb_exchange *exchange)
{
	struct crb_reply *reply = &exchange->reply;
	struct MHD_Response *response = is_in_hand(reply)
	    ? body_in_hand(exchange)
	    : crb_response_stream(
		  reply->has_length ? reply->length : MHD_SIZE_UNKNOWN,
		  read_body, exchange);

	if (response == NULL || crb_reply_add_headers(exchange, response))
		return response;
	MHD_destroy_response(response);
	return NULL;
}

/* libmicrohttpd does not ask for a body that is none: its length is known. */
static bool
is_bodiless(const struct crb_exchange *exchange)
{
	const struct crb_reply *reply = &exchange->reply;

	return is_without_body(reply->status) ||
	    (exchange->route == CRB_ROUTE_HTTP &&
		(strcmp(exchange->method, "HEAD") == 0 ||
		    (reply->has_length && reply->length == 0)));
}

/* So its end, behind which the stream can be used again, is seen first. */
static enum MHD_Result
await_end(struct crb_exchange *exchange, const char *data, size_t *size)
{
	struct crb_reply *reply = &exchange->reply;
	struct crb_refusal refusal;

	if (reply->packet == NULL)
		reply->packet = malloc(CRB_STREAM_PACKET_MAX);
	while (reply->packet != NULL && !reply->ended && !reply->cut &&
	    reply->pending.len == 0) {
		if (!pull(exchange)) {
			crb_exchange_park(exchange, CRB_READABLE);
			return MHD_YES;
		}
	}
	if (reply->ended)
		return crb_exchange_again(exchange, data, size);
	lost(&refusal);
	crb_exchange_end_flow(exchange, false);
	crb_exchange_refuse(exchange, &refusal);
	return crb_exchange_again(exchange, data, size);
}

static enum MHD_Result
queue(struct crb_exchange *exchange, const char *data, size_t *size)
{
	struct crb_reply *reply = &exchange->reply;
	struct MHD_Response *response = NULL;
	struct crb_refusal refusal;

	if (is_bodiless(exchange) && !reply->ended)
		return await_end(exchange, data, size);
	judge_framing(exchange);
	/* Without memory for it, a cut pads the line that is under way. */
	if (reply->framed && !reply->ended)
		(void)crb_gather_open(&reply->gather);
	if (reply->packet == NULL && !reply->ended)
		reply->packet = malloc(CRB_STREAM_PACKET_MAX);
	if (reply->packet != NULL || reply->ended)
		response = new_response(exchange);
	if (response != NULL)
		return crb_exchange_queue(exchange, reply->status, response);
	exchange->down = 0;
	crb_refusal_make(&refusal, CRB_PROBLEM_UPSTREAM,
	    "the upstream service's response cannot be passed on");
	crb_exchange_end_flow(exchange, false);
	crb_exchange_refuse(exchange, &refusal);
	return crb_exchange_again(exchange, data, size);
}

enum MHD_Result
crb_download_await(
    struct crb_exchange *exchange, const char *data, size_t *size)
{
	if (exchange->reply.has_head)
		return queue(exchange, data, size);
	crb_download_head(exchange);
	if (exchange->phase != CRB_PHASE_AWAIT || exchange->reply.has_head)
		return crb_exchange_again(exchange, data, size);
	crb_exchange_park(exchange, CRB_READABLE);
	return MHD_YES;
}
