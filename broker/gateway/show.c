#include "broker/gateway/show.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/bus/headers.h"
#include "broker/bus/stream.h"
#include "broker/gateway/flow.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/upload.h"

/* As many bodies as a session may have approvals that wait. */
#define SESSION_MAX ((size_t)8 * CRB_HELD_MAX)
#define GATEWAY_MAX ((size_t)64 * CRB_HELD_MAX)
#define PIECE_MAX 65536 /* of the commands, in one message */
#define TYPE_MAX 128

/* So many bytes are held for it from now on; false: that is too many. */
static bool
charge(struct crb_exchange *exchange, size_t bytes)
{
	struct crb_gateway *gateway = exchange->gateway;
	struct crb_session *session = exchange->session;
	size_t others, most;

	if (bytes > exchange->held) {
		if (session == NULL)
			return false;
		others = gateway->held - session->held;
		most = others < GATEWAY_MAX ? (GATEWAY_MAX - others) / 2 : 0;
		most = most < SESSION_MAX ? most : SESSION_MAX;
		if (session->held - exchange->held + bytes > most)
			return false;
	}
	gateway->held = gateway->held - exchange->held + bytes;
	if (session != NULL)
		session->held = session->held - exchange->held + bytes;
	exchange->held = bytes;
	return true;
}

static size_t
held_len(const struct crb_exchange *exchange)
{
	return (exchange->show != NULL ? exchange->show->held.len : 0) +
	    (exchange->commands != NULL ? exchange->commands->text.len : 0);
}

/* What is no more than before is never too much. */
static void
recount(struct crb_exchange *exchange)
{
	(void)charge(exchange, held_len(exchange));
}

void
crb_show_release(struct crb_exchange *exchange)
{
	struct crb_git_commands *commands = exchange->commands;

	if (exchange->show != NULL)
		crb_buf_clear(&exchange->show->held);
	if (commands != NULL && commands->state != CRB_GIT_COMMANDS_MORE)
		crb_buf_clear(&commands->text);
	recount(exchange);
}

void
crb_show_drop(struct crb_exchange *exchange)
{
	if (exchange->commands != NULL)
		crb_git_commands_stop(exchange->commands);
	crb_show_release(exchange);
}

void
crb_show_watch(struct crb_exchange *exchange, const char *data, size_t len)
{
	struct crb_git_commands *commands = exchange->commands;

	if (commands == NULL || commands->state != CRB_GIT_COMMANDS_MORE)
		return;
	if (charge(exchange, held_len(exchange) + len))
		(void)crb_git_commands_feed(commands, data, len);
	else
		crb_git_commands_stop(commands);
	if (commands->state != CRB_GIT_COMMANDS_MORE)
		crb_buf_clear(&commands->text);
	recount(exchange);
}

/* The core says no more to it than its verdict, which is still awaited. */
static void
withdraw(struct crb_exchange *exchange, const char *code, const char *detail)
{
	exchange->phase = CRB_PHASE_ASKED;
	if (exchange->show != NULL)
		exchange->show->withdrawn = true;
	crb_show_release(exchange);
	crb_gateway_send(exchange->gateway, CRB_MSG_WITHDRAWN,
	    &(struct crb_msg_withdrawn){ .exchange = exchange->id,
		.code = CRB_SLICE(code),
		.detail = CRB_SLICE(detail) });
}

void
crb_show_leave(struct crb_exchange *exchange)
{
	enum crb_phase phase = exchange->phase;

	if (!exchange->verdict_due || exchange->show == NULL ||
	    exchange->show->withdrawn)
		return;
	withdraw(exchange, "", "");
	exchange->phase = phase;
}

static void
withdraw_busy(struct crb_exchange *exchange)
{
	withdraw(exchange, "limit",
	    "the broker holds as much for this session as it may; try again "
	    "when less is awaited");
}

/* Of an earlier NEED, something may be held already. */
static struct crb_show *
show_of(struct crb_exchange *exchange)
{
	struct crb_show *show = exchange->show;

	if (show == NULL && (show = calloc(1, sizeof(struct crb_show))) != NULL)
		show->held = (struct crb_buf)CRB_BUF_INIT(CRB_HELD_MAX + 1);
	exchange->show = show;
	return show;
}

static const char *
too_long_for(enum crb_need need)
{
	return need == CRB_NEED_BODY ? "approval_too_large" : "too_large";
}

static void
withdraw_long(struct crb_exchange *exchange)
{
	const struct crb_show *show = exchange->show;
	char detail[160];

	(void)snprintf(detail, sizeof(detail), "%s longer than %zu bytes",
	    show->need == CRB_NEED_BODY ? "the body is"
					: "the command list of the push is",
	    show->most);
	withdraw(exchange, too_long_for(show->need), detail);
}

