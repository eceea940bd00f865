#ifndef CRB_RPC_SESSION_H
#define CRB_RPC_SESSION_H

#include "broker/core/rpc.h"
#include "broker/core/session.h"

/* The session that the member `session` names. */
CRB_NODISCARD enum crb_status crb_rpc_session_find(
    const struct crb_call *call, struct crb_session **out, struct crb_err *err);
/* It is the caller's to change. */
CRB_NODISCARD enum crb_status crb_rpc_session_own(const struct crb_call *call,
    const struct crb_session *session, struct crb_err *err);

#endif /* !CRB_RPC_SESSION_H */
