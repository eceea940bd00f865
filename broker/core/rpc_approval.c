#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/core/approval_impl.h"
#include "broker/core/change.h"
#include "broker/core/rpc.h"

#define WAIT_MOST_S 30
#define WATCHES_MAX 128
#define REASON_MAX 200
/* Of a list; what is behind them is shown without, and each by itself. */
#define LIST_DETAILS_MAX (4u << 20)
/* Of one approval that are recorded one by one. */
#define REFUSALS_MAX 16

static bool
sees(const struct crb_call *call, const struct crb_approval *approval)
{
	return (call->access.may &
		   (CRB_MAY_ADMIN | CRB_MAY_APPROVE | CRB_MAY_AUDIT)) != 0 ||
	    approval->issuer == call->uid;
}

static json_t *
list_of(const struct crb_call *call, const char *session)
{
	const struct crb_approvals *approvals = call->core->approvals;
	const struct crb_approval *at;
	json_t *list = json_array();
	size_t details = 0;

	TAILQ_FOREACH(at, &approvals->list, link)
	{
		if (!at->recorded || at->taken || !sees(call, at) ||
		    (session != NULL && strcmp(at->session, session) != 0))
			continue;
		details += at->details_len;
		(void)json_array_append_new(
		    list, crb_approval_shown(at, details <= LIST_DETAILS_MAX));
	}
	return json_pack("{s:I, s:o}", "version",
	    (json_int_t)approvals->version, "approvals", list);
}

/* The session by its id or a prefix; one that has ended has none. */
static enum crb_status
list_session(
    const struct crb_call *call, const char **session, struct crb_err *err)
{
	struct crb_session *found;
	enum crb_status status;
	const char *id = NULL;

	*session = NULL;
	status = crb_call_text(call, "session", &id, err);
	if (status == CRB_OK && id != NULL) {
		status = crb_call_session(call, id, &found, err);
		if (status == CRB_OK)
			*session = found->id;
	}
	return status;
}

