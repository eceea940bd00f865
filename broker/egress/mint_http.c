#include "broker/egress/mint_http.h"

#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "broker/egress/head.h"
#include "broker/egress/request.h"

/* libcurl knows what is due earlier, and a stop wakes it up. */
#define POLL_MS 10000
#define REPLY_HEADERS_MAX (32u << 10)

/* One request under way. */
struct call {
	const struct crb_http_request *asked;
	struct crb_http_reply *reply;
	struct crb_request request;
	struct crb_head head;
	size_t sent; /* of the body */
	bool failed; /* in a callback, for the reason in err */
	struct crb_err err;
};

int64_t
crb_mint_clock(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* libcurl's callbacks. */

static size_t
on_read(char *to, size_t size, size_t count, void *ctx)
{
	struct call *call = ctx;
	size_t len = call->asked->body_len - call->sent;

	len = len < size * count ? len : size * count;
	if (len > 0)
		memcpy(to, (const char *)call->asked->body + call->sent, len);
	call->sent += len;
	return len;
}

static enum crb_status
too_long(struct call *call)
{
	return crb_err_set(&call->err, CRB_ERR_UPSTREAM,
	    "%s answered with more than %u KiB", call->request.host,
	    CRB_HTTP_BODY_MAX >> 10);
}

static enum crb_status
take_line(struct call *call, const char *bytes, size_t len)
{
	struct crb_header header;
	enum crb_head_line what;

	if (crb_head_read(
		&call->head, bytes, len, &what, &header, &call->err) != CRB_OK)
		return call->err.status;
	if (what == CRB_HEAD_START)
		crb_buf_reset(&call->reply->headers);
	/* One that a block cannot carry is left out. */
	if (what == CRB_HEAD_HEADER)
		(void)crb_headers_add(
		    &call->reply->headers, header.name, header.value);
	if (what == CRB_HEAD_END && call->head.has_length &&
	    call->head.length > CRB_HTTP_BODY_MAX)
		return too_long(call);
	return CRB_OK;
}

static size_t
on_line(char *bytes, size_t size, size_t count, void *ctx)
{
	struct call *call = ctx;

	call->failed |= take_line(call, bytes, size * count) != CRB_OK;
	return call->failed ? 0 : size * count;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct call *call = ctx;

	crb_buf_add(&call->reply->body, bytes, size * count);
	if (!call->reply->body.failed)
		return size * count;
	call->failed = true;
	(void)too_long(call);
	return 0;
}

#define SET(option, value)                                              \
	(failed |= curl_easy_setopt(easy, CURLOPT_##option, (value)) != \
		CURLE_OK)

static enum crb_status
set_options(struct call *call, long ms, struct crb_err *err)
{
	CURL *easy = call->request.easy;
	bool failed = false;

	SET(TIMEOUT_MS, ms);
	/* No other lease's requests go over it. */
	SET(FRESH_CONNECT, 1L);
	SET(FORBID_REUSE, 1L);
	SET(READFUNCTION, on_read);
	SET(READDATA, call);
	SET(HEADERFUNCTION, on_line);
	SET(HEADERDATA, call);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, call);
	if (failed)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its options");
	return CRB_OK;
}

static enum crb_status
prepare(const struct crb_mint_http *http, struct call *call, long ms,
    struct crb_err *err)
{
	const struct crb_http_request *asked = call->asked;
	const struct crb_request_limits limits = {
		.connect_ms = ms < http->connect_ms ? ms : http->connect_ms
	};
	const struct crb_msg_job job = {
		.method = CRB_SLICE(asked->method),
		.tls = asked->origin->tls,
		.host = CRB_SLICE(asked->origin->host),
		.port = (uint16_t)asked->origin->port,
		.target = CRB_SLICE(asked->target),
		.content_type = CRB_SLICE(""),
		.network = (uint8_t)http->network,
		.ca = http->ca,
		.proxy = http->proxy,
		.body = asked->body_len > 0 ? CRB_BODY_LENGTH : CRB_BODY_NONE,
		.length = asked->body_len,
	};

	if (crb_request_init_own(
		&call->request, &job, http->trust, &limits, err) != CRB_OK ||
	    crb_request_headers_own(
		&call->request, CRB_SLICE(asked->headers), err) != CRB_OK)
		return err->status;
	call->head.host = call->request.host;
	return set_options(call, ms, err);
}

/* Until the transfer has ended, or is not to. */
static CURLcode
drive(const struct crb_mint_http *http, CURL *easy)
{
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	int running = 1, left;
	CURLMsg *msg;

	if (curl_multi_add_handle(http->multi, easy) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	while (curl_multi_perform(http->multi, &running) == CURLM_OK &&
	    running > 0 && !http->stopped(http->ctx))
		(void)curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
	while ((msg = curl_multi_info_read(http->multi, &left)) != NULL)
		code = msg->data.result;
	(void)curl_multi_remove_handle(http->multi, easy);
	return code;
}

/* What may have been bad luck. */
static bool
is_passing(const struct crb_request *request, CURLcode code)
{
	static const CURLcode codes[] = { CURLE_COULDNT_RESOLVE_HOST,
		CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT,
		CURLE_OPERATION_TIMEDOUT, CURLE_SSL_CONNECT_ERROR,
		CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_SEND_ERROR,
		CURLE_RECV_ERROR };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i] == code)
			return !request->vetoed;
	}
	return false;
}

