#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/sigv4.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "broker/bus/stream.h"
#include "broker/core/exchange.h"
#include "broker/core/exchange_wait.h"
#include "broker/core/judge.h"
#include "broker/core/lease.h"

#define REQUEST_TEXT_MAX 2048
/* A key of an object is all that tells it from others. */
#define OBJECT_TEXT_MAX 1100
#define QUERY_TEXT_MAX 256
#define NAMES_TEXT_MAX 700
#define NAME_TEXT_MAX 24
#define VALUE_TEXT_MAX 8
/* Refusals of a session in the log: so many at once, and one each so often. */
#define REFUSALS_MOST 100
#define REFUSAL_US 200000

/*
 * Of a long one each name, and how its value begins: none can be hidden behind
 * others that mean nothing.
 */
static void
query_text(struct crb_slice query, struct crb_buf *out)
{
	size_t end = out->len + NAMES_TEXT_MAX;
	struct crb_slice value, name;

	if (query.len <= QUERY_TEXT_MAX) {
		crb_text_escape(out, query.p, query.len, QUERY_TEXT_MAX);
		return;
	}
	while (out->len < end && crb_slice_cut(&query, '&', &value)) {
		(void)crb_slice_cut(&value, '=', &name);
		crb_text_escape(out, name.p, name.len, NAME_TEXT_MAX);
		if (value.p != NULL) {
			crb_buf_char(out, '=');
			crb_text_escape(
			    out, value.p, value.len, VALUE_TEXT_MAX);
		}
		if (query.p != NULL)
			crb_buf_char(out, '&');
	}
	if (query.p != NULL)
		crb_buf_str(out, "...");
}

/* Of what does not stand there whole, so that two of them differ. */
static void
digest_text(const struct crb_msg_exchange *msg, struct crb_slice path,
    struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf whole = CRB_BUF_INIT(4 * CRB_TARGET_MAX);
	char digest[CRB_SIGV4_HASH];

	if (path.len <= OBJECT_TEXT_MAX && msg->query.len <= QUERY_TEXT_MAX)
		return;
	crb_buf_add(&whole, path.p, path.len);
	if (msg->has_query != 0) {
		crb_buf_char(&whole, '?');
		crb_buf_add(&whole, msg->query.p, msg->query.len);
	}
	crb_sigv4_hash(whole.data, whole.len, digest);
	crb_buf_printf(out, " [sha256 %.16s]", digest);
}

/* "GET s3.eu-west-1.amazonaws.com/alpha/key?versionId=1 (s3 eu-west-1)" */
static void
http_text(const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_buf *out)
{
	const struct crb_aws_request *request = &judgement->aws;
	struct crb_slice path = request->path;

	if (judgement->origin != NULL)
		crb_origin_authority(judgement->origin, out);
	else
		path = msg->target; /* it may not even have been understood */
	crb_text_escape(out, path.p, path.len, OBJECT_TEXT_MAX);
	if (msg->has_query != 0) {
		crb_buf_char(out, '?');
		query_text(msg->query, out);
	}
	digest_text(msg, path, out);
	if (request->service[0] != '\0')
		crb_buf_printf(
		    out, " (%s %s)", request->service, request->region);
}

/* "GET github.com/acme/api.git/info/refs?service=git-upload-pack" */
static void
request_text(const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_buf *out)
{
	size_t most = REQUEST_TEXT_MAX - 64;

	crb_text_escape(out, msg->method.p, msg->method.len, 16);
	crb_buf_char(out, ' ');
	if (msg->route == CRB_ROUTE_HTTP) {
		http_text(msg, judgement, out);
		return;
	}
	crb_text_escape(out, msg->target.p, msg->target.len, most / 4);
	if (msg->has_query == 0)
		return;
	crb_buf_char(out, '?');
	crb_text_escape(out, msg->query.p, msg->query.len, 128);
}

struct record {
	const char *event, *decision, *outcome;
	int64_t job;
	uint64_t more; /* refusals that were only counted */
};

/* A line about a judgement, allowed or not. */
static enum crb_status
record_judgement(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, const struct record *what,
    struct crb_err *err)
{
	const struct crb_session *session = judgement->session;
	const struct crb_session_grant *grant = judgement->grant;
	bool denied = strcmp(what->decision, "deny") == 0;
	CRB_AUTO_BUF struct crb_buf request = CRB_BUF_INIT(
	    4 * REQUEST_TEXT_MAX);
	CRB_AUTO_BUF struct crb_buf asked = CRB_BUF_INIT(CRB_AUDIT_ASKED_MAX);
	char who[32] = "unknown session", detail[1100] = "";
	struct crb_audit_event event = {
		.event = what->event,
		.who = who,
		.decision = what->decision,
		.outcome = what->outcome,
		.exchange = what->job,
		.tier = denied ? judgement->denial.tier
			       : judgement->verdict.tier,
		.rule = denied ? judgement->denial.rule : judgement->rule,
		.detail = denied ? detail : NULL,
		.status = denied ? judgement->denial.http : 0,
	};