/* What was read for an earlier one belongs to the body, too. */
static void
begin_body(struct crb_exchange *exchange)
{
	struct crb_show *show = exchange->show;

	(void)crypto_hash_sha256_init(&show->hash);
	(void)crypto_hash_sha256_update(&show->hash,
	    (const uint8_t *)crb_buf_text(&show->held), show->held.len);
	if (exchange->facts.length > show->most || show->held.len > show->most)
		withdraw_long(exchange);
}

static void
begin_commands(struct crb_exchange *exchange)
{
	if (exchange->commands == NULL)
		crb_upload_watch_commands(exchange);
	if (exchange->commands == NULL || exchange->show->held.len > 0)
		withdraw(exchange, "internal_error",
		    "the commands of the push cannot be shown");
}

static void
begin(struct crb_exchange *exchange, const struct crb_msg_need *need)
{
	static void (*const begins[])(struct crb_exchange *) = {
		[CRB_NEED_COMMANDS] = begin_commands,
		[CRB_NEED_BODY] = begin_body,
	};
	struct crb_show *show = show_of(exchange);

	if (show == NULL || need->what < CRB_NEED_COMMANDS ||
	    need->what > CRB_NEED_BODY || show->withdrawn) {
		withdraw(exchange, "internal_error", "it cannot be shown");
		return;
	}
	show->need = (enum crb_need)need->what;
	show->most = need->most < CRB_HELD_MAX ? need->most : CRB_HELD_MAX;
	exchange->phase = CRB_PHASE_SHOW;
	begins[show->need](exchange);
}

void
crb_show_need(struct crb_gateway *gateway, struct crb_msg *msg)
{
	struct crb_exchange *exchange = crb_exchanges_find(
	    &gateway->exchanges, msg->need.exchange);

	if (exchange == NULL || !exchange->verdict_due) {
		crb_log(CRB_LOG_WARN, "need for nobody", CRB_LOG_END);
		return;
	}
	crb_exchange_asked(exchange);
	if (exchange->mhd == NULL || exchange->dead ||
	    exchange->phase != CRB_PHASE_ASKED) {
		enum crb_phase phase = exchange->phase;

		withdraw(exchange, "", "");
		exchange->phase = phase;
		return;
	}
	begin(exchange, &msg->need);
	crb_exchange_unpark(exchange);
}

/* All of them at once: the queue has room for so many, or is crowded. */
static void
show_commands(struct crb_exchange *exchange)
{
	const struct crb_buf *held = &exchange->show->held;
	struct crb_msg_shown shown = { .exchange = exchange->id,
		.what = CRB_NEED_COMMANDS };
	size_t len;

	if (crb_bus_crowded(exchange->gateway->bus)) {
		withdraw_busy(exchange);
		return;
	}
	exchange->phase = CRB_PHASE_ASKED;
	for (size_t at = 0; at < held->len; at += len) {
		len = held->len - at < PIECE_MAX ? held->len - at : PIECE_MAX;
		shown.data = (struct crb_slice){ held->data + at, len };
		shown.last = at + len == held->len;
		crb_gateway_send(exchange->gateway, CRB_MSG_SHOWN, &shown);
	}
}

/* From here on the commands are the first of what goes upstream. */
static void
hold_commands(struct crb_exchange *exchange)
{
	struct crb_buf *text = &exchange->commands->text;

	crb_buf_clear(&exchange->show->held);
	exchange->show->held = *text;
	*text = (struct crb_buf)CRB_BUF_INIT(0);
}

static void
collect_commands(struct crb_exchange *exchange, const char *data, size_t *size)
{
	struct crb_git_commands *commands = exchange->commands;

	if (!charge(exchange, held_len(exchange) + *size)) {
		withdraw_busy(exchange);
		return;
	}
	*size -= crb_git_commands_feed(commands, data, *size);
	if (commands->text.len > exchange->show->most) {
		withdraw_long(exchange);
	} else if (commands->end.whole) {
		hold_commands(exchange);
		show_commands(exchange);
	} else if (commands->state == CRB_GIT_COMMANDS_UNCLEAR) {
		withdraw(exchange, "invalid_request",
		    "the body does not begin with the command list of a push");
	}
	recount(exchange);
}

static void
collect_body(struct crb_exchange *exchange, const char *data, size_t *size)
{
	struct crb_show *show = exchange->show;

	if (*size > show->most - show->held.len) {
		withdraw_long(exchange);
		return;
	}
	if (!charge(exchange, held_len(exchange) + *size)) {
		withdraw_busy(exchange);
		return;
	}
	crb_buf_add(&show->held, data, *size);
	(void)crypto_hash_sha256_update(
	    &show->hash, (const uint8_t *)data, *size);
	*size = 0;
	if (show->held.failed)
		withdraw(exchange, "limit", "out of memory");
}