static bool
was_connected(const struct crb_request *request)
{
	curl_off_t microseconds = 0;

	(void)curl_easy_getinfo(
	    request->easy, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
	return microseconds > 0;
}

static bool
was_refused(const struct call *call)
{
	return call->head.final && call->head.status >= 300 &&
	    call->head.status < 500;
}

static enum crb_status
conclude(struct crb_mint_http *http, const struct call *call, CURLcode code,
    struct crb_err *err)
{
	const struct crb_request *request = &call->request;

	if (call->failed) {
		*err = call->err;
		return err->status;
	}
	if (code == CURLE_OK && !call->head.final)
		code = CURLE_GOT_NOTHING;
	if (code == CURLE_OK) {
		call->reply->status = call->head.status;
		return CRB_OK;
	}
	http->unanswered = is_passing(request, code);
	if (code == CURLE_ABORTED_BY_CALLBACK && http->stopped(http->ctx))
		return crb_err_set(
		    err, CRB_ERR_UNREACHABLE, "the egress has been stopped");
	if (code == CURLE_OPERATION_TIMEDOUT && was_connected(request))
		return crb_err_set(err, CRB_ERR_TIMEOUT,
		    "%s did not answer in time", request->host);
	/* libcurl's word for a line of 100 KiB. */
	if (code == CURLE_OUT_OF_MEMORY && was_connected(request) &&
	    !call->head.final)
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "%s sent too long a head", request->host);
	return crb_request_failure(request, code, err);
}

static void
call_cleanup(struct call *call)
{
	crb_request_clear(&call->request);
}

static enum crb_status
ask(struct crb_mint_http *http, const struct crb_http_request *asked,
    struct crb_http_reply *reply, long ms, struct crb_err *err)
{
	__attribute__((cleanup(call_cleanup))) struct call call = {
		.asked = asked, .reply = reply
	};

	enum crb_status status;

	if (prepare(http, &call, ms, err) != CRB_OK)
		return err->status;
	status = conclude(http, &call, drive(http, call.request.easy), err);
	http->unsure |= was_connected(&call.request) && !was_refused(&call);
	return status;
}

enum crb_status
crb_mint_http(void *ctx, const struct crb_http_request *request,
    struct crb_http_reply *reply, struct crb_err *err)
{
	struct crb_mint_http *http = ctx;
	int64_t left = http->deadline - crb_mint_clock();

	*reply = (struct crb_http_reply){
		.headers = CRB_BUF_INIT_WIPED(REPLY_HEADERS_MAX),
		.body = CRB_BUF_INIT_WIPED(CRB_HTTP_BODY_MAX),
	};
	http->unanswered = false;
	if (left <= 0)
		return crb_err_set(err, CRB_ERR_TIMEOUT,
		    "%s was not asked: no time is left", request->origin->host);
	return ask(http, request, reply, (long)left, err);
}
