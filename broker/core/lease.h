#ifndef CRB_LEASE_H
#define CRB_LEASE_H

#include "broker/core/session.h"

/*
 * A lease: one credential minted for one session, for all of the session's
 * grants of it together.  Its record, the intent, is durable before anything
 * is asked of the upstream, and says afterwards what was minted and until when
 * it works; the keys themselves are in memory only.  A live one is known to
 * the gateway, which hands it out without asking.
 *
 * It is minted once for all who wait for it, at `issue` and on demand, and
 * again ahead of its end for as long as somebody fetches it.
 */
struct crb_lease;
TAILQ_HEAD(crb_lease_list, crb_lease);

/* Called once: with why NULL there is a live lease. */
typedef void crb_lease_fn(void *ctx, const struct crb_err *why);

/*
 * Have a live lease of the credential for the session.  `fn` is called later
 * unless this fails: there is no such grant, it is only injected, or the
 * upstream was asked in vain a moment ago.
 */
CRB_NODISCARD enum crb_status crb_lease_want(struct crb_session *session,
    const char *credential, crb_lease_fn *fn, void *ctx, struct crb_err *err);

/* The keys of a live lease that lasts a while; NULL: want it first.  Borrowed
 * until the loop's next turn. */
const struct crb_secret *crb_lease_keys(
    const struct crb_session *session, const char *credential);

/*
 * The session's grants of a credential have changed, or the credential has:
 * what was minted is handed out no more.  Whoever waits is told to try again.
 */
void crb_lease_drop(struct crb_session *session, const char *credential);

/* What `session show` says of them: until when issued keys work.  An array. */
json_t *crb_leases_shown(const struct crb_session *session);

#endif /* !CRB_LEASE_H */
