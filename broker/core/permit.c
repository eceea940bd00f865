#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/core/admin_client.h"
#include "broker/core/session.h"
#include "policy/scope.h"

/* What the caller's role lets a call do, beyond its method. */

void
crb_call_refused(
    const struct crb_call *call, const char *session, const struct crb_err *why)
{
	const struct crb_refusal refusal = { .uid = call->uid,
		.who = call->who,
		.method = call->method->name,
		.session = session,
		.why = why };

	crb_refusal_record(call->core, &call->core->admin->refusals, &refusal);
}

static bool
sees_all(const struct crb_call *call)
{
	return (call->access.may &
		   (CRB_MAY_ADMIN | CRB_MAY_APPROVE | CRB_MAY_AUDIT)) != 0;
}

bool
crb_call_sees(const struct crb_call *call, const struct crb_session *session)
{
	return sees_all(call) || session->issuer == call->uid;
}

bool
crb_call_owns(const struct crb_call *call, const struct crb_session *session)
{
	return session->issuer == call->uid ||
	    (call->access.may & CRB_MAY_ADMIN) != 0;
}

static enum crb_status
not_listed(const struct crb_call *call, const char *what, const char *name,
    struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_ROLE,
	    "%s may not issue with %s %s: not listed for its role issuer "
	    "(\"roles\" in the broker's config file)",
	    call->who, what, name);
}

enum crb_status
crb_call_may_profile(
    const struct crb_call *call, const char *profile, struct crb_err *err)
{
	if (crb_access_profile(&call->access, profile) || !crb_name_ok(profile))
		return CRB_OK;
	return not_listed(call, "profile", profile, err);
}

enum crb_status
crb_call_may_grant(
    const struct crb_call *call, const char *grant, struct crb_err *err)
{
	CRB_AUTO_FREE char *name = NULL, *scope = NULL;
	enum crb_status status = crb_grant_split(grant, &name, &scope, err);

	if (status != CRB_OK || crb_access_credential(&call->access, name) ||
	    !crb_name_ok(name))
		return status;
	return not_listed(call, "credential", name, err);
}

/* Somebody else's is not there, but that it was tried is worth a line. */
static void
note_other(const struct crb_call *call, const char *id)
{
	const struct crb_session *session = crb_map_text(
	    &call->core->sessions, id);
	struct crb_err why;

	if (session == NULL)
		return;
	(void)crb_err_set(&why, CRB_ERR_ROLE,
	    "the session was issued by uid %u", (unsigned)session->issuer);
	crb_call_refused(call, session->id, &why);
}

enum crb_status
crb_call_session(const struct crb_call *call, const char *id,
    struct crb_session **out, struct crb_err *err)
{
	enum crb_status status;

	if (sees_all(call))
		return crb_session_find(call->core, id, out, err);
	status = crb_session_find_of(call->core, call->uid, id, out, err);
	if (status == CRB_ERR_NOT_FOUND)
		note_other(call, id);
	return status;
}