static void
answer_list(struct crb_call *call)
{
	const char *session;
	struct crb_err err;

	if (crb_core_need_unlocked(call->core, &err) != CRB_OK ||
	    list_session(call, &session, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call, list_of(call, session));
}

static void
watch_end(struct crb_approval_watch *watch)
{
	struct crb_approvals *approvals = watch->approvals;
	struct crb_call *call = watch->call;

	crb_timer_clear(approvals->core->loop, &watch->timer);
	TAILQ_REMOVE(&approvals->watches, watch, link);
	approvals->watch_count--;
	free(watch);
	answer_list(call);
}

static void
watch_over(void *ctx)
{
	watch_end(ctx);
}

/* One that comes meanwhile has been answered with all of it. */
void
crb_approval_watches_answer(struct crb_approvals *approvals)
{
	unsigned count = approvals->watch_count;
	struct crb_approval_watch *watch;

	while (
	    count-- > 0 && (watch = TAILQ_FIRST(&approvals->watches)) != NULL)
		watch_end(watch);
}

/* Whoever went away makes room. */
static void
forget_gone(struct crb_approvals *approvals)
{
	struct crb_approval_watch *at, *next;

	for (at = TAILQ_FIRST(&approvals->watches); at != NULL; at = next) {
		next = TAILQ_NEXT(at, link);
		if (at->call->client == NULL)
			watch_end(at);
	}
}

static enum crb_status
watch(struct crb_call *call, int64_t seconds, struct crb_err *err)
{
	struct crb_approvals *approvals = call->core->approvals;
	struct crb_approval_watch *made;

	forget_gone(approvals);
	if (approvals->watch_count >= WATCHES_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d calls wait for approvals already", WATCHES_MAX);
	if ((made = calloc(1, sizeof(*made))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	made->approvals = approvals;
	made->call = call;
	crb_timer_init(&made->timer, watch_over, made);
	if (crb_timer_set(call->core->loop, &made->timer, seconds * 1000,
		err) != CRB_OK) {
		free(made);
		return err->status;
	}
	TAILQ_INSERT_TAIL(&approvals->watches, made, link);
	approvals->watch_count++;
	return CRB_OK;
}

void
crb_rpc_approval_list(struct crb_call *call)
{
	int64_t after = -1, wait = 0;
	const char *session;
	struct crb_err err;

	if (crb_call_number(call, "after", 0, INT64_MAX, &after, &err) !=
		CRB_OK ||
	    crb_call_number(call, "wait", 0, WAIT_MOST_S, &wait, &err) !=
		CRB_OK ||
	    list_session(call, &session, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	if (wait == 0 || after < 0 ||
	    (uint64_t)after != call->core->approvals->version)
		crb_call_reply(call, list_of(call, session));
	else if (watch(call, wait, &err) != CRB_OK)
		crb_call_fail(call, &err);
}

static enum crb_status
find(
    const struct crb_call *call, struct crb_approval **out, struct crb_err *err)
{
	enum crb_status status;
	const char *id;

	status = crb_call_need_text(call, "approval", &id, err);
	if (status != CRB_OK)
		return status;
	*out = crb_approval_find(call->core->approvals, id);
	if (*out != NULL && sees(call, *out))
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "there is no such approval (any more): it was used, has expired, "
	    "or its session has ended (see: credbroker approvals)");
}

void
crb_rpc_approval_show(struct crb_call *call)
{
	struct crb_approval *approval;
	struct crb_err err;

	if (find(call, &approval, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call,
		    json_pack("{s:o}", "approval",
			crb_approval_shown(approval, true)));
}

static bool
is_member(const struct crb_call *call, const char *group)
{
	const json_t *at;
	size_t i;

	json_array_foreach(call->groups, i,
	    at) if (strcmp(json_string_value(at), group) == 0) return true;
	return false;
}

/* That he has the role was checked before; these are the rule's. */
static enum crb_status
may_answer(const struct crb_call *call, const struct crb_approval *approval,
    bool approve, struct crb_err *err)
{
	const json_t *groups = json_object_get(approval->shown, "approvers");
	const json_t *group;
	size_t i;

	json_array_foreach(groups, i, group)
	{
		if (is_member(call, json_string_value(group)))
			continue;
		return crb_err_set(err, CRB_ERR_ROLE,
		    "approval %s is for members of the group %s, as rule %s "
		    "says; %s is none",
		    approval->id, json_string_value(group),
		    crb_approval_text(approval, "rule"), call->who);
	}
	if (approve && approval->four_eyes && call->uid == approval->issuer)
		return crb_err_set(err, CRB_ERR_ROLE,
		    "approval %s is not for the user who has issued the "
		    "session, as rule %s says",
		    approval->id, crb_approval_text(approval, "rule"));
	return CRB_OK;
}

static void
record_refused(const struct crb_call *call, struct crb_approval *approval,
    const struct crb_err *why)
{
	struct crb_audit_event event;
	struct crb_err err;

	/* The call's own line is written in any case, in its own bounds. */
	if (approval->refusals++ >= REFUSALS_MAX || call->core->audit == NULL)
		return;
	crb_approval_event(approval, "approval.refused", &event);
	event.who = call->who;
	event.decision = "deny";
	event.outcome = crb_status_info(why->status)->code;
	event.detail = why->msg;
	(void)!crb_audit_record(call->core->audit, &event, &err);
}

static enum crb_status
check_answer(const struct crb_call *call, struct crb_approval *approval,
    bool approve, struct crb_err *err)
{
	enum crb_status status = may_answer(call, approval, approve, err);

	if (status != CRB_OK) {
		record_refused(call, approval, err);
		return status;
	}
	if (approval->state != CRB_APPROVAL_WAITING)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "approval %s is %s already", approval->id,
		    approval->state == CRB_APPROVAL_DENIED ? "denied"
							   : "approved");
	if (approval->deciding)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "approval %s is being answered by somebody else",
		    approval->id);
	return CRB_OK;
}

struct answering {
	struct crb_core *core;
	char id[CRB_APPROVAL_ID_LEN + 1];
	json_t *shown; /* in the answer to the call */
	bool approve;
	char reason[CRB_ERR_MSG_MAX / 2];
};

static void
settle(void *ctx, bool durable)
{
	CRB_AUTO_FREE struct answering *answering = ctx;
	CRB_AUTO_JSON json_t *shown = answering->shown;
	struct crb_approval *approval = crb_approval_find(
	    answering->core->approvals, answering->id);

	/* Its session may have ended, or the vault was locked. */
	if (approval == NULL)
		(void)json_object_set_new(shown, "state", json_string("gone"));
	else if (durable)
		crb_approval_answer(
		    approval, answering->approve ? NULL : answering->reason);
	else
		approval->deciding = false;
}

static void
commit(struct crb_call *call, struct crb_approval *approval,
    struct answering *answering)
{
	char bound[CRB_APPROVAL_BOUND_TEXT],
	    detail[sizeof(bound) + sizeof(answering->reason) + 2];
	struct crb_audit_event event;

	crb_approval_event(approval, call->method->name, &event);
	crb_approval_bound(approval, bound);
	(void)snprintf(detail, sizeof(detail), "%s%s%s", bound,
	    answering->reason[0] != '\0' ? ": " : "", answering->reason);
	event.detail = detail;
	event.decision = answering->approve ? "allow" : "deny";
	approval->deciding = true;
	crb_change_commit(&(const struct crb_change){
	    .call = call,
	    .event = &event,
	    .result = json_pack("{s:O}", "approval", answering->shown),
	    .settle = settle,
	    .ctx = answering,
	});
}

static enum crb_status
read_reason(
    const struct crb_call *call, struct answering *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(
	    sizeof(out->reason) - 1);
	const char *reason = NULL;
	enum crb_status status;

	status = crb_call_text(call, "reason", &reason, err);
	if (status != CRB_OK || reason == NULL)
		return status;
	if (strlen(reason) > REASON_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a reason has at most %d bytes", REASON_MAX);
	crb_text_escape(&text, reason, strlen(reason), REASON_MAX);
	if (text.failed)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the reason has too many characters that are not printable "
		    "ASCII");
	memcpy(out->reason, crb_buf_text(&text), text.len + 1);
	return CRB_OK;
}

static void
answer(struct crb_call *call, bool approve)
{
	CRB_AUTO_FREE struct answering *answering = calloc(
	    1, sizeof(*answering));
	struct crb_approval *approval;
	struct crb_err err;

	if (answering == NULL) {
		(void)crb_err_set(&err, CRB_ERR_NOMEM, "out of memory");
		crb_call_fail(call, &err);
		return;
	}
	answering->core = call->core;
	answering->approve = approve;
	if (find(call, &approval, &err) != CRB_OK ||
	    check_answer(call, approval, approve, &err) != CRB_OK ||
	    (!approve && read_reason(call, answering, &err) != CRB_OK)) {
		crb_call_fail(call, &err);
		return;
	}
	memcpy(answering->id, approval->id, sizeof(answering->id));
	answering->shown = crb_approval_shown(approval, true);
	(void)json_object_set_new(answering->shown, "state",
	    json_string(approve ? "approved" : "denied"));
	commit(call, approval, CRB_STEAL(answering));
}

void
crb_rpc_approval_approve(struct crb_call *call)
{
	answer(call, true);
}

void
crb_rpc_approval_deny(struct crb_call *call)
{
	answer(call, false);
}
