#include "broker/core/session_mint.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/lease.h"
#include "broker/core/session_end.h"

struct minting {
	struct crb_core *core;
	char session[CRB_SESSION_ID_MAX + 1];
	unsigned waits; /* leases, the end of the session; 1 more at first */
	bool failed;
	struct crb_err why;
	crb_session_minted_fn *fn;
	void *ctx;
};

static void
settle(struct minting *minting)
{
	if (--minting->waits > 0)
		return;
	minting->fn(minting->ctx, minting->failed ? &minting->why : NULL);
	free(minting);
}

/* What went wrong first is told, whatever came of the end. */
static void
ended(void *ctx, const struct crb_err *why)
{
	(void)why;
	settle(ctx);
}

/* Others that wait for a lease of it are called from in here. */
static void
end(struct minting *minting)
{
	struct crb_session *session = crb_map_text(
	    &minting->core->sessions, minting->session);
	struct crb_ending *ending;
	struct crb_err err;

	if (session == NULL || session->state != CRB_SESSION_LIVE)
		return;
	if (crb_ending_new(ended, minting, &ending, &err) != CRB_OK) {
		(void)crb_session_end(
		    session, CRB_SESSION_FAILED, "broker", NULL);
		return;
	}
	minting->waits++;
	(void)crb_session_end(session, CRB_SESSION_FAILED, "broker", ending);
	crb_ending_ready(ending);
}

static void
minted(void *ctx, const struct crb_err *why)
{
	struct minting *minting = ctx;

	if (why != NULL && !minting->failed) {
		minting->failed = true;
		minting->why = *why;
		end(minting);
	}
	settle(minting);
}

static void
want(struct minting *minting, struct crb_session *session, const char *name)
{
	struct crb_err err;

	minting->waits++;
	if (crb_lease_want(session, name, minted, minting, &err) != CRB_OK)
		minted(minting, &err);
}

enum crb_status
crb_session_mint(struct crb_session *session, crb_session_minted_fn *fn,
    void *ctx, struct crb_err *err)
{
	struct minting *minting = calloc(1, sizeof(*minting));

	if (minting == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	minting->core = session->core;
	memcpy(minting->session, session->id, sizeof(minting->session));
	minting->waits = 1;
	minting->fn = fn;
	minting->ctx = ctx;
	for (size_t i = 0; !minting->failed && i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;

		/* It is asked about when somebody wants it, and then held. */
		if (crb_grant_mints(grant) &&
		    crb_lease_first_grant(session, i) &&
		    !crb_lease_asks(session, grant->credential))
			want(minting, session, grant->credential);
	}
	settle(minting);
	return CRB_OK;
}
