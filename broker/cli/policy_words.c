#include "broker/cli/policy_words.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "policy/attribute.h"

const char *
crb_effect_word(enum crb_effect effect)
{
	static const char *const words[] = { [CRB_EFFECT_DENY] = "deny",
		[CRB_EFFECT_ASK] = "ask",
		[CRB_EFFECT_ALLOW] = "allow" };

	return words[effect];
}

static void
add_asked(const struct crb_asked *asked, struct crb_buf *out)
{
	if (asked == NULL)
		crb_buf_str(out, "not part of it");
	else if (asked->state == CRB_ASKED_ANY)
		crb_buf_str(out, "any");
	else if (asked->state == CRB_ASKED_LATER)
		crb_buf_str(out, "not known yet");
	for (size_t i = 0; asked != NULL && asked->state == CRB_ASKED_VALUES &&
	     i < asked->count;
	     i++)
		crb_buf_printf(out, "%s%s", i > 0 ? "+" : "", asked->value[i]);
}

static void
add_groups(const struct crb_question *question, struct crb_buf *out)
{
	if (question->groups == NULL)
		crb_buf_str(out, "not known");
	else if (question->group_count == 0)
		crb_buf_str(out, "none");
	for (size_t i = 0;
	     question->groups != NULL && i < question->group_count; i++)
		crb_buf_printf(
		    out, "%s%s", i > 0 ? "+" : "", question->groups[i]);
}

static void
add_labels(const struct crb_question *question, struct crb_buf *out)
{
	if (question->label_count == 0)
		crb_buf_str(out, "none");
	for (size_t i = 0; i < question->label_count; i++)
		crb_buf_printf(out, "%s%s=%s", i > 0 ? "+" : "",
		    question->labels[i].key, question->labels[i].value);
}

static void
add_time(const struct crb_question *question, struct crb_buf *out)
{
	char text[CRB_TIME_TEXT];

	if (question->zones == NULL) {
		crb_buf_str(out, "at no known time");
		return;
	}
	crb_text_time(question->now, text);
	crb_buf_str(out, text);
	if (question->seconds > 0) {
		crb_text_time(question->now + question->seconds, text);
		crb_buf_printf(out, " to %s", text);
	}
}

static const char *
known(const char *fact)
{
	return fact != NULL ? fact : "not known";
}

void
crb_question_value(const struct crb_question *question, const char *matcher,
    struct crb_buf *out)
{
	if (strcmp(matcher, "credentials") == 0)
		crb_buf_str(out, known(question->credential));
	else if (strcmp(matcher, "tasks") == 0)
		crb_buf_str(out, known(question->task));
	else if (strcmp(matcher, "users") == 0)
		crb_buf_str(out, known(question->user));
	else if (strcmp(matcher, "delivery") == 0)
		crb_buf_str(out, known(question->delivery));
	else if (strcmp(matcher, "groups") == 0)
		add_groups(question, out);
	else if (strcmp(matcher, "labels") == 0)
		add_labels(question, out);
	else if (strcmp(matcher, "during") == 0)
		add_time(question, out);
	else
		add_asked(crb_question_find(question, matcher), out);
}

/* The one value at which it failed, of an attribute that has several. */
static void
add_failed(const struct crb_verdict *verdict,
    const struct crb_question *question, struct crb_buf *out)
{
	for (size_t i = 0; i < question->count; i++) {
		if (strcmp(question->at[i].name, verdict->matcher) == 0 &&
		    verdict->value[i] != NULL) {
			crb_buf_str(out, verdict->value[i]);
			return;
		}
	}
	crb_question_value(question, verdict->matcher, out);
}

static bool
has_matcher(const struct crb_question *question, const char *matcher)
{
	return crb_policy_attribute_find(matcher) == CRB_POLICY_ATTRIBUTES ||
	    crb_question_find(question, matcher) != NULL;
}

