#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/core/approval_impl.h"

static struct crb_approval *
find_digest(const struct crb_approval_asked *asked, bool shorter)
{
	struct crb_approval *at;

	TAILQ_FOREACH(at, &asked->session->core->approvals->list, link)
	if (!at->taken &&
	    memcmp(at->digest, asked->digest, sizeof(at->digest)) == 0 &&
	    strcmp(at->session, asked->session->id) == 0 &&
	    (at->state == CRB_APPROVAL_DENIED) == !shorter &&
	    (!shorter || asked->seconds <= at->seconds))
		return at;
	return NULL;
}

/* That waits or is approved: for as long at least. */
static struct crb_approval *
find_open(const struct crb_approval_asked *asked)
{
	return find_digest(asked, true);
}

/* For however long it was. */
static struct crb_approval *
find_denied(const struct crb_approval_asked *asked)
{
	return find_digest(asked, false);
}

/* One that waits and one that is approved may both be there. */
static struct crb_approval *
find_approved(const struct crb_approval_asked *asked)
{
	struct crb_approval *at;

	TAILQ_FOREACH(at, &asked->session->core->approvals->list, link)
	if (at->state == CRB_APPROVAL_APPROVED && !at->taken &&
	    memcmp(at->digest, asked->digest, sizeof(at->digest)) == 0 &&
	    strcmp(at->session, asked->session->id) == 0 &&
	    asked->seconds <= at->seconds)
		return at;
	return NULL;
}

bool
crb_approval_given(const struct crb_approval_asked *asked)
{
	return asked->session->state == CRB_SESSION_LIVE &&
	    find_denied(asked) == NULL && find_approved(asked) != NULL;
}

bool
crb_approval_take(
    const struct crb_approval_asked *asked, char id[CRB_APPROVAL_ID_LEN + 1])
{
	struct crb_approval *approval;
	struct crb_err err;

	if (!crb_approval_given(asked))
		return false;
	approval = find_approved(asked);
	/* What cannot be recorded must not happen, and is not used up. */
	if (crb_core_need_record(asked->session->core, &err) != CRB_OK ||
	    crb_approval_record(approval, "approval.use", "ok", &err) != CRB_OK)
		return false;
	if (id != NULL)
		memcpy(id, approval->id, sizeof(approval->id));
	approval->taken = true;
	crb_approval_changed(approval->approvals);
	return true;
}

/* Whoever asked for the same meanwhile need not wait for another one. */
static void
give_back(struct crb_approval *approval)
{
	struct crb_approval *at;

	approval->taken = false;
	crb_approval_changed(approval->approvals);
	TAILQ_FOREACH(at, &approval->approvals->list, link)
	if (strcmp(at->session, approval->session) == 0 &&
	    memcmp(at->digest, approval->digest, sizeof(at->digest)) == 0)
		crb_approval_release_all(at, NULL);
}

void
crb_approval_settle(
    struct crb_core *core, const char *id, const struct crb_err *why)
{
	struct crb_approval *approval = crb_approval_any(core->approvals, id);
	struct crb_err err;

	/* Its session may have ended, or the vault was locked. */
	if (approval == NULL || !approval->taken)
		return;
	if (why != NULL &&
	    crb_approval_record(approval, "approval.return",
		crb_status_info(why->status)->code, &err) == CRB_OK)
		give_back(approval);
	else
		crb_approval_drop(approval, NULL);
}

static void
waited(void *ctx)
{
	struct crb_approval_hold *hold = ctx;
	struct crb_err why;

	crb_approval_pending(hold->approval, &why);
	crb_approval_release(hold, &why);
}

static enum crb_status
hold_new(struct crb_approval *approval, crb_approval_fn *fn, void *ctx,
    struct crb_err *err)
{
	struct crb_core *core = approval->approvals->core;
	struct crb_approval_hold *hold;

