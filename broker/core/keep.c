#include "broker/core/keep.h"

#include "base/cleanup.h"
#include "broker/core/credential.h"
#include "broker/core/session.h"

enum crb_status
crb_keep_session(struct crb_session *session, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *record = NULL;
	enum crb_status status;

	if (session->state == CRB_SESSION_OPENING || session->busy ||
	    session->kept == crb_session_counted(session))
		return CRB_OK;
	if ((record = crb_session_record(session)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = crb_commit_put(session->core->commit, CRB_KIND_SESSION,
	    &session->record, record, err);
	if (status == CRB_OK)
		session->kept = crb_session_counted(session);
	return status;
}

static enum crb_status
keep_credential(struct crb_core *core, struct crb_credential *credential,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *record = NULL;
	enum crb_status status;

	if (credential->busy || credential->kept == credential->used)
		return CRB_OK;
	if ((record = crb_credential_record(credential)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	status = crb_commit_put(core->commit, CRB_KIND_CREDENTIAL,
	    &credential->record, record, err);
	if (status == CRB_OK)
		credential->kept = credential->used;
	return status;
}

void
crb_keep_counts(struct crb_core *core)
{
	enum crb_status status = CRB_OK;
	struct crb_session *session;
	struct crb_err err;

	if (core->commit == NULL || core->commit_failed)
		return;
	TAILQ_FOREACH(session, &core->list, link)
	if (status == CRB_OK)
		status = crb_keep_session(session, &err);
	for (size_t i = 0; status == CRB_OK && i < core->credentials.capacity;
	     i++)
		if (core->credentials.slot[i].value != NULL)
			status = keep_credential(
			    core, core->credentials.slot[i].value, &err);
}
