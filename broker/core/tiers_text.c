#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/core/audit.h"
#include "broker/core/audit_line.h"
#include "broker/core/tiers.h"
#include "policy/attribute.h"

/* What is said of verdicts, and written down of questions. */
#define WORDS_MAX 1024
/* What a matcher takes, and one value of it. */
#define TAKES_MAX 240
#define VALUE_MAX 60
/* Of a command line that is proposed. */
#define SEE_MAX 256

/* "the organization's policy acme", "the grants of the session" */
static void
tier_words(const struct crb_verdict *verdict, struct crb_buf *out)
{
	const char *tier = verdict->tier != NULL ? verdict->tier : "session";

	if (strcmp(tier, "session") == 0)
		crb_buf_str(out, "the session");
	else if (strcmp(tier, "local") == 0)
		crb_buf_str(out, "the local policy");
	else
		crb_buf_printf(out, "the %s's policy", tier);
	if (verdict->policy != NULL)
		crb_buf_printf(out, " %s", verdict->policy);
}

/* "refs/heads/agent, refs/tags/v1 and 2 more", for who may try again. */
static void
takes_words(const struct crb_verdict *verdict, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(TAKES_MAX);

	for (size_t i = 0; i < verdict->takes_count && i < CRB_TAKES_MAX; i++) {
		crb_buf_str(&words, i == 0 ? ": it takes " : ", ");
		crb_text_escape(&words, verdict->takes[i],
		    strlen(verdict->takes[i]), VALUE_MAX);
	}
	if (verdict->takes_count > CRB_TAKES_MAX)
		crb_buf_printf(&words, " and %zu more",
		    verdict->takes_count - CRB_TAKES_MAX);
	if (!words.failed)
		crb_buf_str(out, crb_buf_text(&words));
}

static void
closest_words(const struct crb_verdict *verdict, struct crb_buf *out)
{
	crb_buf_str(out, "not allowed by ");
	tier_words(verdict, out);
	if (verdict->closest == NULL && verdict->matcher == NULL) {
		crb_buf_str(out, ": no rule of it is about this");
		return;
	}
	if (verdict->closest != NULL)
		crb_buf_printf(
		    out, ": rule %s comes closest, and", verdict->closest);
	else
		crb_buf_str(out, ":");
	if (verdict->unproved)
		crb_buf_printf(out,
		    " that all of it lies inside its \"%s\" cannot be shown",
		    verdict->matcher);
	else
		crb_buf_printf(out, " its \"%s\" does not match",
		    verdict->matcher != NULL ? verdict->matcher : "scope");
	takes_words(verdict, out);
}

static void
approvers_words(const struct crb_verdict *verdict, struct crb_buf *out)
{
	for (size_t i = 0; i < verdict->approver_count; i++)
		crb_buf_printf(out, "%s%s",
		    i == 0 ? ", by one of group " : " and ",
		    verdict->approvers[i]);
	if (verdict->four_eyes)
		crb_buf_str(out, ", by another than who has issued it");
}

void
crb_tiers_words(const struct crb_verdict *verdict, struct crb_buf *out)
{
	static const char *const said[] = {
		[CRB_EFFECT_DENY] = "denied by",
		[CRB_EFFECT_ASK] = "to be approved, says",
		[CRB_EFFECT_ALLOW] = "allowed by",
	};

	if (verdict->problem != NULL) {
		crb_buf_printf(out, "denied: %s", verdict->problem);
		return;
	}
	if (verdict->rule == NULL && verdict->effect == CRB_EFFECT_DENY) {
		closest_words(verdict, out);
		return;
	}
	crb_buf_str(out, said[verdict->effect]);
	if (verdict->rule != NULL)
		crb_buf_printf(out, " rule %s of", verdict->rule);
	crb_buf_char(out, ' ');
	tier_words(verdict, out);
	if (verdict->effect == CRB_EFFECT_ASK)
		approvers_words(verdict, out);
	if (verdict->reason != NULL)
		crb_buf_printf(out, ": %s", verdict->reason);
}

enum crb_status
crb_tiers_refuse(const struct crb_core *core, const struct crb_verdict *verdict,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(WORDS_MAX);

	if (verdict->problem == core->policies_why.msg) {
		*err = core->policies_why;
		return err->status;
	}
	crb_tiers_words(verdict, &words);
	return crb_err_set(err, CRB_ERR_DENIED, "%s",
	    words.failed ? "denied by policy" : crb_buf_text(&words));
}

/* Values of a request; what nothing narrows has an option of its own. */
static void
request_options(const struct crb_question *question, struct crb_buf *scope,
    struct crb_buf *more)
{
	for (size_t i = 0; i < question->count; i++) {
		const struct crb_asked *at = &question->at[i];

		if (at->state == CRB_ASKED_ANY)
			crb_buf_printf(more, " --open %s", at->name);
		if (at->state != CRB_ASKED_VALUES || at->count != 1)
			continue;
		if (scope->len > 0)
			crb_buf_char(scope, ',');
		crb_buf_printf(scope, "%s=", at->name);
		crb_scope_encode(scope, at->value[0]);
	}
}

/* It is typed in a shell, and the sandbox has chosen some of it. */
static bool
quotable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e || *text == '\'' ||
		    *text == '\\')
			return false;
	return true;
}

