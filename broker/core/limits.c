#include "broker/core/limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "base/units.h"
#include "broker/core/policies.h"
#include "broker/core/session_end.h"

/* By which a service's clock, or the way there, may differ from ours. */
#define SLACK_S 120
#define US_A_MINUTE 60000000
#define REFS_A_REQUEST 4 /* of a push: what deciding on them costs */

/* A bound, and who says so: a tier, or NULL for the configuration. */
struct bound {
	int64_t most;
	const char *tier;
	const char *name; /* "requests_per_minute" */
};

static struct bound
bound_of(const struct crb_core *core, enum crb_limit limit)
{
	struct bound bound = { CRB_UNLIMITED, NULL,
		crb_limit_infos[limit].name };

	if (core->policies != NULL) {
		const struct crb_limits *limits = crb_policies_limits(
		    core->policies);

		bound.most = limits->most[limit];
		bound.tier = limits->tier[limit];
	}
	return bound;
}

/* Of a policy and the configuration the lesser. */
static struct bound
narrower(struct bound bound, int64_t configured, const char *key)
{
	if (bound.most <= configured)
		return bound;
	return (struct bound){ configured, NULL, key };
}

/* "requests_per_minute, tier team" */
#define WHO_TEXT 96
static const char *
who(const struct bound *bound, char out[WHO_TEXT])
{
	if (bound->tier != NULL)
		(void)snprintf(
		    out, WHO_TEXT, "%s, tier %s", bound->name, bound->tier);
	else
		(void)snprintf(
		    out, WHO_TEXT, "%s in the config file", bound->name);
	return out;
}

#define RULE_TEXT 64
static const char *
rule(const struct bound *bound, char out[RULE_TEXT])
{
	(void)snprintf(out, RULE_TEXT, "limits.%s", bound->name);
	return out;
}

