#include "broker/gateway/fetch.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/imds.h"
#include "broker/gateway/lease.h"
#include "broker/gateway/response.h"

#define TTL_HEADER "X-aws-ec2-metadata-token-ttl-seconds"
#define DOCUMENT_MAX 1024
/* A lease with less left is not handed out. */
static const int64_t least[CRB_LEASE_FORMATS] = {
	[CRB_LEASE_CONTAINER] = 60,
	[CRB_LEASE_IMDS] = CRB_IMDS_LEASE_MIN,
	[CRB_LEASE_PROCESS] = 60,
};

static bool
permit_token(struct crb_exchange *exchange, struct crb_refusal *refusal)
{
	if (crb_imds_ttl_parse(
		exchange->facts.imds_ttl, &exchange->imds_seconds))
		return true;
	crb_refusal_make(refusal, CRB_PROBLEM_IMDS_TTL,
	    "the header " TTL_HEADER " must be 1 to %d", CRB_IMDS_TTL_MAX);
	return false;
}

/* One answer, whether there is none, or it is unknown, or over. */
static bool
permit_fetch(struct crb_exchange *exchange, struct crb_refusal *refusal)
{
	if (crb_imds_accepts(exchange->session->imds,
		exchange->facts.imds_token,
		crb_loop_now(exchange->gateway->loop)))
		return true;
	crb_refusal_make(refusal, CRB_PROBLEM_IMDS_TOKEN,
	    "instance metadata wants a token of this session");
	return false;
}

bool
crb_fetch_permits(struct crb_exchange *exchange, struct crb_refusal *refusal)
{
	enum crb_action action = exchange->match.route->action;

	if (action != CRB_ACTION_IMDS && action != CRB_ACTION_IMDS_TOKEN)
		return true;
	if (exchange->session->imds == NULL) {
		crb_refusal_make(refusal, CRB_PROBLEM_IMDS_OFF,
		    "instance metadata is disabled for this session");
		return false;
	}
	return action == CRB_ACTION_IMDS ? permit_fetch(exchange, refusal)
					 : permit_token(exchange, refusal);
}

static enum MHD_Result
answer(struct crb_exchange *exchange, struct MHD_Response *response)
{
	if (response == NULL)
		return MHD_NO;
	exchange->answer = response;
	exchange->answer_status = 200;
	exchange->phase = CRB_PHASE_ANSWER;
	return MHD_YES;
}

enum MHD_Result
crb_fetch_lease_begin(struct crb_exchange *exchange)
{
	exchange->name = (struct crb_slice){ exchange->match.rest,
		exchange->match.rest_len };
	exchange->phase = CRB_PHASE_FETCH;
	return MHD_YES;
}

/* What they have asked for is the last part of the target. */
static enum MHD_Result
begin_role(struct crb_exchange *exchange)
{
	exchange->name = CRB_SLICE(strrchr(exchange->target, '/') + 1);
	exchange->phase = CRB_PHASE_FETCH;
	return MHD_YES;
}

enum MHD_Result
crb_fetch_imds_begin(struct crb_exchange *exchange)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(DOCUMENT_MAX);
	const char *type = "text/plain";
	struct crb_refusal refusal;

	switch (crb_imds_find(exchange->session->imds, exchange->target,
	    exchange->gateway->wall, &text)) {
	case CRB_IMDS_NOTHING:
		crb_refusal_make(&refusal, CRB_PROBLEM_NOT_FOUND,
		    "there is no such metadata here");
		crb_exchange_refuse(exchange, &refusal);
		return MHD_YES;
	case CRB_IMDS_KEYS:
		return begin_role(exchange);
	case CRB_IMDS_JSON:
		type = "application/json";
		break;
	case CRB_IMDS_TEXT:
		break;
	}
	if (text.failed)
		return MHD_NO;
	return answer(
	    exchange, crb_response_bytes(crb_buf_text(&text), text.len, type));
}

static struct MHD_Response *
token_response(const char *token, uint32_t seconds)
{
	struct MHD_Response *response = crb_response_secret(
	    token, CRB_IMDS_TOKEN_LEN, "text/plain", NULL);
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", (unsigned)seconds);
	if (response == NULL ||
	    MHD_add_response_header(response, TTL_HEADER, text) == MHD_YES)
		return response;
	MHD_destroy_response(response);
	return NULL;
}

enum MHD_Result
crb_fetch_token_begin(struct crb_exchange *exchange)
{
	char token[CRB_IMDS_TOKEN_LEN + 1];
	enum MHD_Result result;

	if (!crb_imds_issue(exchange->session->imds,
		crb_loop_now(exchange->gateway->loop), exchange->imds_seconds,
		token))
		return MHD_NO;
	result = answer(
	    exchange, token_response(token, exchange->imds_seconds));
	sodium_memzero(token, sizeof(token));
	return result;
}

static void
ask(struct crb_exchange *exchange)
{
	struct crb_msg_query query = {
		.exchange = exchange->id,
		.session = CRB_SLICE(exchange->session->id),
		.what = CRB_QUERY_LEASE,
		.plain = exchange->facts.plain,
		.name = exchange->name,
		.body = CRB_SLICE(""),
	};

	exchange->lease_asked = true;
	crb_exchange_ask(exchange, CRB_MSG_QUERY, &query);
}

/* What the core has sent does not last either. */
static void
refuse(struct crb_exchange *exchange)
{
	struct crb_refusal refusal;

	crb_refusal_make(&refusal, CRB_PROBLEM_BUSY,
	    "there are no keys that last long enough");
	crb_exchange_refuse(exchange, &refusal);
}

/* The response stays the lease's, unless it must say more than others. */
static enum MHD_Result
serve(struct crb_exchange *exchange, struct crb_lease *lease)
{
	enum crb_lease_format format = exchange->match.route->format;
	struct MHD_Response *response;

	exchange->lease = lease;
	if (exchange->facts.close ||
	    crb_connection_is_last(exchange->connection))
		return crb_exchange_queue(
		    exchange, 200, crb_lease_fetch_alone(lease, format));
	if ((response = crb_lease_fetch(lease, format)) == NULL)
		return MHD_NO;
	exchange->phase = CRB_PHASE_REPLY;
	exchange->status = 200;
	return MHD_queue_response(exchange->mhd, 200, response);
}

enum MHD_Result
crb_fetch_reply(struct crb_exchange *exchange, const char *data, size_t *size)
{
	struct crb_lease *lease = crb_lease_find(exchange->session,
	    exchange->name, exchange->gateway->wall,
	    least[exchange->match.route->format]);

	if (lease != NULL)
		return serve(exchange, lease);
	if (exchange->lease_asked)
		refuse(exchange);
	else
		ask(exchange);
	return crb_exchange_again(exchange, data, size);
}

void
crb_fetch_sent(struct crb_exchange *exchange)
{
	exchange->phase = CRB_PHASE_FETCH;
	crb_exchange_unpark(exchange);
}
