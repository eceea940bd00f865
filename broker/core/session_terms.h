#ifndef CRB_SESSION_TERMS_H
#define CRB_SESSION_TERMS_H

#include "broker/core/admin.h"
#include "broker/core/session.h"

/*
 * What session.issue asks for, read and checked: a session of it that nobody
 * knows yet, with an id.  What it points to is the caller's.
 */
struct crb_session_terms {
	struct crb_session *session;
	json_t *mounts;  /* the profile's; or NULL */
	bool mint_later; /* leases wait until they are fetched */
	json_t *notes;   /* what a person should know: an array of texts */
};
CRB_NODISCARD enum crb_status crb_session_terms(const struct crb_call *call,
    struct crb_session_terms *out, struct crb_err *err);

#endif /* !CRB_SESSION_TERMS_H */