	if (approval->held >= CRB_APPROVAL_HOLDS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d requests wait for approval %s already",
		    CRB_APPROVAL_HOLDS_MAX, approval->id);
	if ((hold = calloc(1, sizeof(*hold))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	hold->approvals = approval->approvals;
	hold->approval = approval;
	hold->fn = fn;
	hold->ctx = ctx;
	crb_timer_init(&hold->timer, waited, hold);
	if (crb_timer_set(core->loop, &hold->timer,
		core->config.approval_wait * 1000, err) != CRB_OK) {
		free(hold);
		return err->status;
	}
	TAILQ_INSERT_TAIL(&approval->holds, hold, link);
	approval->held++;
	/* It was approved between the decision and this. */
	if (approval->state == CRB_APPROVAL_APPROVED)
		crb_approval_release(hold, NULL);
	return CRB_OK;
}

/*
 * Of so many places at most half of what the others have left: so the next one
 * always finds some, however much each of them takes.
 */
static unsigned
share(unsigned places, unsigned others)
{
	return others < places ? (places - others + 1) / 2 : 0;
}

static enum crb_status
full(struct crb_err *err, unsigned count, const char *whose)
{
	return crb_err_set(err, CRB_ERR_LIMIT,
	    "%u requests%s wait for approval already, and there is no room for "
	    "more now; once some were approved or denied (on the host: "
	    "credbroker approvals), send it again",
	    count, whose);
}

/* What one session or user asks for is bounded, or people drown in it. */
static enum crb_status
check_room(const struct crb_session *session, struct crb_err *err)
{
	const struct crb_approvals *approvals = session->core->approvals;
	unsigned open = 0, denied = 0, users = 0, most;
	const struct crb_approval *at;

	TAILQ_FOREACH(at, &approvals->list, link)
	{
		bool own = strcmp(at->session, session->id) == 0;
		bool is_denied = at->state == CRB_APPROVAL_DENIED;

		open += own && !is_denied;
		denied += own && is_denied;
		users += at->issuer == session->issuer && !is_denied;
	}
	if (denied >= CRB_APPROVALS_DENIED_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%u requests of this session were just denied; ask for "
		    "something else later",
		    denied);
	most = share(CRB_APPROVALS_MAX, approvals->open - users);
	if (users >= most && users > open)
		return full(err, users, " of this user");
	if (open >= CRB_APPROVALS_SESSION_MAX ||
	    open >= share(most, users - open))
		return open > 0 ? full(err, open, " of this session")
				: full(err, approvals->open, "");
	return CRB_OK;
}

/* Its record is durable, or has failed.  It may be gone by now. */
struct asking {
	struct crb_core *core;
	char id[CRB_APPROVAL_ID_LEN + 1];
};

static void
recorded(void *ctx, const struct crb_err *why)
{
	CRB_AUTO_FREE struct asking *asking = ctx;
	struct crb_approval *approval = crb_approval_any(
	    asking->core->approvals, asking->id);

	crb_core_committed(asking->core, why);
	if (approval == NULL)
		return;
	if (why != NULL) {
		crb_approval_drop(approval, why);
		return;
	}
	approval->recorded = true;
	crb_log(CRB_LOG_INFO, "approval asked for", CRB_LOG_SESSION,
	    approval->session, CRB_LOG_TASK,
	    crb_approval_text(approval, "task"), CRB_LOG_END);
	crb_approval_changed(approval->approvals);
	crb_approval_hook(approval);
}

static enum crb_status
collect(const struct crb_approval *approval, struct crb_err *err)
{
	struct crb_core *core = approval->approvals->core;
	char detail[CRB_APPROVAL_BOUND_TEXT], who[CRB_SESSION_ID_MAX + 16];
	struct asking *asking = malloc(sizeof(*asking));
	struct crb_audit_event event;
	enum crb_status status;

	if (asking == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	asking->core = core;
	memcpy(asking->id, approval->id, sizeof(asking->id));
	crb_approval_event(approval, "approval.ask", &event);
	(void)snprintf(who, sizeof(who), "session %s", approval->session);
	crb_approval_bound(approval, detail);
	event.who = who;
	event.decision = "ask";
	event.detail = detail;
	event.order = approval->details;
	status = crb_commit_event(core->commit, &event, err);
	if (status == CRB_OK)
		status = crb_commit_then(core->commit, recorded, asking, err);
	if (status != CRB_OK)
		free(asking);
	return status;
}

static enum crb_status
approval_new(const struct crb_approval_asked *asked, struct crb_approval **out,
    struct crb_err *err)
{
	struct crb_approvals *approvals = asked->session->core->approvals;
	struct crb_approval *approval = calloc(1, sizeof(*approval));

	if (approval == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	do
		crb_text_random(approval->id, CRB_APPROVAL_ID_LEN);
	while (crb_approval_any(approvals, approval->id) != NULL);
	approval->approvals = approvals;
	approval->asked = crb_wall_seconds();
	if (crb_approval_describe(approval, asked, err) != CRB_OK) {
		free(approval);
		return err->status;
	}
	TAILQ_INIT(&approval->holds);
	crb_timer_init(&approval->timer, crb_approval_expire, approval);
	TAILQ_INSERT_TAIL(&approvals->list, approval, link);
	approvals->open++;
	crb_approval_live_for(approval, approvals->core->config.approval_ttl);
	*out = approval;
	return CRB_OK;
}

static enum crb_status
ask(const struct crb_approval_asked *asked, crb_approval_fn *fn, void *ctx,
    struct crb_err *err)
{
	struct crb_approval *approval;
	enum crb_status status;

	if ((status = check_room(asked->session, err)) != CRB_OK)
		return status;
	if ((status = approval_new(asked, &approval, err)) != CRB_OK)
		return status;
	status = hold_new(approval, fn, ctx, err);
	if (status == CRB_OK && (status = collect(approval, err)) != CRB_OK)
		crb_approval_leave(asked->session->core, ctx);
	if (status != CRB_OK)
		crb_approval_drop(approval, err);
	return status;
}

enum crb_status
crb_approval_hold(const struct crb_approval_asked *asked, crb_approval_fn *fn,
    void *ctx, struct crb_err *err)
{
	const struct crb_session *session = asked->session;
	struct crb_approval *approval;
	enum crb_status status;

	if ((status = crb_core_need_record(session->core, err)) != CRB_OK ||
	    (status = crb_core_need_unlocked(session->core, err)) != CRB_OK)
		return status;
	if (session->state != CRB_SESSION_LIVE)
		return crb_err_set(
		    err, CRB_ERR_DENIED, "session %s is not live", session->id);
	if ((approval = find_denied(asked)) != NULL) {
		crb_approval_declined(approval, err);
		return err->status;
	}
	if ((approval = find_approved(asked)) != NULL ||
	    (approval = find_open(asked)) != NULL)
		return hold_new(approval, fn, ctx, err);
	return ask(asked, fn, ctx, err);
}

static void
forget(struct crb_approval_holds *holds, const void *ctx)
{
	struct crb_approval_hold *hold, *next;

	for (hold = TAILQ_FIRST(holds); hold != NULL; hold = next) {
		next = TAILQ_NEXT(hold, link);
		if (hold->ctx != ctx)
			continue;
		crb_timer_clear(hold->approvals->core->loop, &hold->timer);
		TAILQ_REMOVE(holds, hold, link);
		if (hold->approval != NULL)
			hold->approval->held--;
		free(hold);
	}
}

void
crb_approval_leave(struct crb_core *core, const void *ctx)
{
	struct crb_approval *at;

	forget(&core->approvals->told, ctx);
	TAILQ_FOREACH(at, &core->approvals->list, link)
	forget(&at->holds, ctx);
}
