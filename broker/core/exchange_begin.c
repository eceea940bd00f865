#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/bus/stream.h"
#include "broker/core/exchange.h"
#include "broker/core/exchange_ask.h"
#include "broker/core/exchange_hold.h"
#include "broker/core/exchange_record.h"
#include "broker/core/exchange_refuse.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"

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

/*
 * What was judged of a body is what goes out: the commands of a push are its
 * start, and a body that was approved is all of it.
 */
static void
bind_body(struct crb_msg_job *job, const struct crb_shown *shown,
    uint8_t hash[crypto_hash_sha256_BYTES])
{
	bool none = job->body == CRB_BODY_NONE;

	if (shown == NULL ||
	    (!shown->has_commands && (!shown->has_body || none)))
		return;
	if (shown->has_commands) {
		(void)crypto_hash_sha256(
		    hash, (const uint8_t *)shown->text.data, shown->text.len);
		/* Behind no commands there is nothing. */
		job->judged = shown->commands.count > 0 ? CRB_JUDGED_START
							: CRB_JUDGED_WHOLE;
		job->judged_length = (uint32_t)shown->text.len;
	} else {
		memcpy(hash, shown->hash, crypto_hash_sha256_BYTES);
		job->judged = CRB_JUDGED_WHOLE;
		job->judged_length = shown->length;
		if (job->content_type.len == 0)
			job->content_type = CRB_SLICE(crb_exchange_type(shown));
	}
	job->judged_hash = (struct crb_slice){ (const char *)hash,
		crypto_hash_sha256_BYTES };
}

/* And so do the headers of an API that somebody has seen. */
static void
bind_headers(struct crb_msg_job *job, const struct crb_shown *shown,
    uint8_t hash[crypto_hash_sha256_BYTES])
{
	if (shown == NULL || !shown->has_body || job->route != CRB_ROUTE_HTTP)
		return;
	(void)crypto_hash_sha256(
	    hash, (const uint8_t *)shown->headers, strlen(shown->headers));
	job->judged_headers = (struct crb_slice){ (const char *)hash,
		crypto_hash_sha256_BYTES };
}

static enum crb_status
send_job(const struct crb_exchange *exchange,
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    const struct crb_shown *shown, int fd, struct crb_err *err)
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
		.judged_hash = CRB_SLICE(""),
		.judged_headers = CRB_SLICE(""),
	};
	uint8_t hash[crypto_hash_sha256_BYTES];
	uint8_t headers[crypto_hash_sha256_BYTES];
	enum crb_status status;

	job.most = crb_limits_bytes(exchange->session, &job.bound);
	bind_body(&job, shown, hash);
	bind_headers(&job, shown, headers);

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

static enum crb_status
record_begin(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, uint64_t job, const char *approval,
    struct crb_err *err)
{
	char detail[CRB_BEGIN_DETAIL];
	const struct crb_exchange_line what = crb_begin_line(
	    job, approval, detail);

	return crb_exchange_record(core, msg, judgement, &what, err);
}

/*
 * Recorded first (unless a `recording` of it is durable), then given to the
 * egress, then to the gateway: so a stream's reader is there before its writer.
 */
