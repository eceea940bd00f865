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