	(void)snprintf(detail, sizeof(detail), "%s", judgement->denial.detail);
	if (what->more > 0)
		(void)snprintf(detail, sizeof(detail),
		    "%.900s (and %" PRIu64 " refusals before it)",
		    judgement->denial.detail, what->more);
	request_text(msg, judgement, &request);
	event.request = crb_buf_text(&request);
	crb_judge_asked(judgement, &asked);
	if (asked.len > 0)
		event.asked = crb_buf_text(&asked);
	if (session != NULL) {
		(void)snprintf(who, sizeof(who), "session %s", session->id);
		event.session = session->id;
		event.task = session->task;
	}
	if (judgement->credential != NULL)
		event.credential = judgement->credential->name;
	if (grant != NULL)
		event.scope = grant->grant->scope_text;
	return crb_audit_record(core->audit, &event, err);
}

static void
send_refusal(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement)
{
	const struct crb_denial *denial = &judgement->denial;
	const struct crb_msg_verdict verdict = {
		.exchange = msg->exchange,
		.status = (uint16_t)denial->http,
		.code = CRB_SLICE(denial->code),
		.title = CRB_SLICE(denial->title),
		.detail = CRB_SLICE(denial->detail),
		.rule = CRB_SLICE(denial->rule),
		.tier = CRB_SLICE(denial->tier),
		.next = CRB_SLICE(denial->next),
		.retry = (uint16_t)denial->retry,
		.operation = (uint8_t)judgement->request.operation,
		.origin = CRB_SLICE(""),
	};
	struct crb_err err;

	if (crb_link_send(
		&core->gateway, CRB_MSG_VERDICT, &verdict, -1, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "verdict not sent", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

/*
 * A sandbox that asks for what it may not have, again and again, must not
 * fill the disk: beyond a rate its refusals are counted, and the count is in
 * the next line.
 */
static bool
record_each(struct crb_core *core, struct crb_session *session)
{
	if (crb_rate_take(&session->refusals, crb_loop_now(core->loop),
		REFUSAL_US, REFUSALS_MOST))
		return true;
	session->unrecorded++;
	return false;
}

static enum crb_status
record_refusal(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_err *err)
{
	const struct record what = {
		.event = "exchange.refused",
		.decision = "deny",
		.outcome = judgement->denial.code,
		.more = judgement->session != NULL
		    ? judgement->session->unrecorded
		    : 0,
	};
	enum crb_status status;

	if (judgement->session != NULL &&
	    !record_each(core, judgement->session))
		return CRB_OK;
	status = record_judgement(core, msg, judgement, &what, err);
	if (status == CRB_OK && judgement->session != NULL)
		judgement->session->unrecorded = 0;
	return status;
}

static void
refuse(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	struct crb_err err;

	if (judgement->session != NULL) {
		judgement->session->requests++;
		judgement->session->refused++;
	}
	if (crb_core_unlocked(core) &&
	    record_refusal(core, msg, judgement, &err) != CRB_OK)
		crb_denial_error(&judgement->denial, &err);
	send_refusal(core, msg, judgement);
}

/* A stream that waits, or a new one: then its ends are in pair[]. */
static enum crb_status
get_stream(struct crb_exchange *exchange, int pair[2], struct crb_err *err)
{
	struct crb_session *session = exchange->session;
	enum crb_status status;

	if (session->idle_count > 0) {
		exchange->stream = session->idle[--session->idle_count];
		return CRB_OK;
	}
	if ((status = crb_stream_pair(pair, err)) == CRB_OK)
		exchange->stream = ++session->core->last_stream;
	return status;
}

static enum crb_status
send_job(const struct crb_exchange *exchange,
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    int fd, struct crb_err *err)
{
	struct crb_core *core = exchange->session->core;
	const struct crb_credential *credential = judgement->credential;
	const struct crb_origin *origin = judgement->origin;
	const char *ca = credential->route.ca != NULL ? credential->route.ca
						      : core->ca;
	const char *proxy = core->config.proxy;
	CRB_AUTO_BUF struct crb_buf target = CRB_BUF_INIT(2 * CRB_TARGET_MAX);
	struct crb_msg_job job = {
		.job = exchange->job,
		.session = CRB_SLICE(exchange->session->id),
		.stream = exchange->stream,
		.method = msg->method,
		.tls = origin->tls,
		.host = CRB_SLICE(origin->host),
		.port = (uint16_t)origin->port,
		.content_type = CRB_SLICE(
		    crb_git_operation_type(judgement->request.operation)),
		.backend = CRB_SLICE(credential->backend->kind),
		.params = CRB_SLICE(credential->job_params),
		.secret = { crb_secret_bytes(judgement->secret),
		    crb_secret_len(judgement->secret) },
		.network = (uint8_t)credential->route.network,
		.ca = CRB_SLICE(ca != NULL ? ca : ""),
		.proxy = CRB_SLICE(proxy != NULL ? proxy : ""),
		.body = msg->body,
		.length = msg->length,
		.route = msg->route,
		.service = CRB_SLICE(judgement->aws.service),
		.region = CRB_SLICE(judgement->aws.region),
	};
	enum crb_status status;

	if (msg->route == CRB_ROUTE_HTTP)
		crb_aws_request_target(&judgement->aws, &target);
	else
		crb_git_request_target(&judgement->request, &target);
	if ((status = crb_buf_check(&target, "target", err)) != CRB_OK)
		return status;
	job.target = (struct crb_slice){ target.data, target.len };
	return crb_link_send(&core->egress, CRB_MSG_JOB, &job, fd, err);
}

/* Where it cannot be sent, the gateway is gone and takes the exchange along. */
static void
send_verdict(const struct crb_exchange *exchange,
    const struct crb_judgement *judgement, int fd)
{
	const struct crb_origin *origin = judgement->origin;
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(300);
	struct crb_msg_verdict verdict = {
		.exchange = exchange->number,
		.allowed = 1,
		.code = CRB_SLICE(""),
		.title = CRB_SLICE(""),
		.detail = CRB_SLICE(""),
		.rule = CRB_SLICE(judgement->rule),
		.tier = CRB_SLICE(judgement->verdict.tier),
		.next = CRB_SLICE(""),
		.operation = (uint8_t)judgement->request.operation,
		.job = exchange->job,
		.stream = exchange->stream,
	};
	struct crb_err err;

	crb_buf_str(&text, origin->tls ? "https://" : "http://");
	crb_origin_authority(origin, &text);
	verdict.origin = CRB_SLICE(crb_buf_text(&text));
	if (crb_link_send(&exchange->session->core->gateway, CRB_MSG_VERDICT,
		&verdict, fd, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "verdict not sent", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

/*
 * Recorded first, then given to the egress, then to the gateway: so a stream's
 * reader is there before its writer.
 */
static enum crb_status
begin(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_err *err)
{
	struct record what = { .event = "exchange.begin", .decision = "allow" };
	CRB_AUTO_FD int gateway = -1;
	CRB_AUTO_FD int egress = -1;
	struct crb_exchange *exchange;
	int pair[2] = { -1, -1 };
	enum crb_status status;

	status = crb_exchange_new(judgement->session, msg->exchange,
	    judgement->credential, judgement->grant->number, &exchange, err);
	if (status != CRB_OK)
		return status;
	what.job = (int64_t)exchange->job;
	status = record_judgement(core, msg, judgement, &what, err);
	if (status != CRB_OK) {
		crb_exchange_discard(exchange);
		return status;
	}
	status = get_stream(exchange, pair, err);
	gateway = pair[0];
	egress = pair[1];
	if (status == CRB_OK)
		status = send_job(exchange, msg, judgement, egress, err);
	if (status != CRB_OK) {
		crb_exchange_abandon(exchange, err);
		return status;
	}
	judgement->session->requests++;
	judgement->credential->used = crb_wall_seconds();
	send_verdict(exchange, judgement, gateway);
	return CRB_OK;
}

static void
refuse_error(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement, const struct crb_err *why)
{
	crb_denial_error(&judgement->denial, why);
	refuse(core, msg, judgement);
}

/* The credential's own, or what was minted for the session of it, if it was.
 */
static bool
has_secret(const struct crb_msg_exchange *msg, struct crb_judgement *judgement)
{
	const struct crb_credential *credential = judgement->credential;

	judgement->secret = msg->route == CRB_ROUTE_HTTP
	    ? crb_lease_keys(judgement->session, credential->name)
	    : credential->secret;
	return judgement->secret != NULL;
}

/* Its lease is there, or will not be: much may have changed meanwhile. */
static void
resume(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_err *why)
{
	struct crb_judgement judgement;
	struct crb_err err;

	if (!crb_judge_again(core, msg, &judgement)) {
		refuse(core, msg, &judgement);
		return;
	}
	if (why != NULL)
		err = *why;
	else if (!has_secret(msg, &judgement))
		(void)crb_err_set(&err, CRB_ERR_LIMIT,
		    "the lease of %s has just ended; try again",
		    judgement.credential->name);
	else if (begin(core, msg, &judgement, &err) == CRB_OK)
		return;
	refuse_error(core, msg, &judgement, &err);
}

void
crb_exchange_judge(struct crb_core *core, const struct crb_msg_exchange *msg)
{
	struct crb_judgement judgement;
	enum crb_status status;
	struct crb_err err;

	if (!crb_judge(core, msg, &judgement)) {
		refuse(core, msg, &judgement);
		return;
	}
	status = has_secret(msg, &judgement)
	    ? begin(core, msg, &judgement, &err)
	    : crb_exchange_wait(judgement.session, judgement.credential->name,
		  msg, resume, &err);
	if (status != CRB_OK)
		refuse_error(core, msg, &judgement, &err);
}
