#ifndef CRB_LEASE_H
#define CRB_LEASE_H

#include "broker/core/ending.h"
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

/* Called once: with why NULL there is a live lease. */
typedef void crb_lease_fn(void *ctx, const struct crb_err *why);

/*
 * Have a live lease of the credential for the session, handed out or only used
 * here, as its grants say.  `fn` is called from a later turn of the loop unless
 * this fails: there is no such grant, too many wait, or the upstream was asked
 * in vain a moment ago.  It is called with a failure when the session ends, and
 * when the vault is locked; by then the session may be gone.
 */
CRB_NODISCARD enum crb_status crb_lease_want(struct crb_session *session,
    const char *credential, crb_lease_fn *fn, void *ctx, struct crb_err *err);

/* Whoever waits with this `ctx` waits no more, and `fn` is not called. */
void crb_lease_leave(struct crb_session *session, const void *ctx);

/*
 * The keys of a live lease that lasts another minute; NULL: want it first.
 * That is a use of them.  Borrowed until the loop's next turn.
 */
const struct crb_secret *crb_lease_keys(
    struct crb_session *session, const char *credential);

/* Until when they work, in wall seconds; 0: there are none. */
int64_t crb_lease_expires(
    const struct crb_session *session, const char *credential);

/*
 * In how many seconds the upstream is asked again, when it failed in a way
 * that passes by itself; 0: it did not.
 */
unsigned crb_lease_rest(
    const struct crb_session *session, const char *credential);

/*
 * The session's grants of a credential have changed, or the credential has:
 * what was minted is handed out no more, which the gateway acknowledges to
 * `ending` (or NULL).  Whoever waits is told to try again.
 */
void crb_lease_drop(struct crb_session *session, const char *credential,
    struct crb_ending *ending);
/* The same in every session. */
void crb_lease_drop_each(
    struct crb_core *core, const char *credential, struct crb_ending *ending);
/*
 * The session has ended: all of its leases go, and who waits is told why.
 * SESSION_END, or the end of the gateway, takes them from the sandbox.
 */
void crb_leases_end(struct crb_session *session, const struct crb_err *why);

/* When the last key that was issued for it ends, in wall seconds; 0: none. */
int64_t crb_leases_until(const struct crb_session *session);

/*
 * The session as crb_session_shown() has it, with its leases: until when issued
 * keys work.
 */
json_t *crb_leases_session_shown(const struct crb_session *session);

/*
 * What would be asked of the upstream, now: for `pending` with the grants that
 * are not recorded yet.  The caller owns *out.
 */
CRB_NODISCARD enum crb_status crb_lease_order(const struct crb_session *session,
    const char *credential, bool pending, json_t **out, struct crb_err *err);
/*
 * Whether what the session's grants need can be asked for at all, and what is
 * to be said about it beforehand: texts are added to `notes` (or NULL).
 */
CRB_NODISCARD enum crb_status crb_lease_check(
    const struct crb_session *session, json_t *notes, struct crb_err *err);

/* Whether each time that it is minted has to be approved. */
bool crb_lease_asks(const struct crb_session *session, const char *credential);

/* Whether this is the first of the session's grants of its credential. */
bool crb_lease_first_grant(const struct crb_session *session, size_t index);

#endif /* !CRB_LEASE_H */
