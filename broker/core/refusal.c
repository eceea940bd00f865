#include "broker/core/refusal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "broker/core/core.h"

#define BURST 20
#define EACH_US 10000000

/* That of this uid, or the one that was silent longest, as it stands. */
static struct crb_refusal_user *
find(struct crb_refusals *refusals, uid_t uid)
{
	struct crb_refusal_user *oldest = &refusals->user[0];

	for (unsigned i = 0; i < CRB_REFUSAL_USERS; i++) {
		struct crb_refusal_user *user = &refusals->user[i];

		if (user->used && user->uid == uid)
			return user;
		if (!user->used || (oldest->used && user->last < oldest->last))
			oldest = user;
	}
	oldest->used = true;
	oldest->uid = uid;
	return oldest;
}

static void
record(
    struct crb_core *core, const struct crb_refusal *refusal, uint64_t left_out)
{
	char detail[CRB_ERR_MSG_MAX + 48];
	const struct crb_audit_event event = {
		.event = "admin.refused",
		.who = refusal->who,
		.session = refusal->session,
		.request = refusal->method,
		.decision = "deny",
		.outcome = crb_status_info(refusal->why->status)->code,
		.detail = detail,
	};
	struct crb_err err;

	if (left_out > 0)
		(void)snprintf(detail, sizeof(detail),
		    "%s; %" PRIu64 " more before it", refusal->why->msg,
		    left_out);
	else
		(void)snprintf(detail, sizeof(detail), "%s", refusal->why->msg);
	crb_log(CRB_LOG_WARN, "admin call refused", CRB_LOG_UID,
	    (int64_t)refusal->uid, CRB_LOG_CODE, event.outcome, CRB_LOG_REASON,
	    detail, CRB_LOG_END);
	/* Locked, there is no audit log; a refusal needs no record to stand. */
	if (core->audit != NULL)
		(void)!crb_audit_record(core->audit, &event, &err);
}

bool
crb_refusal_due(
    struct crb_refusals *refusals, uid_t uid, int64_t now, uint64_t *left_out)
{
	struct crb_refusal_user *user = find(refusals, uid);

	user->last = now;
	if (!crb_rate_take(&user->rate, now, EACH_US, BURST)) {
		user->left_out++;
		return false;
	}
	*left_out = user->left_out;
	user->left_out = 0;
	return true;
}

void
crb_refusal_record(struct crb_core *core, struct crb_refusals *refusals,
    const struct crb_refusal *refusal)
{
	uint64_t left_out;

	if (crb_refusal_due(
		refusals, refusal->uid, crb_loop_now(core->loop), &left_out))
		record(core, refusal, left_out);
}
