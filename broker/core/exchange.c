#include "broker/core/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/bus/stream.h"
#include "broker/core/judge.h"

#define REQUEST_TEXT_MAX 2048

static void
exchange_free(struct crb_exchange *exchange)
{
	if (exchange == NULL)
		return;
	free(exchange->credential);
	free(exchange);
}

static void
exchange_cleanup(struct crb_exchange **exchange)
{
	exchange_free(*exchange);
}
#define AUTO_EXCHANGE __attribute__((cleanup(exchange_cleanup)))

/* Out of the maps and of its session. */
static void
leave(struct crb_exchange *exchange)
{
	struct crb_session *session = exchange->session;
	struct crb_core *core = session->core;

	(void)crb_map_take(
	    &core->exchanges, &exchange->number, sizeof(exchange->number));
	(void)crb_map_take(&core->jobs, &exchange->job, sizeof(exchange->job));
	TAILQ_REMOVE(&session->exchanges, exchange, link);
	session->exchange_count--;
}

static enum crb_status
enter(struct crb_exchange *exchange, struct crb_err *err)
{
	struct crb_session *session = exchange->session;
	struct crb_core *core = session->core;
	enum crb_status status;

	status = crb_map_put(&core->exchanges, &exchange->number,
	    sizeof(exchange->number), exchange, err);
	if (status != CRB_OK)
		return crb_err_context(err, "exchange");
	status = crb_map_put(
	    &core->jobs, &exchange->job, sizeof(exchange->job), exchange, err);
	if (status != CRB_OK) {
		(void)crb_map_take(&core->exchanges, &exchange->number,
		    sizeof(exchange->number));
		return status;
	}
	TAILQ_INSERT_TAIL(&session->exchanges, exchange, link);
	session->exchange_count++;
	return CRB_OK;
}

/* "GET github.com/acme/api.git/info/refs?service=git-upload-pack" */
static void
request_text(const struct crb_msg_exchange *msg, struct crb_buf *out)
{
	size_t most = REQUEST_TEXT_MAX - 64;

	crb_text_escape(out, msg->method.p, msg->method.len, 16);
	crb_buf_char(out, ' ');
	crb_text_escape(out, msg->target.p, msg->target.len, most / 4);
	if (msg->has_query == 0)
		return;
	crb_buf_char(out, '?');
	crb_text_escape(out, msg->query.p, msg->query.len, 128);
}

struct record {
	const char *event, *decision, *outcome;
	int64_t job;
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
	char who[32] = "unknown session";
	struct crb_audit_event event = {
		.event = what->event,
		.who = who,
		.decision = what->decision,
		.outcome = what->outcome,
		.exchange = what->job,
		.tier = denied ? judgement->denial.tier : "session",
		.rule = denied ? judgement->denial.rule : judgement->rule,
		.detail = denied ? judgement->denial.detail : NULL,
		.status = denied ? judgement->denial.http : 0,
	};

