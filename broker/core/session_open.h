#ifndef CRB_SESSION_OPEN_H
#define CRB_SESSION_OPEN_H

#include "broker/core/session.h"

/* How a session's endpoint comes up, at its issue and after a restart. */

/* Ask the supervisor for the folder and the listening socket. */
CRB_NODISCARD enum crb_status crb_session_ask_folder(
    struct crb_session *session, crb_pending_fn *fn, void *ctx,
    struct crb_err *err);
/* The same for a file in it, fresh and writable. */
CRB_NODISCARD enum crb_status crb_session_ask_file(struct crb_session *session,
    enum crb_session_file which, crb_pending_fn *fn, void *ctx,
    struct crb_err *err);
/* The reply's descriptor, or the error in it. */
CRB_NODISCARD enum crb_status crb_session_reply_fd(struct crb_msg *msg,
    const struct crb_err *why, int *fd, struct crb_err *err);

/* Tell the gateway of it, if there is one. */
CRB_NODISCARD enum crb_status crb_session_announce(
    struct crb_session *session, struct crb_err *err);
/* There is a new gateway: tell it of all, as fast as it reads. */
void crb_session_announce_all(struct crb_core *core);
void crb_session_announce_more(struct crb_core *core);
/* The gateway had no room for this one: it is told again in a while. */
void crb_session_missed(struct crb_core *core, struct crb_slice id);
/* The timer of that; `ctx` is the core. */
void crb_session_announce_missed(void *ctx);

/*
 * After an unlock: live sessions get their sockets again, a few at a time;
 * then the supervisor is told that all is ready.
 */
void crb_session_reopen_all(struct crb_core *core);

#endif /* !CRB_SESSION_OPEN_H */
