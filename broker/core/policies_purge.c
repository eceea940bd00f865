#include "broker/core/approval.h"
#include "broker/core/lease_impl.h"
#include "broker/core/lease_mint_impl.h"
#include "broker/core/policies_impl.h"
#include "broker/core/tiers.h"

#include "base/log.h"
#include "base/process.h"

/* How long the keys work on, or would if they are being minted. */
static int64_t
seconds_left(const struct crb_lease *lease)
{
	int64_t expires = lease->expires;

	if (lease->keys == NULL && lease->mint != NULL &&
	    lease->mint->record != NULL)
		expires = lease->mint->record->expires;
	return expires > crb_wall_seconds() ? expires - crb_wall_seconds() : 0;
}

/* A rule that asks binds the next mint: what was approved is used up. */
static bool
allowed(const struct crb_lease *lease)
{
	struct crb_verdict verdict;

	/* Nothing was minted: it is decided about when its turn comes. */
	if (lease->keys == NULL && lease->mint != NULL &&
	    lease->mint->record == NULL)
		return true;
	crb_tiers_mint(
	    lease->session, lease->credential, seconds_left(lease), &verdict);
	return verdict.effect != CRB_EFFECT_DENY;
}

void
crb_policies_purge(struct crb_policies *policies, struct crb_ending *ending)
{
	struct crb_core *core = policies->core;
	struct crb_lease *lease, *next;
	struct crb_session *session;

	TAILQ_FOREACH(session, &core->list, link)
	{
		if (session->state != CRB_SESSION_LIVE)
			continue;
		for (lease = TAILQ_FIRST(&session->leases); lease != NULL;
		     lease = next) {
			next = TAILQ_NEXT(lease, link);
			if (allowed(lease))
				continue;
			crb_log(CRB_LOG_INFO, "lease dropped by a policy",
			    CRB_LOG_SESSION, session->id, CRB_LOG_CREDENTIAL,
			    lease->credential, CRB_LOG_END);
			crb_lease_drop(session, lease->credential, ending);
		}
	}
	crb_approvals_again(core);
}
