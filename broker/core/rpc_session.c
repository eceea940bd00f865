#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/core/aws_environment.h"
#include "broker/core/change.h"
#include "broker/core/exchange.h"
#include "broker/core/rpc.h"
#include "broker/core/session_end.h"

/* The session that the member `session` names. */
static enum crb_status
find(const struct crb_call *call, struct crb_session **out, struct crb_err *err)
{
	enum crb_status status;
	const char *id;

	status = crb_call_need_text(call, "session", &id, err);
	if (status == CRB_OK)
		status = crb_call_session(call, id, out, err);
	return status;
}

static enum crb_status
check_own(const struct crb_call *call, const struct crb_session *session,
    struct crb_err *err)
{
	if (crb_call_owns(call, session))
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_ROLE,
	    "session %s was issued by uid %u: only that user, or the role admin, changes it",
	    session->id, (unsigned)session->issuer);
}

void
crb_rpc_session_show(struct crb_call *call)
{
	struct crb_session *session;
	struct crb_err err;

	if (find(call, &session, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call,
		    json_pack("{s:o}", "session", crb_session_shown(session)));
}

static bool
listed(const struct crb_call *call, const struct crb_session *session,
    const char *task, bool all)
{
	if (session->state == CRB_SESSION_OPENING ||
	    !crb_call_sees(call, session) ||
	    (!all && session->state != CRB_SESSION_LIVE))
		return false;
	return task == NULL || strcmp(session->task, task) == 0;
}

void
crb_rpc_session_list(struct crb_call *call)
{
	const struct crb_session *session;
	const char *task = NULL;
	struct crb_err err;
	bool all = false;
	json_t *list;

	if (crb_call_text(call, "task", &task, &err) != CRB_OK ||
	    crb_call_flag(call, "all", &all, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	list = json_array();
	TAILQ_FOREACH(session, &call->core->list, link)
	if (listed(call, session, task, all))
		(void)json_array_append_new(list, crb_session_shown(session));
	crb_call_reply(call, json_pack("{s:o}", "sessions", list));
}

/*
 * A change of grants or expiry.  A new grant gives nothing before it is
 * recorded; what narrows does so at once, and is not taken back when the
 * record fails.
 */
struct edit {
	struct crb_core *core;
	char id[CRB_SESSION_ID_MAX + 1];
	unsigned added;  /* number of a grant to take back; 0: none */
	int64_t expires; /* as it was; 0: not changed */
};

static void
drop_grant(struct crb_session *session, size_t index)
{
	struct crb_session_grant *at = &session->grants[index];

	(void)crb_exchange_cut(
	    session, at->number, NULL, "the grant was taken from the session");
	crb_grant_release(at->grant);
	memmove(at, at + 1, (session->grant_count - index - 1) * sizeof(*at));
	session->grant_count--;
}

static void
take_back(struct crb_session *session, const struct edit *edit)
{
	struct crb_err err;

	for (size_t i = 0; edit->added != 0 && i < session->grant_count; i++)
		if (session->grants[i].number == edit->added) {
			drop_grant(session, i);
			break;
		}
	if (edit->expires != 0 && session->state == CRB_SESSION_LIVE) {
		session->expires = edit->expires;
		(void)!crb_session_rearm(session, &err);
	}
}

static void
send_renew(struct crb_session *session)
{
	const struct crb_msg_session_renew renew = {
		.session = CRB_SLICE(session->id),
		.expires = (uint64_t)session->expires,
	};
	struct crb_err err;

	(void)!crb_link_send(
	    &session->core->gateway, CRB_MSG_SESSION_RENEW, &renew, -1, &err);
}

static void
settle(void *ctx, bool durable)
{
	CRB_AUTO_FREE struct edit *edit = ctx;
	struct crb_session *session = crb_map_text(
	    &edit->core->sessions, edit->id);

	/* It may have ended and be gone. */
	if (session == NULL)
		return;
	session->busy = false;
	for (size_t i = 0; durable && i < session->grant_count; i++)
		session->grants[i].pending = false;
	if (!durable)
		take_back(session, edit);
	else if (edit->expires != 0 && session->state == CRB_SESSION_LIVE)
		send_renew(session);
}

static enum crb_status
find_live(struct crb_call *call, struct crb_session **out, struct edit **edit,
    struct crb_err *err)
{
	enum crb_status status = find(call, out, err);

	if (status == CRB_OK)
		status = check_own(call, *out, err);
	if (status != CRB_OK)
		return status;
	if ((*out)->state != CRB_SESSION_LIVE)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "session %s is not live any more: %s", (*out)->id,
		    crb_session_state_info((*out)->state)->name);
	if ((*out)->busy)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "session %s is being changed by somebody else; try again",
		    (*out)->id);
	if ((*edit = calloc(1, sizeof(**edit))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	(*edit)->core = call->core;
	memcpy((*edit)->id, (*out)->id, sizeof((*edit)->id));
	return CRB_OK;
}

static void
commit(struct crb_call *call, struct crb_session *session, struct edit *edit,
    const char *credential, const char *scope, const char *detail)
{
	const struct crb_audit_event event = {
		.event = call->method->name,
		.task = session->task,
		.session = session->id,
		.credential = credential,
		.scope = scope,
		.detail = detail,
		.tier = "session",
	};

	session->busy = true;
	crb_change_commit(&(const struct crb_change){
	    .call = call,
	    .event = &event,
	    .kind = CRB_KIND_SESSION,
	    .id = &session->record,
	    .record = crb_session_record(session),
	    .result = json_pack("{s:o}", "session", crb_session_shown(session)),
	    .settle = settle,
	    .ctx = edit,
	});
}

static enum crb_status
add_grant(struct crb_call *call, struct crb_session *session,
    struct crb_grant **out, struct crb_err *err)
{
	struct crb_grant *grant;
	enum crb_status status;
	const char *text;

	status = crb_call_need_text(call, "grant", &text, err);
	if (status == CRB_OK)
		status = crb_call_may_grant(call, text, err);
	if (status == CRB_OK)
		status = crb_aws_resolve(session, text, &grant, err);
	if (status != CRB_OK)
		return status;
	status = crb_session_add_grant(
	    session, session->last_grant + 1, grant, err);
	if (status != CRB_OK)
		crb_grant_release(grant);
	else
		*out = grant;
	return status;
}

void
crb_rpc_session_grant(struct crb_call *call)
{
	CRB_AUTO_FREE struct edit *edit = NULL;
	struct crb_session *session;
	struct crb_grant *grant;
	struct crb_err err;

	if (find_live(call, &session, &edit, &err) != CRB_OK ||
	    add_grant(call, session, &grant, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	edit->added = session->last_grant;
	session->grants[session->grant_count - 1].pending = true;
	commit(call, session, CRB_STEAL(edit), grant->credential,
	    grant->scope_text, NULL);
}

/* By its number, or all of a credential by its name. */
static bool
is_meant(const struct crb_session_grant *at, const char *name)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", at->number);
	return strcmp(number, name) == 0 ||
	    strcmp(at->grant->credential, name) == 0;
}

static unsigned
drop_meant(struct crb_session *session, const char *name)
{
	unsigned dropped = 0;
	size_t i = 0;

	while (i < session->grant_count) {
		if (is_meant(&session->grants[i], name)) {
			drop_grant(session, i);
			dropped++;
		} else
			i++;
	}
	return dropped;
}

static enum crb_status
grant_name(
    const struct crb_call *call, char *out, size_t size, struct crb_err *err)
{
	const json_t *value = json_object_get(call->params, "grant");
	enum crb_status status;
	const char *text;

	if (json_is_integer(value)) {
		(void)snprintf(out, size, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(value));
		return CRB_OK;
	}
	status = crb_call_need_text(call, "grant", &text, err);
	if (status == CRB_OK && strlen(text) >= size)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a grant is dropped by its number or its credential's name");
	if (status == CRB_OK)
		memcpy(out, text, strlen(text) + 1);
	return status;
}

void
crb_rpc_session_drop(struct crb_call *call)
{
	CRB_AUTO_FREE struct edit *edit = NULL;
	struct crb_session *session;
	struct crb_err err;
	char name[128];

	if (find_live(call, &session, &edit, &err) != CRB_OK ||
	    grant_name(call, name, sizeof(name), &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	if (drop_meant(session, name) == 0) {
		(void)crb_err_set(&err, CRB_ERR_NOT_FOUND,
		    "session %s has no such grant (see: credbroker session show %s)",
		    session->id, session->id);
		crb_call_fail(call, &err);
		return;
	}
	commit(call, session, CRB_STEAL(edit), NULL, NULL, name);
}

/* From now on, and never beyond what one session may last. */
static enum crb_status
extend(struct crb_call *call, struct crb_session *session, int64_t *expires,
    struct crb_err *err)
{
	int64_t ceiling = session->created + call->core->config.ttl_max;
	char left[CRB_DURATION_TEXT];
	enum crb_status status;
	int64_t ttl = 0;

	if ((status = crb_rpc_ttl(call, &ttl, err)) != CRB_OK)
		return status;
	if (ttl == 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "session.extend: ttl is missing");
	*expires = crb_wall_seconds() + ttl;
	if (*expires <= ceiling)
		return CRB_OK;
	crb_duration_text(ceiling - crb_wall_seconds(), left);
	return crb_err_set(err, CRB_ERR_LIMIT,
	    "session %s can last at most %s more (ttl_max in the config file)",
	    session->id, left);
}

void
crb_rpc_session_extend(struct crb_call *call)
{
	CRB_AUTO_FREE struct edit *edit = NULL;
	struct crb_session *session;
	char until[CRB_TIME_TEXT];
	struct crb_err err;
	int64_t expires;

	if (find_live(call, &session, &edit, &err) != CRB_OK ||
	    extend(call, session, &expires, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	edit->expires = session->expires;
	session->expires = expires;
	if (crb_session_rearm(session, &err) != CRB_OK) {
		session->expires = edit->expires;
		crb_call_fail(call, &err);
		return;
	}
	crb_text_time(expires, until);
	commit(call, session, CRB_STEAL(edit), NULL, NULL, until);
}

struct revoking {
	struct crb_call *call;
	json_t *revoked;
	unsigned cancelled;
};

static void
revoked(void *ctx, const struct crb_err *why)
{
	CRB_AUTO_FREE struct revoking *revoking = ctx;

	if (why != NULL) {
		json_decref(revoking->revoked);
		crb_call_fail(revoking->call, why);
		return;
	}
	crb_call_reply(revoking->call,
	    json_pack("{s:o, s:i}", "revoked", revoking->revoked, "cancelled",
		(int)revoking->cancelled));
}

struct target {
	const struct crb_session *session;
	const char *task;
	bool all;
};

static enum crb_status
read_target(struct crb_call *call, struct target *target, struct crb_err *err)
{
	struct crb_session *session = NULL;
	enum crb_status status;

	if ((status = crb_call_text(call, "task", &target->task, err)) ||
	    (status = crb_call_flag(call, "all", &target->all, err)))
		return status;
	if (json_object_get(call->params, "session") != NULL &&
	    ((status = find(call, &session, err)) != CRB_OK ||
		(status = check_own(call, session, err)) != CRB_OK))
		return status;
	target->session = session;
	if ((session != NULL) + (target->task != NULL) + target->all != 1)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "revoke: give one of session, task and all");
	if (session != NULL && session->state != CRB_SESSION_LIVE)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "session %s has ended already: %s", session->id,
		    crb_session_state_info(session->state)->name);
	return CRB_OK;
}

/* Of all, and of a task's, who is no admin means his own. */
static bool
hits(const struct crb_call *call, const struct target *target,
    const struct crb_session *session)
{
	if (session->state != CRB_SESSION_LIVE || !crb_call_owns(call, session))
		return false;
	return target->all || session == target->session ||
	    (target->task != NULL && strcmp(session->task, target->task) == 0);
}

static void
revoke_hits(struct revoking *revoking, const struct target *target,
    struct crb_ending *ending)
{
	struct crb_call *call = revoking->call;
	struct crb_session *session;

	TAILQ_FOREACH(session, &call->core->list, link)
	{
		if (!hits(call, target, session))
			continue;
		(void)json_array_append_new(
		    revoking->revoked, json_string(session->id));
		revoking->cancelled += crb_session_end(
		    session, CRB_SESSION_REVOKED, call->who, ending);
	}
}

void
crb_rpc_revoke(struct crb_call *call)
{
	struct revoking *revoking = calloc(1, sizeof(*revoking));
	struct target target = { 0 };
	struct crb_ending *ending;
	struct crb_err err;

	if (revoking == NULL)
		(void)crb_err_set(&err, CRB_ERR_NOMEM, "out of memory");
	if (revoking == NULL || read_target(call, &target, &err) != CRB_OK ||
	    crb_ending_new(revoked, revoking, &ending, &err) != CRB_OK) {
		free(revoking);
		crb_call_fail(call, &err);
		return;
	}
	revoking->call = call;
	revoking->revoked = json_array();
	revoke_hits(revoking, &target, ending);
	crb_ending_ready(ending);
}