/* What a call may not, as what a rule denies is recorded. */
static enum crb_status
record(const struct crb_call *call, const struct crb_session *session,
    const struct bound *bound, const struct crb_err *why)
{
	char text[RULE_TEXT];
	const struct crb_audit_event event = {
		.event = call->method->name,
		.who = call->who,
		.task = session->task,
		.session = session->id[0] != '\0' ? session->id : NULL,
		.decision = "deny",
		.outcome = crb_status_info(why->status)->code,
		.tier = bound->tier,
		.rule = rule(bound, text),
		.detail = why->msg,
	};
	struct crb_err err;

	if (crb_audit_record(call->core->audit, &event, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "refusal not recorded", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
	return why->status;
}

enum crb_status
crb_limits_life(const struct crb_call *call, const struct crb_session *session,
    bool wished, int64_t *seconds, json_t *notes, struct crb_err *err)
{
	const struct bound bound = bound_of(
	    call->core, CRB_LIMIT_SESSION_LIFETIME);
	char text[CRB_DURATION_TEXT], by[WHO_TEXT];

	if (*seconds <= bound.most)
		return CRB_OK;
	crb_duration_text(bound.most, text);
	if (wished) {
		(void)crb_err_set(err, CRB_ERR_DENIED,
		    "a session lasts at most %s here (%s)", text,
		    who(&bound, by));
		return record(call, session, &bound, err);
	}
	*seconds = bound.most;
	if (notes != NULL)
		(void)json_array_append_new(notes,
		    json_sprintf("the session ends in %s, says %s", text,
			who(&bound, by)));
	return CRB_OK;
}

int64_t
crb_limits_end(const struct crb_session *session)
{
	const struct bound bound = bound_of(
	    session->core, CRB_LIMIT_SESSION_LIFETIME);

	if (bound.most >= session->expires - session->created)
		return session->expires;
	return session->created + bound.most;
}

enum crb_status
crb_limits_extend(const struct crb_call *call,
    const struct crb_session *session, int64_t expires, struct crb_err *err)
{
	const struct bound bound = bound_of(
	    session->core, CRB_LIMIT_SESSION_LIFETIME);
	int64_t left = bound.most - (crb_wall_seconds() - session->created);
	char text[CRB_DURATION_TEXT], by[WHO_TEXT];

	if (bound.most >= expires - session->created)
		return CRB_OK;
	crb_duration_text(left > 0 ? left : 0, text);
	(void)crb_err_set(err, CRB_ERR_DENIED,
	    "session %s can last at most %s more (%s)", session->id, text,
	    who(&bound, by));
	return record(call, session, &bound, err);
}

void
crb_limits_apply(struct crb_core *core)
{
	struct crb_session *session;
	struct crb_err err;

	TAILQ_FOREACH(session, &core->list, link)
	if (session->state == CRB_SESSION_LIVE &&
	    crb_session_rearm(session, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_SESSION, session->id,
		    CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

/*
 * By going through all: who bounds them has few, and session.list does the
 * same.
 */
static bool
is_reached(const struct crb_session *session, const struct bound *bound,
    bool (*alike)(const struct crb_session *a, const struct crb_session *b))
{
	const struct crb_session *at;
	int64_t count = 0;

	if (bound->most == CRB_UNLIMITED)
		return false;
	TAILQ_FOREACH(at, &session->core->list, link)
	if ((at->state == CRB_SESSION_LIVE ||
		at->state == CRB_SESSION_OPENING) &&
	    alike(at, session) && ++count >= bound->most)
		break;
	return count >= bound->most;
}

static bool
same_user(const struct crb_session *a, const struct crb_session *b)
{
	return a->issuer == b->issuer;
}

static bool
same_task(const struct crb_session *a, const struct crb_session *b)
{
	return strcmp(a->task, b->task) == 0;
}

enum crb_status
crb_limits_issue(const struct crb_call *call, const struct crb_session *session,
    struct crb_err *err)
{
	const struct bound user = bound_of(
	    session->core, CRB_LIMIT_SESSIONS_PER_USER);
	const struct bound task = bound_of(
	    session->core, CRB_LIMIT_SESSIONS_PER_TASK);
	char by[WHO_TEXT];

	if (is_reached(session, &user, same_user)) {
		(void)crb_err_set(err, CRB_ERR_DENIED,
		    "uid %u has issued %" PRId64
		    " sessions that live, and may have no more (%s); end one: credbroker revoke SESSION",
		    (unsigned)session->issuer, user.most, who(&user, by));
		return record(call, session, &user, err);
	}
	if (is_reached(session, &task, same_task)) {
		(void)crb_err_set(err, CRB_ERR_DENIED,
		    "task %s has %" PRId64
		    " sessions that live, and may have no more (%s); end one: credbroker revoke SESSION",
		    session->task, task.most, who(&task, by));
		return record(call, session, &task, err);
	}
	return CRB_OK;
}

enum crb_status
crb_limits_mint(const struct crb_session *session, struct crb_verdict *verdict,
    struct crb_err *err)
{
	const struct bound bound = bound_of(session->core, CRB_LIMIT_MINTS);
	char by[WHO_TEXT];

	if (session->mints < (uint64_t)bound.most)
		return CRB_OK;
	if (verdict != NULL)
		*verdict = (struct crb_verdict){ .effect = CRB_EFFECT_DENY,
			.tier = bound.tier,
			.rule = "limits.mints_per_session" };
	return crb_err_set(err, CRB_ERR_DENIED,
	    "keys were minted %" PRIu64
	    " times for session %s, and may be no more (%s)",
	    session->mints, session->id, who(&bound, by));
}

int64_t
crb_limits_lease(const struct crb_session *session)
{
	const struct bound bound = bound_of(
	    session->core, CRB_LIMIT_CREDENTIAL_LIFETIME);
	int64_t left = crb_session_left(session);

	return left < bound.most ? left : bound.most;
}

enum crb_status
crb_limits_order(const struct crb_core *core, const char *credential,
    const json_t *order, struct crb_err *err)
{
	const struct bound bound = bound_of(
	    core, CRB_LIMIT_CREDENTIAL_LIFETIME);
	int64_t seconds = json_integer_value(
	    json_object_get(order, "duration"));
	char least[CRB_DURATION_TEXT], most[CRB_DURATION_TEXT], by[WHO_TEXT];

	if (seconds <= bound.most)
		return CRB_OK;
	crb_duration_text(seconds, least);
	crb_duration_text(bound.most, most);
	return crb_err_set(err, CRB_ERR_DENIED,
	    "credential %s: its keys last %s at least, and may last %s at most (%s)",
	    credential, least, most, who(&bound, by));
}

bool
crb_limits_lasts(const struct crb_core *core, int64_t expires)
{
	const struct bound bound = bound_of(
	    core, CRB_LIMIT_CREDENTIAL_LIFETIME);
	int64_t lasts = expires - crb_wall_seconds();

	return bound.most == CRB_UNLIMITED || lasts - SLACK_S <= bound.most;
}

/* What every refusal by a bound has in common; `detail` comes behind. */
__attribute__((format(printf, 4, 5))) static bool
refuse(struct crb_denial *out, const struct bound *bound, bool passes,
    const char *fmt, ...)
{
	const struct crb_status_info *info = crb_status_info(
	    passes ? CRB_ERR_LIMIT : CRB_ERR_DENIED);
	char by[WHO_TEXT];
	size_t len;
	va_list ap;

	*out = (struct crb_denial){
		.http = info->http,
		.code = info->code,
		.title = crb_status_info(CRB_ERR_LIMIT)->title,
	};
	va_start(ap, fmt);
	(void)vsnprintf(out->detail, sizeof(out->detail), fmt, ap);
	va_end(ap);
	len = strlen(out->detail);
	(void)snprintf(out->detail + len, sizeof(out->detail) - len, " (%s)",
	    who(bound, by));
	if (bound->tier != NULL) {
		(void)snprintf(
		    out->rule, sizeof(out->rule), "limits.%s", bound->name);
		(void)snprintf(out->tier, sizeof(out->tier), "%s", bound->tier);
	}
	return false;
}

static void
come_again(struct crb_denial *out, unsigned seconds)
{
	out->retry = seconds;
	(void)snprintf(
	    out->next, sizeof(out->next), "wait %u s, then try again", seconds);
}

static int64_t
used_of(const struct crb_session *session, enum crb_limit limit)
{
	switch ((unsigned)limit) {
	case CRB_LIMIT_MINTS:
		return (int64_t)session->mints;
	case CRB_LIMIT_REQUESTS:
		/* Those that were let through, or are about to be. */
		return (int64_t)(session->requests - session->refused);
	case CRB_LIMIT_BYTES:
		return (int64_t)(session->up + session->down);
	case CRB_LIMIT_CONCURRENT_REQUESTS:
		return (int64_t)session->exchange_count + session->waiting;
	default:
		return -1;
	}
}

bool
crb_limits_total(const struct crb_session *session, struct crb_denial *denial)
{
	const struct crb_core *core = session->core;
	const struct bound requests = bound_of(core, CRB_LIMIT_REQUESTS);
	const struct bound bytes = bound_of(core, CRB_LIMIT_BYTES);

	if (used_of(session, CRB_LIMIT_REQUESTS) >= requests.most)
		(void)refuse(denial, &requests, false,
		    "this session has made the %" PRId64
		    " requests that it may make",
		    requests.most);
	else if (used_of(session, CRB_LIMIT_BYTES) >= bytes.most)
		(void)refuse(denial, &bytes, false,
		    "this session has sent and received the %" PRId64
		    " bytes that it may",
		    bytes.most);
	else
		return true;
	(void)snprintf(denial->next, sizeof(denial->next),
	    "ask for a new session: credbroker issue --task %s (on the host)",
	    session->task);
	return false;
}

static bool
has_place(const struct crb_session *session, const struct crb_core *core,
    struct crb_denial *denial)
{
	const struct bound bound = narrower(
	    bound_of(core, CRB_LIMIT_CONCURRENT_REQUESTS),
	    core->config.exchanges_max, "exchanges_max");

	if (session->exchange_count + session->waiting < bound.most)
		return true;
	(void)refuse(denial, &bound, true,
	    "this session has %" PRId64
	    " requests under way, which is its limit",
	    bound.most);
	come_again(denial, 1);
	return false;
}

/*
 * A minute's worth at once, whatever the bound is: so what was spent stays
 * right when another one is in force.
 */
static struct bound
rate_of(const struct crb_core *core)
{
	return narrower(bound_of(core, CRB_LIMIT_REQUESTS_PER_MINUTE),
	    core->config.requests_per_minute, "requests_per_minute");
}

static bool
in_rate(struct crb_session *session, const struct crb_core *core,
    struct crb_denial *denial)
{
	const struct bound bound = rate_of(core);
	int64_t now = crb_loop_now(core->loop), wait;

	if (crb_rate_take(
		&session->rate, now, US_A_MINUTE / bound.most, bound.most))
		return true;
	(void)refuse(denial, &bound, true,
	    "this session has made more than %" PRId64
	    " requests a minute, which is its limit",
	    bound.most);
	wait = crb_rate_wait(
	    &session->rate, now, US_A_MINUTE / bound.most, bound.most);
	come_again(denial, (unsigned)((wait + 999) / 1000));
	return false;
}

void
crb_limits_refs(struct crb_session *session, size_t count)
{
	const struct crb_core *core = session->core;

	crb_rate_spend(&session->rate, crb_loop_now(core->loop),
	    US_A_MINUTE / rate_of(core).most,
	    (int64_t)(count / REFS_A_REQUEST));
}

/* Rather than that it is cut off on its way. */
static bool
body_fits(
    const struct crb_session *session, uint64_t body, struct crb_denial *denial)
{
	const struct bound bound = bound_of(session->core, CRB_LIMIT_BYTES);
	uint64_t most, left = crb_limits_bytes(session, &most);

	if (body <= left)
		return true;
	return refuse(denial, &bound, false,
	    "this request has a body of %" PRIu64 " bytes, and %" PRIu64
	    " are left to this session",
	    body, left);
}

bool
crb_limits_request(
    struct crb_session *session, uint64_t body, struct crb_denial *denial)
{
	const struct crb_core *core = session->core;

	return crb_limits_total(session, denial) &&
	    body_fits(session, body, denial) &&
	    has_place(session, core, denial) && in_rate(session, core, denial);
}

uint64_t
crb_limits_bytes(const struct crb_session *session, uint64_t *bound)
{
	uint64_t used = session->up + session->down;

	*bound = (uint64_t)bound_of(session->core, CRB_LIMIT_BYTES).most;
	return used < *bound ? *bound - used : 0;
}

/* Those of sessions per user and task are not one session's. */
static bool
is_own(enum crb_limit limit)
{
	return limit != CRB_LIMIT_SESSIONS_PER_USER &&
	    limit != CRB_LIMIT_SESSIONS_PER_TASK;
}

json_t *
crb_limits_shown(const struct crb_session *session)
{
	json_t *shown = NULL;

	for (unsigned i = 0; i < CRB_LIMITS; i++) {
		const struct bound bound = bound_of(
		    session->core, (enum crb_limit)i);
		int64_t used = used_of(session, (enum crb_limit)i);
		json_t *one;

		if (bound.most == CRB_UNLIMITED || !is_own((enum crb_limit)i))
			continue;
		one = json_pack("{s:I, s:s}", "most", (json_int_t)bound.most,
		    "tier", bound.tier);
		if (used >= 0) {
			int64_t left = used < bound.most ? bound.most - used
							 : 0;

			(void)json_object_set_new(
			    one, "used", json_integer(used));
			(void)json_object_set_new(
			    one, "left", json_integer(left));
		}
		if (shown == NULL)
			shown = json_object();
		(void)json_object_set_new(shown, bound.name, one);
	}
	return shown;
}
