#ifndef CRB_SESSION_END_H
#define CRB_SESSION_END_H

#include "broker/core/session.h"

/*
 * How sessions end: expiry, revoke, or with their process.  An ended session
 * keeps its socket for a while, where every request is told why (a tombstone);
 * then its folder and its record go.
 */

/* What waits until ended sessions are cut off everywhere and recorded. */
struct crb_ending;
typedef void crb_ending_fn(void *ctx, const struct crb_err *why);

/* `fn` is called once after crb_ending_ready(); why is the first failure. */
CRB_NODISCARD enum crb_status crb_ending_new(
    crb_ending_fn *fn, void *ctx, struct crb_ending **out, struct crb_err *err);
/* Every session was given to crb_session_end(). */
void crb_ending_ready(struct crb_ending *ending);

/*
 * End a live session, now: it grants nothing from here on.  `who` is for the
 * audit log, `ending` may be NULL.  Returns how many requests were cut off.
 */
unsigned crb_session_end(struct crb_session *session,
    enum crb_session_state state, const char *who, struct crb_ending *ending);

/* Expiry and bound process of a session that just became live. */
CRB_NODISCARD enum crb_status crb_session_watch(
    struct crb_session *session, struct crb_err *err);
/* The expiry has changed. */
CRB_NODISCARD enum crb_status crb_session_rearm(
    struct crb_session *session, struct crb_err *err);
/* Tell the gateway what an ended session answers. */
void crb_session_send_end(
    struct crb_session *session, struct crb_ending *ending);
/* Folder and record go; the session is freed. */
void crb_session_bury(struct crb_session *session);

#endif /* !CRB_SESSION_END_H */
