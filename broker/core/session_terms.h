#ifndef CRB_SESSION_TERMS_H
#define CRB_SESSION_TERMS_H

#include "broker/core/admin.h"
#include "broker/core/session.h"

/*
 * What session.issue asks for, read and checked: a session of it that nobody
 * knows yet, with an id.  Both members are the caller's.
 */
struct crb_session_terms {
	struct crb_session *session;
	json_t *mounts;  /* the profile's; or NULL */
	bool mint_later; /* leases wait until they are fetched */
};
CRB_NODISCARD enum crb_status crb_session_terms(const struct crb_call *call,
    struct crb_session_terms *out, struct crb_err *err);

#endif /* !CRB_SESSION_TERMS_H */
