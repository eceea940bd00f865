#include "broker/core/query.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/core/answer.h"
#include "broker/core/git_helper.h"
#include "broker/core/judge.h"
#include "broker/core/limits.h"
#include "broker/core/query_lease.h"

static const char plain_type[] = "text/plain; charset=utf-8";

static json_t *
hosts(const struct crb_core *core, const char *name)
{
	const struct crb_credential *credential = crb_map_text(
	    &core->credentials, name);
	json_t *list = json_array();

	for (size_t i = 0; credential != NULL && i < credential->route.count;
	     i++)
		(void)json_array_append_new(
		    list, json_string(credential->authority[i]));
	return list;
}

static json_t *
scope_json(const struct crb_scope *scope)
{
	json_t *json = json_object();

	for (size_t i = 0; i < scope->count; i++) {
		json_t *values = json_array();

		for (size_t k = 0; k < scope->at[i].count; k++)
			(void)json_array_append_new(
			    values, json_string(scope->at[i].value[k]));
		(void)json_object_set_new(
		    json, scope->at[i].attribute->name, values);
	}
	return json;
}

static json_t *
grants_json(const struct crb_session *session)
{
	json_t *list = json_array();

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;

		(void)json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name",
			grant->credential, "backend", grant->backend->kind,
			"form", grant->backend->form, "delivery",
			crb_grant_delivery(grant), "hosts",
			hosts(session->core, grant->credential), "scope",
			scope_json(&grant->scope)));
	}
	return list;
}

static void
grants_plain(const struct crb_session *session, struct crb_buf *out)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;
		CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(8192);

		crb_scope_words(&grant->scope, &words);
		crb_buf_printf(out, "%-16s %-40s %s\n", grant->credential,
		    crb_buf_text(&words),
		    crb_grant_mints(grant) ? "minted" : "injected");
	}
}

static void
session_plain(const struct crb_session *session, struct crb_buf *out)
{
	char text[CRB_DURATION_TEXT];

	crb_duration_text(crb_session_left(session), text);
	crb_buf_printf(out, "task %s \xc2\xb7 session %s \xc2\xb7 %s left\n",
	    session->task, session->id, text);
	grants_plain(session, out);
}

static void
answer_session(const struct crb_session *session,
    const struct crb_msg_query *msg, struct crb_answer *answer)
{
	char expires[CRB_TIME_TEXT];

	if (msg->plain != 0) {
		answer->type = plain_type;
		session_plain(session, &answer->body);
		return;
	}
	crb_text_time(crb_limits_end(session), expires);
	crb_answer_json(answer,
	    json_pack("{s:s, s:s, s:O, s:s, s:I, s:o, s:I, s:I}", "session",
		session->id, "task", session->task, "labels", session->labels,
		"expires", expires, "expires_in",
		(json_int_t)crb_session_left(session), "credentials",
		grants_json(session), "requests", (json_int_t)session->requests,
		"refused", (json_int_t)session->refused));
}

static void
answer_credentials(const struct crb_session *session,
    const struct crb_msg_query *msg, struct crb_answer *answer)
{
	if (msg->plain != 0) {
		answer->type = plain_type;
		grants_plain(session, &answer->body);
		return;
	}
	crb_answer_json(
	    answer, json_pack("{s:o}", "credentials", grants_json(session)));
}

static void
answer_git(const struct crb_session *session, const struct crb_msg_query *msg,
    struct crb_answer *answer)
{
	struct crb_denial denial;
	struct crb_err err;

	answer->type = plain_type;
	if (crb_git_helper_get(session, msg->body, &answer->body, &err) ==
	    CRB_OK)
		return;
	crb_denial_error(&denial, &err);
	crb_answer_denial(answer, &denial);
}

/* The secret is not git's to erase; the answer is empty. */
static void
answer_git_erase(const struct crb_session *session,
    const struct crb_msg_query *msg, struct crb_answer *answer)
{
	(void)session;
	(void)msg;
	answer->type = plain_type;
}

typedef void answer_fn(const struct crb_session *session,
    const struct crb_msg_query *msg, struct crb_answer *answer);

static answer_fn *const answers[] = {
	[CRB_QUERY_SESSION] = answer_session,
	[CRB_QUERY_CREDENTIALS] = answer_credentials,
	[CRB_QUERY_GIT_GET] = answer_git,
	[CRB_QUERY_GIT_ERASE] = answer_git_erase,
};

/* Those that wait for a lease are answered by query_lease.c. */
static bool
answered_later(enum crb_query what)
{
	return what == CRB_QUERY_CREDENTIAL || what == CRB_QUERY_LEASE;
}

void
crb_query_answer(struct crb_core *core, const struct crb_msg_query *msg)
{
	struct crb_answer answer;
	struct crb_session *session;
	struct crb_denial denial;
	struct crb_err why;

	crb_answer_init(&answer, core, msg);
	if (!crb_judge_session(core, msg->session, &session, &denial))
		crb_answer_denial(&answer, &denial);
	else if (answered_later(msg->what)) {
		crb_query_lease(session, msg);
		return;
	} else if (msg->what >= sizeof(answers) / sizeof(answers[0]) ||
	    answers[msg->what] == NULL) {
		(void)crb_err_set(&why, CRB_ERR_INVALID, "no such question");
		crb_answer_error(&answer, &why);
	} else
		answers[msg->what](session, msg, &answer);
	crb_answer_send(&answer);
}
