#ifndef CRB_SESSION_DECIDE_H
#define CRB_SESSION_DECIDE_H

#include "broker/core/admin.h"
#include "broker/core/session.h"

/*
 * Whether a session may have its grants from index `first` on, which a call
 * gives it.  A refusal is in the audit log, and `next` says where to look; what
 * has to be approved each time is told in `notes` (or NULL).
 */
#define CRB_DECIDE_NEXT 512
CRB_NODISCARD enum crb_status crb_session_decide(const struct crb_call *call,
    const struct crb_session *session, size_t first, json_t *notes,
    char next[CRB_DECIDE_NEXT], struct crb_err *err);

#endif /* !CRB_SESSION_DECIDE_H */
