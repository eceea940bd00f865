#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/core/aws_environment.h"
#include "broker/core/change.h"
#include "broker/core/exchange.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"
#include "broker/core/rpc.h"
#include "broker/core/rpc_session.h"
#include "broker/core/session_decide.h"
#include "broker/core/session_end.h"

enum crb_status
crb_rpc_session_find(
    const struct crb_call *call, struct crb_session **out, struct crb_err *err)
{
	enum crb_status status;
	const char *id;

	status = crb_call_need_text(call, "session", &id, err);
	if (status == CRB_OK)
		status = crb_call_session(call, id, out, err);
	return status;
}

enum crb_status
crb_rpc_session_own(const struct crb_call *call,
    const struct crb_session *session, struct crb_err *err)
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

	if (crb_rpc_session_find(call, &session, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call,
		    json_pack(
			"{s:o}", "session", crb_leases_session_shown(session)));
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
	unsigned added;            /* number of a grant to take back; 0: none */
	struct crb_ending *ending; /* of leases, at the gateway; or NULL */
	int64_t expires;           /* as it was; 0: not changed */
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
	session->terms++;
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
		.expires = (uint64_t)crb_limits_end(session),
	};
	struct crb_err err;

	(void)!crb_link_send(
	    &session->core->gateway, CRB_MSG_SESSION_RENEW, &renew, -1, &err);
}

/* What was minted is narrower than what is granted now. */
static void
drop_lease(struct crb_session *session, const struct edit *edit)
{
	for (size_t i = 0; i < session->grant_count; i++)
		if (session->grants[i].number == edit->added) {
			crb_lease_drop(session,
			    session->grants[i].grant->credential, edit->ending);
			return;
		}
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
	session->terms++;
	if (!durable)
		take_back(session, edit);
	else if (edit->added != 0)
		drop_lease(session, edit);
	else if (edit->expires != 0 && session->state == CRB_SESSION_LIVE)
		send_renew(session);
}

static enum crb_status
find_live(struct crb_call *call, struct crb_session **out, struct edit **edit,
    struct crb_err *err)
{
	enum crb_status status = crb_rpc_session_find(call, out, err);

	if (status == CRB_OK)
		status = crb_rpc_session_own(call, *out, err);
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
	    .ending = edit->ending,
	});
}

static enum crb_status
add_grant(struct crb_call *call, struct crb_session *session,
    struct crb_grant **out, char next[CRB_DECIDE_NEXT], struct crb_err *err)
{
	struct crb_session_grant *added;
	enum crb_status status;
	const char *text;

	status = crb_call_need_text(call, "grant", &text, err);
	if (status == CRB_OK)
		status = crb_call_may_grant(call, text, err);
	if (status == CRB_OK)
		status = crb_aws_add_grant(session, text, err);
	if (status != CRB_OK)
		return status;
	added = &session->grants[session->grant_count - 1];
	added->pending = true;
	if ((status = crb_lease_check(session, NULL, err)) ||
	    (status = crb_session_decide(
		 call, session, session->grant_count - 1, NULL, next, err)))
		drop_grant(session, session->grant_count - 1);
	else
		*out = added->grant;
	return status;
}

void
crb_rpc_session_grant(struct crb_call *call)
{
	CRB_AUTO_FREE struct edit *edit = NULL;
	char next[CRB_DECIDE_NEXT] = "";
	struct crb_session *session;
	struct crb_grant *grant;
	struct crb_err err;

	if (find_live(call, &session, &edit, &err) != CRB_OK ||
	    add_grant(call, session, &grant, next, &err) != CRB_OK) {
		if (next[0] != '\0')
			crb_call_fail_next(call, &err, next);
		else
			crb_call_fail(call, &err);
		return;
	}
	edit->added = session->last_grant;
	if (crb_ending_new(NULL, NULL, &edit->ending, &err) != CRB_OK) {
		drop_grant(session, session->grant_count - 1);
		crb_call_fail(call, &err);
		return;
	}
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

/*
 * Keys are for all of a credential's grants together, so each of its requests
 * under way may be one that only the dropped grant allows.
 */
static void
drop_minted(struct crb_session *session, const struct crb_grant *grant,
    struct crb_ending *ending)
{
	crb_lease_drop(session, grant->credential, ending);
	if (grant->backend->mint != NULL)
		(void)crb_exchange_cut(session, 0, grant->credential,
		    "what is granted of its credential has changed");
}

static unsigned
drop_meant(
    struct crb_session *session, const char *name, struct crb_ending *ending)
{
	unsigned dropped = 0;
	size_t i = 0;

	while (i < session->grant_count) {
		if (is_meant(&session->grants[i], name)) {
			drop_minted(session, session->grants[i].grant, ending);
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
	    grant_name(call, name, sizeof(name), &err) != CRB_OK ||
	    crb_ending_new(NULL, NULL, &edit->ending, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	if (drop_meant(session, name, edit->ending) == 0) {
		crb_ending_ready(edit->ending);
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
		return crb_limits_extend(call, session, *expires, err);
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
