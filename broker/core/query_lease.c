#include "broker/core/query_lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/core/answer.h"
#include "broker/core/judge.h"
#include "broker/core/lease.h"
#include "broker/core/lease_gateway.h"

#define KEYS_MOST 8

struct asked {
	struct crb_answer answer;
	enum crb_query what;
	char session[CRB_SESSION_ID_MAX + 1];
	char name[CRB_NAME_MAX + 1];
};

/* What the lines of a form's text are. */
static const struct {
	const char *form;
	const char *line[KEYS_MOST];
} forms[] = {
	{ CRB_AWS_FORM,
	    { "access_key_id", "secret_access_key", "session_token" } },
};

static json_t *
keys_json(const char *form, const struct crb_secret *keys)
{
	struct crb_slice rest = { crb_secret_bytes(keys),
		crb_secret_len(keys) },
			 line;
	json_t *json = json_object();

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcmp(forms[i].form, form) != 0)
			continue;
		for (size_t k = 0; k < KEYS_MOST && forms[i].line[k] != NULL &&
		     crb_slice_cut(&rest, '\n', &line);
		     k++)
			(void)json_object_set_new(json, forms[i].line[k],
			    json_stringn(line.p, line.len));
	}
	return json;
}

static const struct crb_grant *
find_grant(const struct crb_session *session, struct crb_slice name)
{
	for (size_t i = 0; i < session->grant_count; i++)
		if (crb_slice_is(name, session->grants[i].grant->credential))
			return session->grants[i].grant;
	return NULL;
}

static enum crb_status
answer_keys(
    struct asked *asked, struct crb_session *session, struct crb_err *err)
{
	const struct crb_grant *grant = find_grant(
	    session, CRB_SLICE(asked->name));
	const struct crb_secret *keys = crb_lease_keys(session, asked->name);
	char expires[CRB_TIME_TEXT];

	if (keys == NULL || grant == NULL)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the lease of %s has just ended; try again", asked->name);
	crb_lease_given(session, asked->name);
	crb_text_time(crb_lease_expires(session, asked->name), expires);
	crb_answer_json(&asked->answer,
	    json_pack("{s:s, s:s, s:s, s:o}", "credential", asked->name, "form",
		grant->backend->form, "expires", expires, "keys",
		keys_json(grant->backend->form, keys)));
	return CRB_OK;
}

/* What passes by itself is said to be unavailable, and for how long. */
static void
answer_failure(struct asked *asked, const struct crb_session *session,
    const struct crb_err *why)
{
	struct crb_denial denial;

	crb_denial_error(&denial, why);
	if (session != NULL)
		asked->answer.retry = crb_lease_rest(session, asked->name);
	if (why->status == CRB_ERR_LIMIT && asked->answer.retry == 0)
		asked->answer.retry = 1;
	if (asked->answer.retry > 0)
		denial.http = 503;
	crb_answer_denial(&asked->answer, &denial);
}

/* The session may have ended, and even be gone. */
static void
have(void *ctx, const struct crb_err *why)
{
	CRB_AUTO_FREE struct asked *asked = ctx;
	struct crb_session *session;
	struct crb_denial denial;
	struct crb_err err;

	if (!crb_judge_session(asked->answer.core, CRB_SLICE(asked->session),
		&session, &denial))
		crb_answer_denial(&asked->answer, &denial);
	else if (why != NULL)
		answer_failure(asked, session, why);
	else if (asked->what == CRB_QUERY_CREDENTIAL &&
	    answer_keys(asked, session, &err) != CRB_OK)
		answer_failure(asked, session, &err);
	crb_answer_send(&asked->answer);
}

static enum crb_status
check_grant(const struct crb_session *session, const struct crb_msg_query *msg,
    struct crb_err *err)
{
	const struct crb_grant *grant = find_grant(session, msg->name);

	if (grant == NULL)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "no credential of this name is granted to task %s; "
		    "GET /v1/credentials lists those that are",
		    session->task);
	if (crb_grant_mints(grant) && msg->name.len <= CRB_NAME_MAX)
		return CRB_OK;
	if (strcmp(grant->backend->form, CRB_AWS_FORM) == 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "credential %s is only injected: its keys are never handed "
		    "out. Send requests to /http/%s of this endpoint, as "
		    "AWS_ENDPOINT_URL says",
		    grant->credential, grant->credential);
	return crb_err_set(err, CRB_ERR_DENIED,
	    "credential %s is only injected: it is never handed out. Use its "
	    "hosts by their ordinary URLs",
	    grant->credential);
}

static enum crb_status
ask(struct crb_session *session, const struct crb_msg_query *msg,
    struct crb_err *err)
{
	CRB_AUTO_FREE struct asked *asked = calloc(1, sizeof(*asked));
	enum crb_status status;

	if (asked == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_answer_init(&asked->answer, session->core, msg);
	asked->what = msg->what;
	memcpy(asked->session, session->id, sizeof(asked->session));
	(void)snprintf(asked->name, sizeof(asked->name), "%.*s",
	    (int)msg->name.len, msg->name.p);
	status = crb_lease_want(session, asked->name, have, asked, err);
	if (status == CRB_OK)
		asked = NULL;
	return status;
}

void
crb_query_lease(struct crb_session *session, const struct crb_msg_query *msg)
{
	struct asked now = { .what = msg->what };
	struct crb_err why;

	if (check_grant(session, msg, &why) == CRB_OK &&
	    ask(session, msg, &why) == CRB_OK)
		return;
	crb_answer_init(&now.answer, session->core, msg);
	(void)snprintf(now.name, sizeof(now.name), "%.*s", (int)msg->name.len,
	    msg->name.p);
	answer_failure(&now, session, &why);
	crb_answer_send(&now.answer);
}
