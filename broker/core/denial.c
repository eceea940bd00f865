#include "broker/core/denial.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/core/tiers.h"

/* How much of what is granted fits into one text. */
#define GRANTED_MAX 600

static void
set(struct crb_denial *out, unsigned http, const char *code, const char *title)
{
	*out = (struct crb_denial){
		.http = http,
		.code = code,
		.title = title,
	};
}

__attribute__((format(printf, 2, 3))) static void
detail(struct crb_denial *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out->detail, sizeof(out->detail), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void
next_step(struct crb_denial *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out->next, sizeof(out->next), fmt, ap);
	va_end(ap);
}

void
crb_denial_error(struct crb_denial *out, const struct crb_err *why)
{
	const struct crb_status_info *info = crb_status_info(why->status);

	set(out, info->http, info->code, info->title);
	detail(out, "%s", why->msg);
}

void
crb_denial_locked(struct crb_denial *out)
{
	set(out, 503, "broker_locked", "Broker locked");
	detail(out, "the credential broker is locked");
	next_step(out, "credbroker unlock (on the host), then try again");
}

static void
ended_detail(struct crb_denial *out, const struct crb_session *session)
{
	char when[CRB_TIME_TEXT];

	crb_text_time(session->ended, when);
	switch (session->state) {
	case CRB_SESSION_EXPIRED:
		detail(out, "session %s of task %s expired at %s", session->id,
		    session->task, when);
		break;
	case CRB_SESSION_REVOKED:
		detail(out, "session %s of task %s was revoked at %s",
		    session->id, session->task, when);
		break;
	case CRB_SESSION_PROCESS_ENDED:
		detail(out,
		    "session %s of task %s ended at %s with the process that it was bound to",
		    session->id, session->task, when);
		break;
	case CRB_SESSION_FAILED:
		detail(out,
		    "session %s of task %s was not opened: its leases could not be minted",
		    session->id, session->task);
		break;
	case CRB_SESSION_OPENING:
	case CRB_SESSION_LIVE:
	case CRB_SESSION_STATE_COUNT:
	default:
		detail(out, "session %s of task %s is not open", session->id,
		    session->task);
		break;
	}
}

void
crb_denial_ended(struct crb_denial *out, const struct crb_session *session)
{
	const struct crb_session_state_info *info;

	if (session == NULL) {
		set(out, 403, "session_unknown", "No such session");
		detail(out, "there is no such session");
		return;
	}
	info = crb_session_state_info(session->state);
	set(out, 403, info->code, info->title);
	ended_detail(out, session);
	next_step(out,
	    "ask for a new session: credbroker issue --task %s (on the host)",
	    session->task);
}

static void
join(const struct crb_scope_attribute *at, struct crb_buf *out)
{
	for (size_t i = 0; i < at->count; i++) {
		if (i > 0)
			crb_buf_str(out, ", ");
		crb_buf_str(out, at->value[i]);
	}
}

static bool
join_type(const struct crb_scope *scope, enum crb_attribute_type type,
    const char *before, struct crb_buf *out)
{
	bool any = false;

	for (size_t i = 0; i < scope->count; i++) {
		const struct crb_attribute *attribute = scope->at[i].attribute;

		/* How it comes to whom has it is not what it allows. */
		if (attribute->type != type ||
		    strcmp(attribute->name, "delivery") == 0)
			continue;
		crb_buf_str(out, any ? " " : before);
		join(&scope->at[i], out);
		any = true;
	}
	return any;
}

/* Texts go by their names: "actions s3:GetObject; resources ...". */
static void
join_texts(const struct crb_scope *scope, bool any, struct crb_buf *out)
{
	for (size_t i = 0; i < scope->count; i++) {
		const struct crb_attribute *attribute = scope->at[i].attribute;

		if (attribute->type != CRB_ATTRIBUTE_TEXT)
			continue;
		crb_buf_printf(out, "%s%s ", any ? "; " : "", attribute->name);
		join(&scope->at[i], out);
		any = true;
	}
}

void
crb_scope_words(const struct crb_scope *scope, struct crb_buf *out)
{
	bool any = join_type(scope, CRB_ATTRIBUTE_CHOICE, "", out);

	any |= join_type(scope, CRB_ATTRIBUTE_PATTERN, any ? " on " : "", out);
	join_texts(scope, any, out);
}

/* "fetch on acme/api; push on acme/web; and 3 more", of one credential. */
static void
granted_words(const struct crb_session *session, const char *credential,
    struct crb_buf *out)
{
	size_t left_out = 0;

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;
		CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(GRANTED_MAX);

		if (strcmp(grant->credential, credential) != 0)
			continue;
		crb_scope_words(&grant->scope, &words);
		if (words.failed || out->len + words.len > GRANTED_MAX) {
			left_out++;
			continue;
		}
		if (out->len > 0)
			crb_buf_str(out, "; ");
		crb_buf_add(out, words.data, words.len);
	}
	if (left_out > 0)
		crb_buf_printf(
		    out, "%s%zu more", out->len > 0 ? "; and " : "", left_out);
}