static enum crb_status
begin(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, const struct crb_shown *shown,
    const char *approval, struct crb_recording *recording, struct crb_err *err)
{
	uint64_t job = recording != NULL ? crb_recording_job(recording)
					 : ++core->last_job;
	CRB_AUTO_FD int gateway = -1;
	CRB_AUTO_FD int egress = -1;
	struct crb_exchange *exchange;
	int pair[2] = { -1, -1 };
	enum crb_status status;

	status = crb_exchange_new(judgement->session, msg->exchange, job,
	    judgement->credential, judgement->grant->number, &exchange, err);
	if (status != CRB_OK)
		return status;
	if (recording != NULL)
		crb_recording_take(recording);
	else
		status = record_begin(core, msg, judgement, job, approval, err);
	if (status != CRB_OK) {
		crb_exchange_discard(exchange);
		return status;
	}
	status = get_stream(exchange, pair, err);
	gateway = pair[0];
	egress = pair[1];
	if (status == CRB_OK)
		status = send_job(exchange, msg, judgement, shown, egress, err);
	if (status != CRB_OK) {
		crb_exchange_abandon(exchange, err);
		return status;
	}
	judgement->session->requests++;
	judgement->credential->used = crb_wall_seconds();
	send_verdict(exchange, judgement, gateway);
	return CRB_OK;
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

static bool
is_push(
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement)
{
	return msg->route == CRB_ROUTE_GIT &&
	    judgement->request.operation == CRB_GIT_PUSH;
}

/*
 * A push is asked about once, with its refs: what comes before it, or has none,
 * changes nothing and goes on.  But where all is asked about, that is, too.
 */
static bool
has_to_be_approved(const struct crb_judgement *judgement)
{
	enum crb_git_operation operation = judgement->request.operation;

	if (judgement->verdict.effect != CRB_EFFECT_ASK)
		return false;
	if (judgement->session->ask_always)
		return true;
	if (operation == CRB_GIT_PUSH)
		return judgement->commands == NULL ||
		    judgement->commands->count > 0;
	return operation != CRB_GIT_DISCOVER_PUSH;
}

/* What of it has to be seen before it is decided; 0: nothing more. */
static unsigned
needs(const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    const struct crb_shown *shown)
{
	if (is_push(msg, judgement))
		return shown->has_commands ? 0 : CRB_NEED_COMMANDS;
	if (!has_to_be_approved(judgement) || shown->has_body)
		return 0;
	/* Headers of an API say what is asked for, too. */
	return msg->body != CRB_BODY_NONE || msg->route == CRB_ROUTE_HTTP
	    ? CRB_NEED_BODY
	    : 0;
}

/* Its line is durable, and what it says has to be so still. */
static enum crb_status
begin_recorded(struct crb_hold *hold, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement,
    const struct crb_exchange_asking *asking, struct crb_err *err)
{
	struct crb_core *core = judgement->session->core;
	struct crb_recording *recording = crb_hold_recording(hold);
	const char *approval = crb_recording_approval(recording);
	enum crb_status status;

	status = crb_recording_check(recording, msg, judgement,
	    asking != NULL ? &asking->asked : NULL, err);
	if (status == CRB_OK)
		status = begin(core, msg, judgement, crb_hold_shown(hold),
		    approval, recording, err);
	if (status == CRB_OK)
		crb_approval_settle(core, approval, NULL);
	return status;
}

/* One that was approved, or needs not be: with its secret it can begin. */
static enum crb_status
begin_held(struct crb_hold *hold, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement, const struct crb_exchange_asking *asking,
    struct crb_err *err)
{
	struct crb_core *core = judgement->session->core;
	char id[CRB_APPROVAL_ID_LEN + 1] = "";
	enum crb_status status;

	if (!has_secret(msg, judgement))
		return crb_hold_lease(
		    hold, judgement->session, judgement->credential->name, err);
	if (crb_hold_recording(hold) != NULL)
		return begin_recorded(hold, msg, judgement, asking, err);
	/* Taken last, and given back when nothing goes out after all. */
	if (asking != NULL && !crb_approval_take(&asking->asked, id))
		return crb_err_set(err, CRB_ERR_UNRECORDED,
		    "that it was approved cannot be recorded");
	if (!judgement->durable)
		status = begin(
		    core, msg, judgement, crb_hold_shown(hold), id, NULL, err);
	else if ((status = crb_hold_record(hold, msg, judgement,
		      asking != NULL ? &asking->asked : NULL, id, err)) ==
	    CRB_OK)
		return CRB_OK;
	crb_approval_settle(core, id, status != CRB_OK ? err : NULL);
	return status;
}

/* One step further: it waits again, has begun, or cannot. */
static enum crb_status
step(struct crb_hold *hold, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement, struct crb_err *err)
{
	CRB_AUTO_ASKING struct crb_exchange_asking asking = { .details = NULL };
	const struct crb_shown *shown = crb_hold_shown(hold);
	unsigned need = needs(msg, judgement, shown);
	enum crb_status status;

	if (need != 0)
		return crb_hold_need(hold, need, err);
	if (!has_to_be_approved(judgement))
		return begin_held(hold, msg, judgement, NULL, err);
	status = crb_exchange_asking(msg, judgement, shown, &asking, err);
	if (status != CRB_OK)
		return status;
	if (crb_hold_recording(hold) == NULL &&
	    !crb_approval_given(&asking.asked))
		return crb_hold_ask(hold, &asking.asked, err);
	return begin_held(hold, msg, judgement, &asking, err);
}

/* Whoever asks has to be told no. */
static bool
is_refused(bool allowed, const struct crb_judgement *judgement)
{
	return !allowed && judgement->verdict.effect != CRB_EFFECT_ASK;
}

/* With its commands, unless nobody wants to know any more. */
static bool
judge_held(struct crb_core *core, struct crb_hold *hold,
    const struct crb_msg_exchange *msg, struct crb_judgement *out)
{
	const struct crb_shown *shown = crb_hold_shown(hold);
	const struct crb_push_commands *commands = shown->has_commands
	    ? &shown->commands
	    : NULL;
	bool allowed = crb_judge_commands(core, msg,
	    crb_hold_is_left(hold) ? NULL : commands, crb_hold_progress(hold),
	    out);

	out->commands = commands;
	return allowed;
}

/* What it waited for is there, or will not be: much may have changed. */
static void
held(struct crb_core *core, struct crb_hold *hold,
    const struct crb_msg_exchange *msg, const struct crb_err *why)
{
	struct crb_judgement judgement;
	struct crb_err err;
	bool allowed;

	/* A session has its pushes judged one after the other. */
	if (crb_hold_queues(hold) && crb_hold_turn(hold, why, &err) == CRB_OK)
		return;
	allowed = judge_held(core, hold, msg, &judgement);
	if (judgement.unfinished) {
		if (crb_hold_turn(hold, why, &err) != CRB_OK)
			crb_exchange_refuse_for(core, msg, &judgement, &err);
	} else if (is_refused(allowed, &judgement))
		crb_exchange_refuse(core, msg, &judgement);
	else if (why != NULL)
		crb_exchange_refuse_for(core, msg, &judgement, why);
	else if (step(hold, msg, &judgement, &err) != CRB_OK)
		crb_exchange_refuse_for(core, msg, &judgement, &err);
}

static enum crb_status
hold_it(const struct crb_msg_exchange *msg, struct crb_judgement *judgement,
    struct crb_err *err)
{
	struct crb_hold *hold;
	enum crb_status status;

	status = crb_hold_new(judgement->session, msg, held, &hold, err);
	if (status != CRB_OK)
		return status;
	status = step(hold, msg, judgement, err);
	if (!crb_hold_waits(hold))
		crb_hold_free(hold);
	return status;
}

void
crb_exchange_judge(struct crb_core *core, const struct crb_msg_exchange *msg)
{
	struct crb_judgement judgement;
	enum crb_status status;
	struct crb_err err;
	bool allowed = crb_judge(core, msg, &judgement);

	if (is_refused(allowed, &judgement)) {
		crb_exchange_refuse(core, msg, &judgement);
		return;
	}
	status = allowed && !judgement.durable && !is_push(msg, &judgement) &&
		has_secret(msg, &judgement)
	    ? begin(core, msg, &judgement, NULL, "", NULL, &err)
	    : hold_it(msg, &judgement, &err);
	if (status != CRB_OK)
		crb_exchange_refuse_for(core, msg, &judgement, &err);
}
