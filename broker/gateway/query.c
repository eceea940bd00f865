#include "broker/gateway/query.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/gateway/fetch.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/response.h"

/* Of an answer, and as much again for what is added to it. */
#define BODY_MAX (256u << 10)

static void
ask(struct crb_exchange *exchange)
{
	const struct crb_route_match *match = &exchange->match;
	struct crb_msg_query query = {
		.exchange = exchange->id,
		.session = CRB_SLICE(exchange->session->id),
		.what = (uint8_t)match->route->query,
		.plain = exchange->facts.plain,
		.name = { match->rest != NULL ? match->rest : "",
		    match->rest_len },
		.body = { crb_buf_text(&exchange->body), exchange->body.len },
	};

	crb_exchange_ask(exchange, CRB_MSG_QUERY, &query);
	crb_buf_clear(&exchange->body);
}

enum MHD_Result
crb_query_begin(struct crb_exchange *exchange)
{
	exchange->body = (struct crb_buf)CRB_BUF_INIT_WIPED(
	    exchange->match.route->body_max);
	exchange->phase = CRB_PHASE_COLLECT;
	if (exchange->match.route->body_max == 0)
		ask(exchange);
	return MHD_YES;
}

static enum MHD_Result
answer_nothing(struct crb_exchange *exchange)
{
	return crb_exchange_queue(exchange, 200,
	    crb_response_bytes("", 0, "text/plain; charset=utf-8"));
}

static void
collect(struct crb_exchange *exchange, const char *data, size_t len)
{
	struct crb_refusal refusal;

	if (exchange->match.route->action == CRB_ACTION_NOTHING) {
		exchange->dropped += len;
	} else {
		crb_buf_add(&exchange->body, data, len);
		exchange->dropped = exchange->body.len;
	}
	if (!exchange->body.failed &&
	    exchange->dropped <= exchange->match.route->body_max)
		return;
	crb_buf_clear(&exchange->body);
	crb_refusal_make(&refusal, CRB_PROBLEM_BODY_LARGE,
	    "the body is longer than %zu bytes",
	    exchange->match.route->body_max);
	crb_exchange_refuse(exchange, &refusal);
}

enum MHD_Result
crb_query_collect(struct crb_exchange *exchange, const char *data, size_t *size)
{
	if (*size > 0) {
		collect(exchange, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (exchange->match.route->action == CRB_ACTION_NOTHING)
		return answer_nothing(exchange);
	ask(exchange);
	return crb_exchange_again(exchange, data, size);
}

bool
crb_query_has_keys(const struct crb_exchange *exchange)
{
	return exchange->match.route != NULL &&
	    exchange->match.route->action == CRB_ACTION_QUERY &&
	    exchange->match.route->query == CRB_QUERY_CREDENTIAL;
}

/* What the core says is believed, but not that it is a header. */
static bool
add_code(struct MHD_Response *response, struct crb_slice code)
{
	char text[65];

	if (code.len == 0)
		return true;
	(void)snprintf(text, sizeof(text), "%.*s", (int)code.len, code.p);
	return MHD_add_response_header(response, "Credbroker-Error", text) ==
	    MHD_YES;
}

static bool
add_retry(struct MHD_Response *response, unsigned seconds)
{
	char text[16];

	if (seconds == 0)
		return true;
	(void)snprintf(text, sizeof(text), "%u", seconds);
	return MHD_add_response_header(response, "Retry-After", text) ==
	    MHD_YES;
}

/*
 * AWS's clients show the words of a 4xx alone, and ask at once again after a
 * 5xx: so what the upstream refused for good, which is no 503, is a 403.
 */
static unsigned
status_of(
    const struct crb_exchange *exchange, const struct crb_msg_answer *answer)
{
	bool refused = answer->status == MHD_HTTP_BAD_GATEWAY;

	return refused && crb_route_aws(exchange->target) ? MHD_HTTP_FORBIDDEN
							  : answer->status;
}

static struct MHD_Response *
response_of(
    const struct crb_exchange *exchange, const struct crb_msg_answer *answer)
{
	CRB_AUTO_BUF struct crb_buf body = CRB_BUF_INIT_WIPED(BODY_MAX);
	struct MHD_Response *response;
	char type[129];

	(void)snprintf(
	    type, sizeof(type), "%.*s", (int)answer->type.len, answer->type.p);
	if (crb_route_aws(exchange->target) &&
	    strcmp(type, "application/problem+json") == 0)
		crb_problem_aws_from(answer->body, answer->code,
		    status_of(exchange, answer), &body);
	else
		crb_buf_add(&body, answer->body.p, answer->body.len);
	if (body.failed)
		return NULL;
	if (answer->type.len == 0)
		(void)snprintf(type, sizeof(type), "application/octet-stream");
	response = crb_query_has_keys(exchange)
	    ? crb_response_secret(crb_buf_text(&body), body.len, type, NULL)
	    : crb_response_bytes(crb_buf_text(&body), body.len, type);
	if (response == NULL ||
	    (add_code(response, answer->code) &&
		add_retry(response, answer->retry)))
		return response;
	MHD_destroy_response(response);
	return NULL;
}

void
crb_query_answer(
    struct crb_gateway *gateway, const struct crb_msg_answer *answer)
{
	struct crb_exchange *exchange = crb_exchanges_find(
	    &gateway->exchanges, answer->exchange);
	struct crb_refusal refusal;

	/* It may have been refused meanwhile. */
	if (exchange == NULL || exchange->phase != CRB_PHASE_ASKED ||
	    (exchange->match.route->action != CRB_ACTION_QUERY &&
		!exchange->lease_asked))
		return;
	crb_exchange_asked(exchange);
	if (exchange->lease_asked && answer->status == 200) {
		crb_fetch_sent(exchange);
		return;
	}
	exchange->phase = CRB_PHASE_ANSWER;
	exchange->answer_status = status_of(exchange, answer);
	if (answer->status < 200 || answer->status > 599 ||
	    (exchange->answer = response_of(exchange, answer)) == NULL) {
		crb_refusal_make(&refusal, CRB_PROBLEM_INTERNAL,
		    "the broker gave no answer that can be passed on");
		crb_exchange_refuse(exchange, &refusal);
	}
	crb_exchange_unpark(exchange);
}

enum MHD_Result
crb_query_reply(struct crb_exchange *exchange, const char *data, size_t *size)
{
	struct MHD_Response *answer = CRB_STEAL(exchange->answer);

	(void)data;
	(void)size;
	return crb_exchange_queue(exchange, exchange->answer_status, answer);
}