	request_text(msg, &request);
	event.request = crb_buf_text(&request);
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
		.operation = (uint8_t)judgement->request.operation,
		.origin = CRB_SLICE(""),
	};
	struct crb_err err;

	if (crb_link_send(
		&core->gateway, CRB_MSG_VERDICT, &verdict, -1, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "verdict not sent", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

static void
refuse(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	const struct record what = {
		.event = "exchange.refused",
		.decision = "deny",
		.outcome = judgement->denial.code,
	};
	struct crb_err err;

	if (judgement->session != NULL) {
		judgement->session->requests++;
		judgement->session->refused++;
	}
	if (crb_core_unlocked(core) &&
	    record_judgement(core, msg, judgement, &what, &err) != CRB_OK)
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
		.backend = CRB_SLICE(credential->backend->kind),
		.params = CRB_SLICE(credential->job_params),
		.secret = { crb_secret_bytes(credential->secret),
		    crb_secret_len(credential->secret) },
		.network = (uint8_t)credential->route.network,
		.ca = CRB_SLICE(ca != NULL ? ca : ""),
		.proxy = CRB_SLICE(proxy != NULL ? proxy : ""),
		.body = msg->body,
		.length = msg->length,
	};
	enum crb_status status;

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
		.tier = CRB_SLICE("session"),
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

static enum crb_status
make(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_exchange **out,
    struct crb_err *err)
{
	AUTO_EXCHANGE struct crb_exchange *exchange = NULL;
	enum crb_status status;

	if ((exchange = calloc(1, sizeof(*exchange))) == NULL ||
	    (exchange->credential = strdup(judgement->credential->name)) ==
		NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	exchange->session = judgement->session;
	exchange->number = msg->exchange;
	exchange->job = ++core->last_job;
	exchange->grant = judgement->grant->number;
	exchange->clean = true;
	if ((status = enter(exchange, err)) != CRB_OK)
		return status;
	*out = CRB_STEAL(exchange);
	return CRB_OK;
}

/* Over before it began: recorded, and not under way any more. */
static void
abandon(struct crb_exchange *exchange, const struct crb_err *why)
{
	const struct crb_session *session = exchange->session;
	const struct crb_audit_event event = {
		.event = "exchange.end",
		.task = session->task,
		.session = session->id,
		.credential = exchange->credential,
		.outcome = crb_status_info(why->status)->code,
		.detail = why->msg,
		.exchange = (int64_t)exchange->job,
	};
	struct crb_err err;

	(void)!crb_audit_record(session->core->audit, &event, &err);
	leave(exchange);
	exchange_free(exchange);
}

/*
 * Recorded first, then given to the egress, then to the gateway: so a stream's
 * reader is there before its writer.
 */
static enum crb_status
begin(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_err *err)
{
	struct record what = { "exchange.begin", "allow", NULL, 0 };
	CRB_AUTO_FD int gateway = -1;
	CRB_AUTO_FD int egress = -1;
	struct crb_exchange *exchange;
	int pair[2] = { -1, -1 };
	enum crb_status status;

	status = make(core, msg, judgement, &exchange, err);
	if (status != CRB_OK)
		return status;
	what.job = (int64_t)exchange->job;
	status = record_judgement(core, msg, judgement, &what, err);
	if (status != CRB_OK) {
		leave(exchange);
		exchange_free(exchange);
		return status;
	}
	status = get_stream(exchange, pair, err);
	gateway = pair[0];
	egress = pair[1];
	if (status == CRB_OK)
		status = send_job(exchange, msg, judgement, egress, err);
	if (status != CRB_OK) {
		abandon(exchange, err);
		return status;
	}
	judgement->session->requests++;
	judgement->credential->used = crb_wall_seconds();
	send_verdict(exchange, judgement, gateway);
	return CRB_OK;
}

void
crb_exchange_judge(struct crb_core *core, const struct crb_msg_exchange *msg)
{
	struct crb_judgement judgement;
	struct crb_err err;

	if (!crb_judge(core, msg, &judgement)) {
		refuse(core, msg, &judgement);
		return;
	}
	if (begin(core, msg, &judgement, &err) != CRB_OK) {
		crb_denial_error(&judgement.denial, &err);
		refuse(core, msg, &judgement);
	}
}

static void
record_end(const struct crb_exchange *exchange)
{
	const struct crb_session *session = exchange->session;
	const struct crb_audit_event event = {
		.event = "exchange.end",
		.task = session->task,
		.session = session->id,
		.credential = exchange->credential,
		.outcome = exchange->outcome,
		.detail = exchange->detail[0] != '\0' ? exchange->detail : NULL,
		.exchange = (int64_t)exchange->job,
		.status = exchange->status,
		.up = (int64_t)exchange->up,
		.down = (int64_t)exchange->down,
		.bytes = true,
	};
	struct crb_err err;

	/* It has happened already; from now on nothing else does. */
	if (crb_audit_record(session->core->audit, &event, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "exchange not recorded", CRB_LOG_SESSION,
		    session->id, CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

/* Keep the stream for the session's next request. */
static void
put_stream(const struct crb_exchange *exchange)
{
	struct crb_session *session = exchange->session;
	uint32_t *bigger;

	if (!exchange->clean || session->state != CRB_SESSION_LIVE)
		return;
	bigger = reallocarray(
	    session->idle, session->idle_count + 1, sizeof(*bigger));
	if (bigger == NULL)
		return;
	session->idle = bigger;
	bigger[session->idle_count++] = exchange->stream;
}

static void
finish_when_done(struct crb_exchange *exchange)
{
	struct crb_session *session = exchange->session;

	if (!exchange->gateway_done || !exchange->egress_done)
		return;
	session->up += exchange->up;
	session->down += exchange->down;
	record_end(exchange);
	put_stream(exchange);
	leave(exchange);
	exchange_free(exchange);
}

static void
cancel_job(const struct crb_exchange *exchange)
{
	const struct crb_msg_job_cancel cancel = { .job = exchange->job };
	struct crb_err err;

	(void)!crb_link_send(&exchange->session->core->egress,
	    CRB_MSG_JOB_CANCEL, &cancel, -1, &err);
}

static void
set_outcome(struct crb_exchange *exchange, const char *outcome)
{
	if (exchange->outcome[0] == '\0')
		(void)snprintf(exchange->outcome, sizeof(exchange->outcome),
		    "%s", outcome);
}

void
crb_exchange_served(
    struct crb_core *core, const struct crb_msg_exchange_done *msg)
{
	struct crb_exchange *exchange = crb_map_get(
	    &core->exchanges, &msg->exchange, sizeof(msg->exchange));

	if (exchange == NULL || exchange->gateway_done ||
	    exchange->job != msg->job)
		return;
	exchange->gateway_done = true;
	exchange->clean = exchange->clean && msg->clean != 0;
	exchange->status = msg->status;
	if (msg->clean == 0 && !exchange->egress_done)
		cancel_job(exchange);
	finish_when_done(exchange);
}

static void
copy_text(char *to, size_t size, struct crb_slice from)
{
	size_t len = from.len < size ? from.len : size - 1;

	memcpy(to, from.p, len);
	to[len] = '\0';
}

void
crb_exchange_sent(struct crb_core *core, const struct crb_msg_job_done *msg)
{
	struct crb_exchange *exchange = crb_map_get(
	    &core->jobs, &msg->job, sizeof(msg->job));

	if (exchange == NULL || exchange->egress_done)
		return;
	exchange->egress_done = true;
	exchange->clean = exchange->clean && msg->clean != 0;
	if (exchange->outcome[0] == '\0')
		copy_text(
		    exchange->outcome, sizeof(exchange->outcome), msg->outcome);
	copy_text(exchange->detail, sizeof(exchange->detail), msg->detail);
	if (exchange->status == 0)
		exchange->status = msg->status;
	exchange->up = msg->up;
	exchange->down = msg->down;
	if (msg->scrubbed > 0)
		crb_log(CRB_LOG_WARN, "upstream sent the secret back",
		    CRB_LOG_SESSION, exchange->session->id, CRB_LOG_CREDENTIAL,
		    exchange->credential, CRB_LOG_COUNT, (int64_t)msg->scrubbed,
		    CRB_LOG_END);
	finish_when_done(exchange);
}

typedef void each_fn(struct crb_exchange *exchange);

static void
each(struct crb_session *session, each_fn *fn)
{
	struct crb_exchange *exchange, *next;

	for (exchange = TAILQ_FIRST(&session->exchanges); exchange != NULL;
	     exchange = next) {
		next = TAILQ_NEXT(exchange, link);
		fn(exchange);
	}
}

static void
gateway_lost(struct crb_exchange *exchange)
{
	exchange->clean = false;
	if (exchange->gateway_done)
		return;
	exchange->gateway_done = true;
	set_outcome(exchange, "gateway_lost");
	if (!exchange->egress_done)
		cancel_job(exchange);
	finish_when_done(exchange);
}

static void
egress_lost(struct crb_exchange *exchange)
{
	exchange->clean = false;
	if (exchange->egress_done)
		return;
	exchange->egress_done = true;
	set_outcome(exchange, "egress_lost");
	finish_when_done(exchange);
}

void
crb_exchange_gateway_lost(struct crb_core *core)
{
	struct crb_session *session;

	TAILQ_FOREACH(session, &core->list, link)
	{
		session->idle_count = 0;
		each(session, gateway_lost);
	}
}

void
crb_exchange_egress_lost(struct crb_core *core)
{
	struct crb_session *session;

	TAILQ_FOREACH(session, &core->list, link)
	{
		session->idle_count = 0;
		each(session, egress_lost);
	}
}

unsigned
crb_exchange_cut(
    struct crb_session *session, unsigned grant, const char *credential)
{
	struct crb_exchange *exchange;
	unsigned count = 0;

	TAILQ_FOREACH(exchange, &session->exchanges, link)
	{
		if ((grant != 0 && exchange->grant != grant) ||
		    (credential != NULL &&
			strcmp(exchange->credential, credential) != 0))
			continue;
		count++;
		exchange->clean = false;
		set_outcome(exchange, "cancelled");
		if (!exchange->egress_done)
			cancel_job(exchange);
	}
	return count;
}

static void
forget(struct crb_exchange *exchange)
{
	set_outcome(exchange, "cancelled");
	if (exchange->session->core->audit != NULL)
		record_end(exchange);
	leave(exchange);
	exchange_free(exchange);
}

void
crb_exchange_forget(struct crb_session *session)
{
	each(session, forget);
}