/* As it goes upstream: not at all, where it would be dropped. */
static struct crb_slice
type_of(const struct crb_exchange *exchange)
{
	const char *value = MHD_lookup_connection_value(
	    exchange->mhd, MHD_HEADER_KIND, "Content-Type");
	struct crb_slice type = crb_slice_trim(
	    CRB_SLICE(value != NULL ? value : ""), " \t");

	return crb_header_value_ok(type) ? type : CRB_SLICE("");
}

static enum MHD_Result
add_header(void *ctx, enum MHD_ValueKind kind, const char *name,
    size_t name_len, const char *value, size_t value_len)
{
	struct crb_slice key = { name, name_len };
	struct crb_slice text = { value != NULL ? value : "", value_len };

	(void)kind;
	if (crb_header_request_ok(CRB_ROUTE_HTTP, key))
		(void)crb_headers_add(ctx, key, text);
	return MHD_YES;
}

/* In the order in which they go upstream. */
static enum crb_status
bound_headers(const struct crb_exchange *exchange, struct crb_buf *out,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf block = CRB_BUF_INIT(CRB_HEADERS_MAX);

	if (exchange->route != CRB_ROUTE_HTTP)
		return CRB_OK;
	(void)MHD_get_connection_values_n(
	    exchange->mhd, MHD_HEADER_KIND, add_header, &block);
	if (crb_buf_check(&block, "the headers", err) != CRB_OK)
		return err->status;
	return crb_headers_bound(
	    (struct crb_slice){ crb_buf_text(&block), block.len }, out, err);
}

static void
show_body(struct crb_exchange *exchange)
{
	CRB_AUTO_BUF struct crb_buf headers = CRB_BUF_INIT(CRB_HEADERS_MAX);
	struct crb_show *show = exchange->show;
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct crb_msg_shown shown = { .exchange = exchange->id,
		.what = CRB_NEED_BODY,
		.last = 1,
		.length = (uint32_t)show->held.len,
		.hash = { (const char *)hash, sizeof(hash) },
		.type = type_of(exchange) };
	struct crb_err err;

	if (bound_headers(exchange, &headers, &err) != CRB_OK) {
		withdraw(exchange, "limit", "the headers cannot be shown");
		return;
	}
	shown.headers = CRB_SLICE(crb_buf_text(&headers));
	if (shown.type.len > TYPE_MAX) {
		withdraw(exchange, "invalid_request",
		    "the Content-Type is too long to be shown to anybody");
		return;
	}
	(void)crypto_hash_sha256_final(&show->hash, hash);
	exchange->phase = CRB_PHASE_ASKED;
	crb_gateway_send(exchange->gateway, CRB_MSG_SHOWN, &shown);
}

static void
end_of_body(struct crb_exchange *exchange)
{
	if (exchange->show->need == CRB_NEED_BODY)
		show_body(exchange);
	else
		withdraw(exchange, "invalid_request",
		    "the body ends before the commands of the push do");
}

enum MHD_Result
crb_show_collect(struct crb_exchange *exchange, const char *data, size_t *size)
{
	bool at_end = *size == 0;

	if (at_end)
		end_of_body(exchange);
	else if (exchange->show->need == CRB_NEED_BODY)
		collect_body(exchange, data, size);
	else
		collect_commands(exchange, data, size);
	/* Only what is not taken, or the end, is a reason to be suspended. */
	if (exchange->phase == CRB_PHASE_SHOW || (!at_end && *size == 0))
		return MHD_YES;
	return crb_exchange_again(exchange, data, size);
}

void
crb_show_end(struct crb_exchange *exchange)
{
	struct crb_show *show = exchange->show;

	/* The core did not wait for all of them. */
	if (show == NULL || exchange->phase != CRB_PHASE_SHOW ||
	    show->need != CRB_NEED_COMMANDS)
		return;
	hold_commands(exchange);
	crb_git_commands_stop(exchange->commands);
}

enum crb_status
crb_show_send(struct crb_exchange *exchange, struct crb_err *err)
{
	struct crb_show *show = exchange->show;
	size_t len;

	if (show == NULL)
		return CRB_OK;
	for (; show->sent < show->held.len; show->sent += len) {
		len = show->held.len - show->sent;
		len = len < CRB_BODY_MAX ? len : CRB_BODY_MAX;
		if (crb_stream_send_body(exchange->flow->fd,
			CRB_MSG_REQUEST_BODY, show->held.data + show->sent, len,
			err) != CRB_OK)
			return err->status;
		exchange->up += len;
	}
	show->sent = 0;
	crb_buf_clear(&show->held);
	recount(exchange);
	return CRB_OK;
}