static void
hosts_words(const struct crb_session *session, struct crb_buf *out)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_credential *credential = crb_map_text(
		    &session->core->credentials,
		    session->grants[i].grant->credential);

		for (size_t k = 0;
		     credential != NULL && k < credential->route.count; k++) {
			const char *host = credential->authority[k];

			if (out->len + strlen(host) > GRANTED_MAX ||
			    (out->len > 0 && strstr(out->data, host) != NULL))
				continue;
			if (out->len > 0)
				crb_buf_str(out, ", ");
			crb_buf_str(out, host);
		}
	}
}

void
crb_denial_host(struct crb_denial *out, const struct crb_session *session,
    const char *authority)
{
	CRB_AUTO_BUF struct crb_buf hosts = CRB_BUF_INIT(1024);

	set(out, 403, "policy_denied", "Not granted");
	hosts_words(session, &hosts);
	detail(out, "%s is not granted to task %s; granted hosts: %s",
	    authority, session->task,
	    hosts.len > 0 ? crb_buf_text(&hosts) : "none");
	(void)snprintf(out->tier, sizeof(out->tier), "session");
	next_step(out,
	    "ask for it: credbroker session grant %s --grant NAME:SCOPE (on the host)",
	    session->id);
}

void
crb_denial_rule(struct crb_denial *out, const struct crb_verdict *verdict)
{
	if (verdict->rule != NULL)
		(void)snprintf(
		    out->rule, sizeof(out->rule), "%s", verdict->rule);
	(void)snprintf(out->tier, sizeof(out->tier), "%s",
	    verdict->tier != NULL ? verdict->tier : "session");
}

void
crb_denial_git(struct crb_denial *out, const struct crb_session *session,
    const char *credential, const char *operation, const char *repository,
    const struct crb_verdict *verdict)
{
	CRB_AUTO_BUF struct crb_buf granted = CRB_BUF_INIT(1024);

	set(out, 403, "policy_denied",
	    verdict->rule != NULL ? "Denied by policy" : "Not granted");
	granted_words(session, credential, &granted);
	detail(out,
	    "%s %s %.200s is not granted to task %s; granted with %s: %s",
	    operation, strcmp(operation, "push") == 0 ? "to" : "of", repository,
	    session->task, credential,
	    granted.len > 0 ? crb_buf_text(&granted) : "nothing");
	crb_denial_rule(out, verdict);
	next_step(out,
	    "ask for it: credbroker session grant %s --grant %s:repository=%.200s,git=%s (on the host)",
	    session->id, credential, repository, operation);
}

void
crb_denial_verdict(struct crb_denial *out, const struct crb_session *session,
    const struct crb_question *question, const char *what,
    const struct crb_verdict *verdict)
{
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(GRANTED_MAX);
	CRB_AUTO_BUF struct crb_buf see = CRB_BUF_INIT(sizeof(out->next));

	if (verdict->effect == CRB_EFFECT_ASK)
		set(out, 403, "approval_needed", "Needs an approval");
	else
		set(out, 403, "policy_denied", "Denied by policy");
	crb_tiers_words(verdict, &words);
	detail(out, "%.600s by task %s is %s", what, session->task,
	    words.failed ? "denied" : crb_buf_text(&words));
	crb_denial_rule(out, verdict);
	crb_tiers_see(session, verdict, question, NULL, &see);
	next_step(out, "%s (on the host)", crb_buf_text(&see));
}

static json_t *
problem_of(const struct crb_denial *denial)
{
	json_t *problem;

	problem = json_pack("{s:o, s:s, s:i, s:s, s:[]}", "type",
	    json_sprintf("urn:credbroker:error:%s", denial->code), "title",
	    denial->title, "status", (int)denial->http, "detail",
	    denial->detail, "next_steps");
	if (problem == NULL)
		return NULL;
	if (denial->rule[0] != '\0')
		(void)json_object_set_new(
		    problem, "rule", json_string(denial->rule));
	if (denial->tier[0] != '\0')
		(void)json_object_set_new(
		    problem, "tier", json_string(denial->tier));
	if (denial->next[0] != '\0')
		(void)json_array_append_new(
		    json_object_get(problem, "next_steps"),
		    json_string(denial->next));
	return problem;
}

char *
crb_denial_json(const struct crb_denial *denial)
{
	CRB_AUTO_JSON json_t *problem = problem_of(denial);

	return problem != NULL ? crb_json_text(problem) : NULL;
}

char *
crb_denial_aws(const struct crb_denial *denial)
{
	CRB_AUTO_JSON json_t *problem = problem_of(denial);

	if (problem == NULL ||
	    json_object_set_new(problem, "Code", json_string(denial->code)) !=
		0 ||
	    json_object_set_new(
		problem, "Message", json_string(denial->detail)) != 0)
		return NULL;
	return crb_json_text(problem);
}

void
crb_denial_plain(const struct crb_denial *denial, struct crb_buf *out)
{
	crb_buf_printf(out, "credbroker: %s\n", denial->detail);
	if (denial->next[0] != '\0')
		crb_buf_printf(out, "credbroker: %s\n", denial->next);
}
