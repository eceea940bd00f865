#include "broker/core/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/credential.h"

/* A session that asks nothing for so long gets new streams when it does. */
#define STREAMS_IDLE_MS 30000
#define STREAMS_TICK_MS 10000

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

enum crb_status
crb_exchange_new(struct crb_session *session, uint64_t number, uint64_t job,
    const struct crb_credential *credential, unsigned grant,
    struct crb_exchange **out, struct crb_err *err)
{
	AUTO_EXCHANGE struct crb_exchange *exchange = NULL;
	enum crb_status status;

	if ((exchange = calloc(1, sizeof(*exchange))) == NULL ||
	    (exchange->credential = strdup(credential->name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	exchange->session = session;
	exchange->number = number;
	exchange->job = job;
	exchange->grant = grant;
	exchange->clean = true;
	if ((status = enter(exchange, err)) != CRB_OK)
		return status;
	*out = CRB_STEAL(exchange);
	return CRB_OK;
}

void
crb_exchange_discard(struct crb_exchange *exchange)
{
	leave(exchange);
	exchange_free(exchange);
}

/* Over before it began: recorded, and not under way any more. */
void
crb_exchange_abandon(struct crb_exchange *exchange, const struct crb_err *why)
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
	crb_exchange_discard(exchange);
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

/* False: not all of them. */
static bool
close_streams(struct crb_session *session)
{
	struct crb_msg_stream_close msg = { .session = CRB_SLICE(session->id) };
	struct crb_link *link = &session->core->gateway;
	struct crb_err err;

	while (session->idle_count > 0) {
		if (!crb_link_open(link))
			return false;
		msg.stream = session->idle[--session->idle_count];
		(void)!crb_link_send(
		    link, CRB_MSG_STREAM_CLOSE, &msg, -1, &err);
	}
	return true;
}

static void
set_streams_timer(struct crb_core *core)
{
	struct crb_err err;

	if (!core->streams_due)
		core->streams_due = crb_timer_set(core->loop, &core->streams,
					STREAMS_TICK_MS, &err) == CRB_OK;
}

bool
crb_exchange_close_streams(struct crb_core *core, int64_t since)
{
	struct crb_session *session;
	bool left = false;

	TAILQ_FOREACH(session, &core->list, link)
	if (session->idle_count > 0 &&
	    (session->streamed > since || !close_streams(session)))
		left = true;
	return left;
}

void
crb_exchange_streams_due(void *ctx)
{
	struct crb_core *core = ctx;

	core->streams_due = false;
	if (crb_exchange_close_streams(
		core, crb_loop_now(core->loop) - STREAMS_IDLE_MS))
		set_streams_timer(core);
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
	session->streamed = crb_loop_now(session->core->loop);
	set_streams_timer(session->core);
}

static void
finish_when_done(struct crb_exchange *exchange)
{
	if (!exchange->gateway_done || !exchange->egress_done)
		return;
	record_end(exchange);
	put_stream(exchange);
	crb_exchange_discard(exchange);
}

static void
cancel_job(const struct crb_exchange *exchange, const char *why)
{
	const struct crb_msg_job_cancel cancel = { .job = exchange->job,
		.detail = { .p = why, .len = strnlen(why, 512) } };
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
		cancel_job(exchange, "");
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
	exchange->session->up += msg->up;
	exchange->session->down += msg->down;
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
		cancel_job(exchange, "");
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
crb_exchange_cut(struct crb_session *session, unsigned grant,
    const char *credential, const char *why)
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
			cancel_job(exchange, why);
	}
	return count;
}

static void
forget(struct crb_exchange *exchange)
{
	set_outcome(exchange, "cancelled");
	if (exchange->session->core->audit != NULL)
		record_end(exchange);
	crb_exchange_discard(exchange);
}

void
crb_exchange_forget(struct crb_session *session)
{
	each(session, forget);
}
