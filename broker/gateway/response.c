#include "broker/gateway/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/slab.h"
#include "broker/gateway/aws_scope.h"
#include "broker/gateway/git_reply.h"

/* A report-status with every name that was kept, and more than any text. */
#define BODY_MAX (256u << 10)
/*
 * libmicrohttpd clears a block for each response, in which it then gets bodies
 * of a known length.  Chunks go through the connection's own memory; what is
 * left to them is an HTTP/1.0 client.
 */
#define BLOCK_MOST CRB_BODY_MAX
#define BLOCK_CHUNKED 4096u

static struct MHD_Response *
with_headers(struct MHD_Response *response)
{
	if (response == NULL)
		return NULL;
	if (MHD_add_response_header(response, "Cache-Control", "no-store") ==
		MHD_YES &&
	    MHD_add_response_header(
		response, "X-Content-Type-Options", "nosniff") == MHD_YES)
		return response;
	MHD_destroy_response(response);
	return NULL;
}

struct MHD_Response *
crb_response_bytes(const void *body, size_t len, const char *type)
{
	/* It copies, and does not write. */
	void *bytes = (void *)(uintptr_t)body;
	struct MHD_Response *response = with_headers(
	    MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_COPY));

	if (response != NULL)
		(void)MHD_add_response_header(response, "Content-Type", type);
	return response;
}

struct MHD_Response *
crb_response_secret(const void *body, size_t len, const char *type, char **copy)
{
	struct MHD_Response *response;
	char *bytes = crb_slab_alloc(len);

	if (bytes == NULL)
		return NULL;
	memcpy(bytes, body, len);
	response = MHD_create_response_from_buffer_with_free_callback(
	    len, bytes, crb_slab_free);
	if (response == NULL) {
		crb_slab_free(bytes);
		return NULL;
	}
	if ((response = with_headers(response)) == NULL)
		return NULL;
	(void)MHD_add_response_header(response, "Content-Type", type);
	if (copy != NULL)
		*copy = bytes;
	return response;
}

struct MHD_Response *
crb_response_taken(char *body, size_t len)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    len, body, MHD_RESPMEM_MUST_FREE);

	if (response == NULL)
		free(body);
	return with_headers(response);
}

static size_t
block_for(uint64_t length)
{
	if (length == MHD_SIZE_UNKNOWN || length < BLOCK_CHUNKED)
		return BLOCK_CHUNKED;
	return length < BLOCK_MOST ? (size_t)length : BLOCK_MOST;
}

struct MHD_Response *
crb_response_stream(uint64_t length, MHD_ContentReaderCallback reader,
    struct crb_exchange *exchange)
{
	return with_headers(MHD_create_response_from_callback(
	    length, block_for(length), reader, exchange, NULL));
}

/* Of what passes by itself; a moment, where nobody says how long. */
static void
add_retry(struct MHD_Response *response, const struct crb_refusal *refusal)
{
	bool passes = refusal->status == 429 || refusal->status == 503;
	char text[16];

	if (!passes && refusal->retry == 0)
		return;
	(void)snprintf(
	    text, sizeof(text), "%u", refusal->retry > 0 ? refusal->retry : 1);
	(void)MHD_add_response_header(response, "Retry-After", text);
}

/* What a client may need to know besides the body, by status. */
static void
add_status_header(
    struct MHD_Response *response, const struct crb_exchange *exchange)
{
	char allow[CRB_ALLOW_TEXT];

	add_retry(response, exchange->refusal);

	switch (exchange->refusal->status) {
	case 401:
		/* There it is another header that is wanted. */
		if (crb_route_imds(exchange->target))
			break;
		(void)MHD_add_response_header(
		    response, "WWW-Authenticate", "Bearer");
		break;
	case 405:
		(void)MHD_add_response_header(response, "Allow",
		    crb_route_allow(exchange->target, allow) ? allow
							     : "GET, POST");
		break;
	default:
		break;
	}
}

static struct crb_git_reply
write_body(const struct crb_exchange *exchange, struct crb_buf *body)
{
	const struct crb_refusal *refusal = exchange->refusal;
	struct crb_git_reply reply = { refusal->status,
		"application/problem+json" };

	if (crb_route_git(exchange->target))
		return crb_git_reply(refusal, exchange->operation,
		    exchange->commands, exchange->refused_refs, body);
	if (crb_aws_scope_is_s3(exchange)) {
		reply.type = "application/xml";
		crb_aws_scope_xml(refusal, body);
		return reply;
	}
	if (!exchange->facts.plain) {
		if (crb_route_aws(exchange->target) ||
		    crb_aws_scope_is_other(exchange))
			crb_problem_aws(refusal, body);
		else
			crb_problem_json(refusal, body);
		return reply;
	}
	reply.type = "text/plain; charset=utf-8";
	crb_problem_text(refusal, body);
	return reply;
}

enum MHD_Result
crb_response_send_refusal(struct crb_exchange *exchange)
{
	CRB_AUTO_BUF struct crb_buf body = CRB_BUF_INIT(BODY_MAX);
	struct MHD_Response *response;
	struct crb_git_reply reply;

	if (exchange->refusal == NULL)
		return MHD_NO;
	reply = write_body(exchange, &body);
	if (body.failed)
		return MHD_NO;
	response = crb_response_bytes(
	    crb_buf_text(&body), body.len, reply.type);
	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(
	    response, "Credbroker-Error", exchange->refusal->code);
	add_status_header(response, exchange);
	return crb_exchange_queue(exchange, reply.status, response);
}
