#ifndef CRB_LISTENER_H
#define CRB_LISTENER_H

#include "base/err.h"

struct crb_session;

/*
 * The listening socket of a session.  A few connections are accepted a turn,
 * so that no session starves another.  While a session has as many as it may,
 * the next ones wait in the socket's backlog, which the kernel bounds and
 * which costs us nothing; idle ones are closed to make room.  A refusal would
 * make a tool fail that only had to wait a moment.
 */
CRB_NODISCARD enum crb_status crb_listener_open(
    struct crb_session *session, struct crb_err *err);
void crb_listener_close(struct crb_session *session);

/* A connection has ended or become idle: accept again. */
void crb_listener_room(struct crb_session *session);

#endif /* !CRB_LISTENER_H */
