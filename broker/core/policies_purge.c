#include <string.h>

#include "base/log.h"
#include "base/process.h"
#include "broker/core/approval.h"
#include "broker/core/lease_impl.h"
#include "broker/core/lease_mint_impl.h"
#include "broker/core/limits.h"
#include "broker/core/policies_impl.h"
#include "broker/core/tiers.h"

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
denied(const struct crb_lease *lease)
{
	int64_t left = seconds_left(lease);
	struct crb_verdict verdict;

	/* Nothing was minted: it is decided about when its turn comes. */
	if (lease->keys == NULL && lease->mint != NULL &&
	    lease->mint->record == NULL)
		return false;
	if (!crb_limits_lasts(lease->session->core, crb_wall_seconds() + left))
		return true;
	crb_tiers_mint(lease->session, lease->credential, left, &verdict);
	return verdict.effect == CRB_EFFECT_DENY;
}

static bool
mark_denied(const struct crb_core *core)
{
	struct crb_session *session;
	struct crb_lease *lease;
	bool any = false;

	TAILQ_FOREACH(session, &core->list, link)
	TAILQ_FOREACH(lease, &session->leases, link)
	{
		lease->denied = session->state == CRB_SESSION_LIVE &&
		    denied(lease);
		any |= lease->denied;
	}
	return any;
}

static struct crb_lease *
first_denied(const struct crb_session *session)
{
	struct crb_lease *lease;

	TAILQ_FOREACH(lease, &session->leases, link)
	if (lease->denied)
		return lease;
	return NULL;
}

/*
 * Who waits for a lease hears of it in here, and may end the session, which
 * takes all of its leases.  False when even the session is gone.
 */
static bool
drop_denied(struct crb_session *session, struct crb_ending *ending)
{
	const struct crb_core *core = session->core;
	struct crb_lease *lease;
	char id[sizeof(session->id)];

	memcpy(id, session->id, sizeof(id));
	while ((lease = first_denied(session)) != NULL) {
		crb_log(CRB_LOG_INFO, "lease dropped by a policy",
		    CRB_LOG_SESSION, id, CRB_LOG_CREDENTIAL, lease->credential,
		    CRB_LOG_END);
		crb_lease_drop(session, lease->credential, ending);
		if (crb_map_text(&core->sessions, id) != session)
			return false;
	}
	return true;
}

static bool
drop_all(const struct crb_core *core, struct crb_ending *ending)
{
	struct crb_session *session;

	TAILQ_FOREACH(session, &core->list, link)
	if (!drop_denied(session, ending))
		return false;
	return true;
}

void
crb_policies_purge(struct crb_policies *policies, struct crb_ending *ending)
{
	/* From the start, when the list has changed. */
	if (mark_denied(policies->core))
		while (!drop_all(policies->core, ending))
			continue;
	/* And whoever is held hears of a rule that denies. */
	crb_approvals_again(policies->core);
}