/* What came closest to allowing it, and where it failed. */
static void
add_closest(const struct crb_verdict *verdict,
    const struct crb_question *question, struct crb_buf *out)
{
	if (verdict->matcher == NULL)
		return;
	if (verdict->closest == NULL)
		crb_buf_str(out, "; no grant's");
	else
		crb_buf_printf(out, "; closest is %s, whose", verdict->closest);
	crb_buf_printf(out, " %s ", verdict->matcher);
	if (!has_matcher(question, verdict->matcher)) {
		crb_buf_str(out, "is no part of what is asked");
		return;
	}
	crb_buf_str(out,
	    verdict->closest == NULL ? "matches "
		: verdict->unproved  ? "cannot be shown to cover all of "
				     : "does not match ");
	add_failed(verdict, question, out);
}

static void
add_approvers(const struct crb_verdict *verdict, struct crb_buf *out)
{
	for (size_t i = 0; i < verdict->approver_count; i++)
		crb_buf_printf(out, "%s%s",
		    i > 0 ? " and of " : "; to be approved by a member of ",
		    verdict->approvers[i]);
	if (verdict->four_eyes)
		crb_buf_printf(out, "%s not by who issued the session",
		    verdict->approver_count > 0 ? "," : "; to be approved");
}

void
crb_verdict_words(const struct crb_verdict *verdict,
    const struct crb_question *question, struct crb_buf *out)
{
	crb_buf_str(out, crb_effect_word(verdict->effect));
	if (verdict->problem != NULL) {
		crb_buf_printf(out, ": %s", verdict->problem);
		return;
	}
	if (verdict->rule != NULL)
		crb_buf_printf(out, " by rule %s", verdict->rule);
	if (verdict->tier != NULL)
		crb_buf_printf(out, "%s tier %s",
		    verdict->rule != NULL ? "," : " by", verdict->tier);
	if (verdict->tier == NULL) {
		crb_buf_str(out, ": there is no policy");
	} else if (verdict->rule == NULL) {
		crb_buf_str(out, ": no rule allows it");
		add_closest(verdict, question, out);
	} else if (verdict->reason != NULL) {
		crb_buf_printf(out, ": %s", verdict->reason);
	}
	add_approvers(verdict, out);
	if (verdict->durable)
		crb_buf_str(out, "; on the disk before it goes upstream");
}

static void
set_text(json_t *json, const char *key, const char *text)
{
	if (text != NULL)
		(void)json_object_set_new(json, key, json_string(text));
}

json_t *
crb_verdict_json(const struct crb_verdict *verdict)
{
	json_t *json = json_object(), *groups;

	set_text(json, "effect", crb_effect_word(verdict->effect));
	set_text(json, "tier", verdict->tier);
	set_text(json, "policy", verdict->policy);
	set_text(json, "rule", verdict->rule);
	set_text(json, "reason", verdict->reason);
	set_text(json, "closest", verdict->closest);
	set_text(json, "matcher", verdict->matcher);
	set_text(json, "problem", verdict->problem);
	if (verdict->unproved)
		(void)json_object_set_new(json, "unproved", json_true());
	if (verdict->durable)
		(void)json_object_set_new(json, "durable", json_true());
	if (verdict->effect != CRB_EFFECT_ASK)
		return json;
	groups = json_array();
	for (size_t i = 0; i < verdict->approver_count; i++)
		(void)json_array_append_new(
		    groups, json_string(verdict->approvers[i]));
	(void)json_object_set_new(json, "approvers", groups);
	(void)json_object_set_new(
	    json, "four_eyes", json_boolean(verdict->four_eyes));
	return json;
}

void
crb_policy_limit_text(
    size_t limit, int64_t most, char out[CRB_POLICY_LIMIT_TEXT])
{
	_Static_assert(CRB_DURATION_TEXT <= CRB_POLICY_LIMIT_TEXT, "room");

	if (most == CRB_UNLIMITED)
		(void)snprintf(out, CRB_POLICY_LIMIT_TEXT, "no limit");
	else if (crb_limit_infos[limit].unit == CRB_LIMIT_SECONDS)
		crb_duration_text(most, out);
	else if (crb_limit_infos[limit].unit == CRB_LIMIT_BYTES_UNIT)
		crb_size_text((uint64_t)most, out);
	else
		(void)snprintf(
		    out, CRB_POLICY_LIMIT_TEXT, "%lld", (long long)most);
}
