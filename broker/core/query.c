#include "broker/core/query.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/core/git_helper.h"
#include "broker/core/judge.h"

#define ANSWER_MAX 131072u

static const char object_type[] = "application/json";
static const char problem_type[] = "application/problem+json";
static const char plain_type[] = "text/plain; charset=utf-8";

struct answer {
	unsigned status;
	const char *type;
	const char *code; /* Credbroker-Error, or "" */
	struct crb_buf body;
};

static void
send_answer(struct crb_core *core, uint64_t exchange, struct answer *answer)
{
	const struct crb_msg_answer msg = {
		.exchange = exchange,
		.status = (uint16_t)answer->status,
		.type = CRB_SLICE(answer->type),
		.code = CRB_SLICE(answer->code),
		.body = { crb_buf_text(&answer->body), answer->body.len },
	};
	struct crb_err err;

	if (crb_link_send(&core->gateway, CRB_MSG_ANSWER, &msg, -1, &err) !=
	    CRB_OK)
		crb_log(CRB_LOG_WARN, "answer not sent", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

static void
put_json(struct answer *answer, json_t *json)
{
	char *text = json != NULL ? crb_json_text(json) : NULL;

	if (text == NULL)
		answer->body.failed = true;
	else
		crb_buf_str(&answer->body, text);
	crb_json_text_free(text);
	json_decref(json);
}

static void
put_denial(struct answer *answer, const struct crb_denial *denial, bool plain)
{
	char *text = NULL;

	crb_buf_reset(&answer->body);
	answer->body.failed = false;
	answer->status = denial->http;
	answer->code = denial->code;
	answer->type = plain ? plain_type : problem_type;
	if (plain) {
		crb_denial_plain(denial, &answer->body);
		return;
	}
	text = crb_denial_json(denial);
	crb_buf_str(&answer->body, text != NULL ? text : "{}");
	crb_json_text_free(text);
}

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

static int64_t
left(const struct crb_session *session)
{
	int64_t seconds = session->expires - crb_wall_seconds();

	return seconds > 0 ? seconds : 0;
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

	crb_duration_text(left(session), text);
	crb_buf_printf(out, "task %s \xc2\xb7 session %s \xc2\xb7 %s left\n",
	    session->task, session->id, text);
	grants_plain(session, out);
}

static void
answer_session(const struct crb_session *session,
    const struct crb_msg_query *msg, struct answer *answer)
{
	char expires[CRB_TIME_TEXT];

	if (msg->plain != 0) {
		answer->type = plain_type;
		session_plain(session, &answer->body);
		return;
	}
	crb_text_time(session->expires, expires);
	put_json(answer,
	    json_pack("{s:s, s:s, s:O, s:s, s:I, s:o, s:I, s:I}", "session",
		session->id, "task", session->task, "labels", session->labels,
		"expires", expires, "expires_in", (json_int_t)left(session),
		"credentials", grants_json(session), "requests",
		(json_int_t)session->requests, "refused",
		(json_int_t)session->refused));
}

static void
answer_credentials(const struct crb_session *session,
    const struct crb_msg_query *msg, struct answer *answer)
{
	if (msg->plain != 0) {
		answer->type = plain_type;
		grants_plain(session, &answer->body);
		return;
	}
	put_json(
	    answer, json_pack("{s:o}", "credentials", grants_json(session)));
}

static const struct crb_grant *
find_grant(const struct crb_session *session, struct crb_slice name)
{
	for (size_t i = 0; i < session->grant_count; i++)
		if (crb_slice_is(name, session->grants[i].grant->credential))
			return session->grants[i].grant;
	return NULL;
}

/* Nothing mints yet: a credential that is granted can only be used in place. */
static void
answer_credential(const struct crb_session *session,
    const struct crb_msg_query *msg, struct answer *answer)
{
	const struct crb_grant *grant = find_grant(session, msg->name);
	struct crb_denial denial;
	struct crb_err why;

	if (grant == NULL) {
		(void)crb_err_set(&why, CRB_ERR_NOT_FOUND,
		    "no credential of this name is granted to task %s; "
		    "GET /v1/credentials lists those that are",
		    session->task);
		crb_denial_error(&denial, &why);
	} else {
		(void)crb_err_set(&why, CRB_ERR_DENIED,
		    "credential %s is only injected: it is never handed out. "
		    "Use its hosts by their ordinary URLs",
		    grant->credential);
		crb_denial_error(&denial, &why);
	}
	put_denial(answer, &denial, msg->plain != 0);
}

static void
answer_git(const struct crb_session *session, const struct crb_msg_query *msg,
    struct answer *answer)
{
	struct crb_denial denial;
	struct crb_err err;

	answer->type = plain_type;
	if (crb_git_helper_get(session, msg->body, &answer->body, &err) ==
	    CRB_OK)
		return;
	crb_denial_error(&denial, &err);
	put_denial(answer, &denial, true);
}

/* The secret is not git's to erase; the answer is empty. */
static void
answer_git_erase(const struct crb_session *session,
    const struct crb_msg_query *msg, struct answer *answer)
{
	(void)session;
	(void)msg;
	answer->type = plain_type;
}

typedef void answer_fn(const struct crb_session *session,
    const struct crb_msg_query *msg, struct answer *answer);

static answer_fn *const answers[] = {
	[CRB_QUERY_SESSION] = answer_session,
	[CRB_QUERY_CREDENTIALS] = answer_credentials,
	[CRB_QUERY_CREDENTIAL] = answer_credential,
	[CRB_QUERY_GIT_GET] = answer_git,
	[CRB_QUERY_GIT_ERASE] = answer_git_erase,
};

void
crb_query_answer(struct crb_core *core, const struct crb_msg_query *msg)
{
	struct answer answer = {
		.status = 200,
		.type = object_type,
		.code = "",
		.body = CRB_BUF_INIT(ANSWER_MAX),
	};
	struct crb_session *session;
	struct crb_denial denial;
	struct crb_err why;

	if (!crb_judge_session(core, msg->session, &session, &denial))
		put_denial(&answer, &denial, msg->plain != 0);
	else if (msg->what >= sizeof(answers) / sizeof(answers[0])) {
		(void)crb_err_set(&why, CRB_ERR_INVALID, "no such question");
		crb_denial_error(&denial, &why);
		put_denial(&answer, &denial, msg->plain != 0);
	} else
		answers[msg->what](session, msg, &answer);
	if (answer.body.failed) {
		(void)crb_err_set(
		    &why, CRB_ERR_TOO_LARGE, "the answer is too long");
		crb_denial_error(&denial, &why);
		put_denial(&answer, &denial, msg->plain != 0);
	}
	send_answer(core, msg->exchange, &answer);
	crb_buf_clear(&answer.body);
}
