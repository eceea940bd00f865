#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "broker/core/lease_record.h"
#include "broker/core/rpc.h"
#include "broker/core/rpc_session.h"
#include "broker/core/session_end.h"

struct revoking {
	struct crb_call *call;
	json_t *revoked;
	json_t *leases; /* whose keys work on upstream */
	unsigned cancelled;
};

static void
revoked(void *ctx, const struct crb_err *why)
{
	CRB_AUTO_FREE struct revoking *revoking = ctx;

	if (why != NULL) {
		json_decref(revoking->revoked);
		json_decref(revoking->leases);
		crb_call_fail(revoking->call, why);
		return;
	}
	crb_call_reply(revoking->call,
	    json_pack("{s:o, s:i, s:o}", "revoked", revoking->revoked,
		"cancelled", (int)revoking->cancelled, "leases",
		revoking->leases));
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
	    ((status = crb_rpc_session_find(call, &session, err)) != CRB_OK ||
		(status = crb_rpc_session_own(call, session, err)) != CRB_OK))
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
means(const struct crb_call *call, const struct target *target,
    const struct crb_session *session)
{
	if (session->state == CRB_SESSION_OPENING ||
	    !crb_call_owns(call, session))
		return false;
	return target->all || session == target->session ||
	    (target->task != NULL && strcmp(session->task, target->task) == 0);
}

static bool
hits(const struct crb_call *call, const struct target *target,
    const struct crb_session *session)
{
	return session->state == CRB_SESSION_LIVE &&
	    means(call, target, session);
}

/* Nothing of it is left but the keys that were issued for it. */
static bool
ended_before(const struct crb_call *call, const struct target *target,
    const struct crb_session *session)
{
	return session->state != CRB_SESSION_LIVE &&
	    means(call, target, session);
}

/* STS has no call that takes keys back: who revokes has to know that. */
static void
add_lease(struct revoking *revoking, const struct crb_lease_record *record)
{
	json_t *shown;

	if (!crb_lease_record_works(record, crb_wall_seconds()) ||
	    (shown = crb_lease_record_shown(record)) == NULL)
		return;
	(void)json_object_set_new(
	    shown, "session", json_string(record->session));
	(void)json_object_del(shown, "order");
	(void)json_array_append_new(revoking->leases, shown);
}

static void
add_leases(struct revoking *revoking, const struct crb_lease_records *list)
{
	const struct crb_lease_record *at;

	TAILQ_FOREACH(at, list, link)
	add_lease(revoking, at);
}

/* Of sessions that had to make room, with the same right to them. */
static void
add_left_behind(struct revoking *revoking, const struct target *target)
{
	const struct crb_call *call = revoking->call;
	bool admin = (call->access.may & CRB_MAY_ADMIN) != 0;
	const struct crb_lease_record *at;

	TAILQ_FOREACH(at, &call->core->lease_records, link)
	if ((admin || at->issuer == call->uid) &&
	    (target->all ||
		(target->task != NULL && strcmp(at->task, target->task) == 0)))
		add_lease(revoking, at);
}

static void
revoke_hits(struct revoking *revoking, const struct target *target,
    struct crb_ending *ending)
{
	struct crb_call *call = revoking->call;
	struct crb_session *session;

	TAILQ_FOREACH(session, &call->core->list, link)
	{
		if (ended_before(call, target, session))
			add_leases(revoking, &session->lease_records);
		if (!hits(call, target, session))
			continue;
		(void)json_array_append_new(
		    revoking->revoked, json_string(session->id));
		revoking->cancelled += crb_session_end(
		    session, CRB_SESSION_REVOKED, call->who, ending);
		add_leases(revoking, &session->lease_records);
	}
	add_left_behind(revoking, target);
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
	revoking->leases = json_array();
	revoke_hits(revoking, &target, ending);
	crb_ending_ready(ending);
}