static void
add_option(struct crb_buf *out, const char *name, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_.,:/@%+=-";
	const char *quote = text[strspn(text, plain)] != '\0' ? "'" : "";

	if (!quotable(text))
		out->failed = true;
	crb_buf_printf(out, " --%s %s%s%s", name, quote, text, quote);
}

static void
add_labels(struct crb_buf *out, json_t *labels)
{
	const char *key;
	json_t *value;

	json_object_foreach(labels, key, value)
	{
		CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(SEE_MAX);

		crb_buf_printf(&text, "%s=%s", key, json_string_value(value));
		add_option(out, "label", crb_buf_text(&text));
	}
}

/* What is too long, or cannot be quoted, is left to who looks into it. */
void
crb_tiers_see(const struct crb_session *session,
    const struct crb_verdict *verdict, const struct crb_question *question,
    const struct crb_grant *grant, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf scope = CRB_BUF_INIT(SEE_MAX);
	CRB_AUTO_BUF struct crb_buf more = CRB_BUF_INIT(SEE_MAX);

	if (verdict->problem == session->core->policies_why.msg) {
		crb_buf_str(out, "see: credbroker policy show");
		return;
	}
	crb_buf_printf(out,
	    "see: credbroker policy explain --task %s --credential %s",
	    session->task,
	    grant != NULL ? grant->credential : question->credential);
	/* Its own grants say so: nobody else has them. */
	if (verdict->tier != NULL && strcmp(verdict->tier, "session") == 0 &&
	    grant == NULL)
		crb_buf_printf(out, " --session %s", session->id);
	add_labels(&more, session->labels);
	if (grant != NULL) {
		add_option(&more, "ask", crb_grant_delivery(grant));
		crb_buf_str(&scope, grant->scope_text);
	} else {
		request_options(question, &scope, &more);
	}
	if (scope.len > 0)
		add_option(&more, "scope", crb_buf_text(&scope));
	if (!scope.failed && !more.failed && more.len > 0)
		crb_buf_str(out, crb_buf_text(&more));
}

static void
json_text(struct crb_buf *out, const char *text)
{
	crb_audit_line_text(out, text, CRB_GLOB_MAX);
}

static void
asked_text(const struct crb_asked *asked, struct crb_buf *out)
{
	json_text(out, asked->name);
	crb_buf_char(out, ':');
	if (asked->state == CRB_ASKED_ANY) {
		crb_buf_str(out, "\"any\"");
		return;
	}
	if (asked->state == CRB_ASKED_LATER) {
		crb_buf_str(out, "\"later\"");
		return;
	}
	crb_buf_char(out, '[');
	for (size_t i = 0; i < asked->count; i++) {
		if (i > 0)
			crb_buf_char(out, ',');
		json_text(out, asked->value[i]);
	}
	crb_buf_char(out, ']');
}

static void
fold_text(const struct crb_question *question, struct crb_buf *out)
{
	bool any = false;

	for (size_t i = 0; i < question->count; i++) {
		if (!question->at[i].fold)
			continue;
		crb_buf_str(out, any ? "," : ",\"fold\":[");
		json_text(out, question->at[i].name);
		any = true;
	}
	if (any)
		crb_buf_char(out, ']');
}

static void
question_text(const struct crb_question *question, struct crb_buf *out)
{
	static const char *const kinds[] = {
		[CRB_QUESTION_REQUEST] = "request",
		[CRB_QUESTION_MINT] = "mint",
		[CRB_QUESTION_INJECT] = "inject",
	};
	bool some = false;

	crb_buf_str(out, "{\"kind\":");
	json_text(out, kinds[question->kind]);
	if (question->delivery != NULL) {
		crb_buf_str(out, ",\"delivery\":");
		json_text(out, question->delivery);
	}
	if (question->seconds != 0)
		crb_buf_printf(out, ",\"seconds\":%" PRId64, question->seconds);
	crb_buf_str(out, ",\"at\":{");
	for (size_t i = 0; i < question->count; i++) {
		/* What no policy can be about says nothing. */
		if (crb_policy_attribute_find(question->at[i].name) ==
		    CRB_POLICY_ATTRIBUTES)
			continue;
		if (some)
			crb_buf_char(out, ',');
		asked_text(&question->at[i], out);
		some = true;
	}
	crb_buf_char(out, '}');
	fold_text(question, out);
	crb_buf_char(out, '}');
}

/* A text that is cut is none any more. */
static void
drop_cut(struct crb_buf *out, size_t start)
{
	if (!out->failed && out->len - start <= CRB_AUDIT_ASKED_MAX)
		return;
	out->failed = false;
	if (out->data != NULL)
		out->data[start] = '\0';
	out->len = start;
}

void
crb_tiers_text(
    const struct crb_question *questions, size_t count, struct crb_buf *out)
{
	size_t start = out->len;

	crb_buf_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			crb_buf_char(out, ',');
		question_text(&questions[i], out);
	}
	crb_buf_char(out, ']');
	drop_cut(out, start);
}

void
crb_tiers_facts_text(const struct crb_session *session, struct crb_buf *out)
{
	CRB_AUTO_JSON json_t *facts = NULL;
	size_t start = out->len;
	char *json;

	facts = json_pack("{s:s*, s:O*, s:O}", "user", session->user, "groups",
	    session->groups, "labels", session->labels);
	json = facts != NULL ? crb_json_text(facts) : NULL;
	if (json != NULL)
		crb_buf_str(out, json);
	crb_json_text_free(json);
	drop_cut(out, start);
}
