#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/units.h"
#include "broker/core/credential.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"

/* Keys that outlive the session by less are not worth a word. */
#define SLACK_S 60

static size_t
scopes_of(const struct crb_session *session,
    const struct crb_credential *credential, bool pending,
    const struct crb_scope **out)
{
	size_t count = 0;

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		/* One made for another kind: the credential was replaced. */
		if ((!at->pending || pending) &&
		    at->grant->backend == credential->backend &&
		    strcmp(at->grant->credential, credential->name) == 0)
			out[count++] = &at->grant->scope;
	}
	return count;
}

enum crb_status
crb_lease_order(const struct crb_session *session, const char *credential,
    bool pending, json_t **out, struct crb_err *err)
{
	const struct crb_credential *found = crb_map_text(
	    &session->core->credentials, credential);
	const struct crb_scope *scopes[CRB_SESSION_GRANTS_MAX];
	const struct crb_mint_terms terms = { .task = session->task,
		.session = session->id,
		.seconds = crb_limits_lease(session) };
	size_t count;

	if (found == NULL || found->backend->order == NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "credential %s: nothing is minted of it", credential);
	count = scopes_of(session, found, pending, scopes);
	if (count == 0)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "credential %s is not granted to task %s", credential,
		    session->task);
	if (found->backend->order(
		found->params, scopes, count, &terms, out, err) != CRB_OK)
		return crb_err_context(err, "credential %s", credential);
	if (crb_limits_order(session->core, credential, *out, err) == CRB_OK)
		return CRB_OK;
	json_decref(*out);
	*out = NULL;
	return err->status;
}

bool
crb_lease_first_grant(const struct crb_session *session, size_t index)
{
	const char *credential = session->grants[index].grant->credential;

	for (size_t i = 0; i < index; i++)
		if (strcmp(session->grants[i].grant->credential, credential) ==
		    0)
			return false;
	return true;
}

/*
 * A lease is for all grants of a credential: with keys that are handed out, a
 * sandbox would hold what others of them only inject.
 */
static enum crb_status
check_delivery(const struct crb_session *session, const struct crb_grant *first,
    struct crb_err *err)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;

		if (strcmp(grant->credential, first->credential) == 0 &&
		    crb_grant_mints(grant) != crb_grant_mints(first))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the grants of %s in one session are all minted or "
			    "all injected: delivery=mint and delivery=inject "
			    "do not go together",
			    first->credential);
	}
	return CRB_OK;
}

static void
note(const struct crb_session *session, const char *credential,
    const json_t *order, json_t *notes)
{
	int64_t seconds = json_integer_value(
	    json_object_get(order, "duration"));
	const json_t *told = json_object_get(order, "notes"), *text;
	char lasts[CRB_DURATION_TEXT], rest[CRB_DURATION_TEXT];
	size_t i;

	if (notes == NULL)
		return;
	json_array_foreach(told, i, text)(void) json_array_append_new(notes,
	    json_sprintf(
		"credential %s: %s", credential, json_string_value(text)));
	if (json_array_size(told) > 0 ||
	    seconds <= crb_session_left(session) + SLACK_S)
		return;
	crb_duration_text(seconds, lasts);
	crb_duration_text(crb_session_left(session), rest);
	(void)json_array_append_new(notes,
	    json_sprintf("credential %s: the keys work for %s, and the session "
			 "ends in %s",
		credential, lasts, rest));
}

enum crb_status
crb_lease_check(
    const struct crb_session *session, json_t *notes, struct crb_err *err)
{
	enum crb_status status = CRB_OK;

	for (size_t i = 0; status == CRB_OK && i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;
		CRB_AUTO_JSON json_t *order = NULL;

		if (grant->backend->order == NULL ||
		    !crb_lease_first_grant(session, i))
			continue;
		status = check_delivery(session, grant, err);
		if (status == CRB_OK)
			status = crb_limits_mint(session, NULL, err);
		if (status == CRB_OK)
			status = crb_lease_order(
			    session, grant->credential, true, &order, err);
		if (status == CRB_OK)
			note(session, grant->credential, order, notes);
	}
	return status;
}
