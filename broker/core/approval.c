#include "broker/core/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/core/approval_impl.h"

/* An answer that is being recorded is waited for, beyond the end of it. */
#define DECIDING_MS 1000

static void
set_timer(struct crb_core *core, struct crb_timer *timer, int64_t ms)
{
	struct crb_err err;

	if (crb_timer_set(core->loop, timer, ms, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

void
crb_approval_changed(struct crb_approvals *approvals)
{
	approvals->version++;
	if (approvals->watch_count > 0)
		set_timer(approvals->core, &approvals->watched, 0);
}

static void
watched(void *ctx)
{
	crb_approval_watches_answer(ctx);
}

/*
 * Whoever is told may ask again, end the session, or lock: nothing is kept
 * across the call.  What comes to the list meanwhile has a turn of its own.
 */
static void
tell(void *ctx)
{
	struct crb_approvals *approvals = ctx;
	struct crb_approval_hold *hold;
	size_t count = 0;

	TAILQ_FOREACH(hold, &approvals->told, link)
	count++;
	while (count-- > 0 && (hold = TAILQ_FIRST(&approvals->told)) != NULL) {
		TAILQ_REMOVE(&approvals->told, hold, link);
		hold->fn(hold->ctx, hold->failed ? &hold->why : NULL);
		free(hold);
	}
}

void
crb_approval_release(struct crb_approval_hold *hold, const struct crb_err *why)
{
	struct crb_approvals *approvals = hold->approvals;

	crb_timer_clear(approvals->core->loop, &hold->timer);
	TAILQ_REMOVE(&hold->approval->holds, hold, link);
	hold->approval->held--;
	hold->approval = NULL;
	hold->failed = why != NULL;
	if (why != NULL)
		hold->why = *why;
	TAILQ_INSERT_TAIL(&approvals->told, hold, link);
	set_timer(approvals->core, &approvals->tell, 0);
}

void
crb_approval_release_all(
    struct crb_approval *approval, const struct crb_err *why)
{
	struct crb_approval_hold *hold;

	while ((hold = TAILQ_FIRST(&approval->holds)) != NULL)
		crb_approval_release(hold, why);
}

void
crb_approval_drop(struct crb_approval *approval, const struct crb_err *why)
{
	struct crb_approvals *approvals = approval->approvals;

	crb_approval_release_all(approval, why);
	crb_timer_clear(approvals->core->loop, &approval->timer);
	TAILQ_REMOVE(&approvals->list, approval, link);
	if (approval->state != CRB_APPROVAL_DENIED)
		approvals->open--;
	if (approval->recorded)
		crb_approval_changed(approvals);
	json_decref(approval->shown);
	free(approval->details);
	free(approval);
}

void
crb_approval_expire(void *ctx)
{
	struct crb_approval *approval = ctx;
	struct crb_err err;

	if (approval->deciding || approval->taken || !approval->recorded) {
		set_timer(
		    approval->approvals->core, &approval->timer, DECIDING_MS);
		return;
	}
	if (approval->state != CRB_APPROVAL_DENIED)
		(void)!crb_approval_record(approval, "approval.expire",
		    approval->state == CRB_APPROVAL_APPROVED ? "not used"
							     : "not decided",
		    &err);
	(void)crb_err_set(&err, CRB_ERR_PENDING,
	    "nobody has approved %.160s in time; send it again to ask again",
	    crb_approval_text(approval, "summary"));
	crb_approval_drop(approval, &err);
}

void
crb_approval_live_for(struct crb_approval *approval, int64_t seconds)
{
	approval->expires = crb_wall_seconds() + seconds;
	set_timer(approval->approvals->core, &approval->timer, seconds * 1000);
}

struct crb_approval *
crb_approval_any(const struct crb_approvals *approvals, const char *id)
{
	struct crb_approval *at;

	TAILQ_FOREACH(at, &approvals->list, link)
	if (strcmp(at->id, id) == 0)
		return at;
	return NULL;
}

struct crb_approval *
crb_approval_find(const struct crb_approvals *approvals, const char *id)
{
	struct crb_approval *at;

	TAILQ_FOREACH(at, &approvals->list, link)
	if (at->recorded && !at->taken && strcmp(at->id, id) == 0)
		return at;
	return NULL;
}

void
crb_approval_answer(struct crb_approval *approval, const char *reason)
{
	struct crb_approvals *approvals = approval->approvals;
	struct crb_err why;

	approval->deciding = false;
	crb_approval_live_for(approval, approvals->core->config.approval_ttl);
	if (reason == NULL) {
		approval->state = CRB_APPROVAL_APPROVED;
		crb_approval_release_all(approval, NULL);
	} else {
		approval->state = CRB_APPROVAL_DENIED;
		approvals->open--;
		(void)snprintf(
		    approval->reason, sizeof(approval->reason), "%s", reason);
		crb_approval_declined(approval, &why);
		crb_approval_release_all(approval, &why);
	}
	crb_approval_changed(approvals);
}

void
crb_approvals_end(struct crb_session *session, const struct crb_err *why)
{
	struct crb_approvals *approvals = session->core->approvals;
	struct crb_approval *at, *next;
	struct crb_err err;

	for (at = TAILQ_FIRST(&approvals->list); at != NULL; at = next) {
		next = TAILQ_NEXT(at, link);
		if (strcmp(at->session, session->id) != 0)
			continue;
		if (at->recorded && !at->taken &&
		    at->state != CRB_APPROVAL_DENIED)
			(void)!crb_approval_record(
			    at, "approval.expire", "session ended", &err);
		crb_approval_drop(at, why);
	}
}

void
crb_approvals_again(struct crb_core *core)
{
	struct crb_approval *at;

	TAILQ_FOREACH(at, &core->approvals->list, link)
	crb_approval_release_all(at, NULL);
}

void
crb_approvals_clear(struct crb_core *core)
{
	struct crb_approval *at;
	struct crb_err why;

	if (core->approvals == NULL)
		return;
	(void)crb_err_set(&why, CRB_ERR_LOCKED,
	    "the vault is locked; nothing can be approved");
	while ((at = TAILQ_FIRST(&core->approvals->list)) != NULL)
		crb_approval_drop(at, &why);
	/* Nothing can be asked any more, so that this ends. */
	while (!TAILQ_EMPTY(&core->approvals->told))
		tell(core->approvals);
	crb_timer_clear(core->loop, &core->approvals->tell);
	crb_approval_watches_answer(core->approvals);
}

enum crb_status
crb_approvals_new(
    struct crb_core *core, struct crb_approvals **out, struct crb_err *err)
{
	struct crb_approvals *approvals = calloc(1, sizeof(*approvals));

	if (approvals == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	approvals->core = core;
	TAILQ_INIT(&approvals->list);
	TAILQ_INIT(&approvals->told);
	TAILQ_INIT(&approvals->watches);
	crb_timer_init(&approvals->tell, tell, approvals);
	crb_timer_init(&approvals->watched, watched, approvals);
	/* So that none of before a restart is taken for one of now. */
	approvals->version = (uint64_t)crb_wall_seconds() << 20;
	*out = approvals;
	return CRB_OK;
}

void
crb_approvals_free(struct crb_approvals *approvals)
{
	if (approvals == NULL)
		return;
	crb_timer_clear(approvals->core->loop, &approvals->tell);
	crb_timer_clear(approvals->core->loop, &approvals->watched);
	free(approvals);
}
