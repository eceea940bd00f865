#include "broker/core/change.h"

#include <stdlib.h>

#include "base/cleanup.h"

struct settling {
	struct crb_call *call;
	json_t *result;
	crb_change_fn *settle;
	void *ctx;
	struct crb_ending *ending; /* or NULL */
	bool failed;
	struct crb_err why;
};

static void
answer(void *ctx, const struct crb_err *why)
{
	CRB_AUTO_FREE struct settling *settling = ctx;

	if (settling->failed)
		why = &settling->why;
	if (why == NULL) {
		crb_call_reply(settling->call, settling->result);
		return;
	}
	json_decref(settling->result);
	crb_call_fail(settling->call, why);
}

static void
settled(void *ctx, const struct crb_err *why)
{
	struct settling *settling = ctx;

	crb_core_committed(settling->call->core, why);
	if (settling->settle != NULL)
		settling->settle(settling->ctx, why == NULL);
	settling->failed = why != NULL;
	if (why != NULL)
		settling->why = *why;
	if (settling->ending == NULL) {
		answer(settling, NULL);
		return;
	}
	crb_ending_then(settling->ending, answer, settling);
	crb_ending_ready(settling->ending);
}

static enum crb_status
collect_record(const struct crb_change *change, struct crb_err *err)
{
	struct crb_commit *commit = change->call->core->commit;

	if (change->kind == 0)
		return CRB_OK;
	if (change->record != NULL)
		return crb_commit_put(
		    commit, change->kind, change->id, change->record, err);
	return crb_commit_delete(commit, change->kind, change->id, err);
}

static enum crb_status
collect(const struct crb_change *change, struct settling *settling,
    struct crb_err *err)
{
	struct crb_commit *commit = change->call->core->commit;
	struct crb_audit_event event = *change->event;
	enum crb_status status;

	event.who = change->call->who;
	if (event.decision == NULL)
		event.decision = "allow";
	event.outcome = "ok";
	if ((status = crb_core_need_record(change->call->core, err)) !=
		CRB_OK ||
	    (status = crb_commit_event(commit, &event, err)) != CRB_OK)
		return status;
	status = collect_record(change, err);
	if (status == CRB_OK)
		status = crb_commit_then(commit, settled, settling, err);
	/* What was collected before a failure fails with it, as a whole. */
	return status;
}

static enum crb_status
try(const struct crb_change *change, struct crb_err *err)
{
	struct settling *settling = malloc(sizeof(*settling));
	enum crb_status status;

	if (settling == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*settling = (struct settling){ .call = change->call,
		.result = change->result,
		.settle = change->settle,
		.ctx = change->ctx,
		.ending = change->ending };
	if ((status = collect(change, settling, err)) != CRB_OK)
		free(settling);
	return status;
}

void
crb_change_commit(const struct crb_change *change)
{
	enum crb_status status;
	struct crb_err err;

	status = try(change, &err);
	json_decref(change->record);
	if (status == CRB_OK)
		return;
	if (change->settle != NULL)
		change->settle(change->ctx, false);
	if (change->ending != NULL)
		crb_ending_ready(change->ending);
	json_decref(change->result);
	crb_call_fail(change->call, &err);
}
