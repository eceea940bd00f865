#ifndef CRB_SESSION_END_H
#define CRB_SESSION_END_H

#include "broker/core/ending.h"
#include "broker/core/session.h"

/*
 * How sessions end: expiry, revoke, or with their process.  An ended session
 * keeps its socket for a while, where every request is told why (a tombstone);
 * then its folder and its record go.
 */

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
/*
 * Its folder goes now; the rest when no key that was issued for it works any
 * more, so that it can be asked until when they do.
 */
void crb_session_retire(struct crb_session *session);

#endif /* !CRB_SESSION_END_H */
