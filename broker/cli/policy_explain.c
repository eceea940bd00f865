#include "broker/cli/policy_explain.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_load.h"
#include "broker/cli/policy_words.h"
#include "policy/document.h"

#define WORDS_MAX 16384

/* What each tier says by itself; the session's is the last. */
struct tier_verdicts {
	size_t count;
	struct crb_verdict at[CRB_TIERS + 1];
};

struct telling {
	const struct crb_question *question;
	const struct tier_verdicts *verdicts;
	struct crb_output *output; /* or NULL */
	json_t *rules;             /* or NULL */
};

static void
decide_each(const struct crb_tiers *tiers, const struct crb_question *question,
    struct tier_verdicts *out)
{
	out->count = 0;
	for (size_t i = 0; i < tiers->count; i++) {
		const struct crb_tiers one = { &tiers->policy[i], 1, NULL };

		if (tiers->policy[i] == NULL)
			continue;
		crb_policy_decide(&one, question, &out->at[out->count]);
		crb_policy_closest(&one, question, &out->at[out->count]);
		(void)crb_policy_run_out(&one, question, &out->at[out->count]);
		out->count++;
	}
	if (tiers->session != NULL) {
		const struct crb_tiers one = { NULL, 0, tiers->session };

		crb_policy_decide(&one, question, &out->at[out->count++]);
	}
}

/* It is by this rule that its tier has decided. */
static bool
decides(const struct telling *telling, const struct crb_explained *explained)
{
	for (size_t i = 0; i < telling->verdicts->count; i++) {
		const struct crb_verdict *verdict = &telling->verdicts->at[i];

		if (verdict->tier != NULL && verdict->rule != NULL &&
		    strcmp(verdict->tier, explained->tier) == 0 &&
		    strcmp(verdict->rule, explained->rule) == 0)
			return true;
	}
	return false;
}

static const char *
match_word(enum crb_match match)
{
	static const char *const words[] = { [CRB_MATCH_NO] = "no",
		[CRB_MATCH_UNPROVED] = "unproved",
		[CRB_MATCH_LATER] = "later",
		[CRB_MATCH_SOME] = "some",
		[CRB_MATCH_ALL] = "yes" };

	return words[match];
}

/* Why a rule did not match, or what it says when it did. */
static void
add_why(const struct crb_question *question,
    const struct crb_explained *explained, struct crb_buf *out)
{
	if (explained->matcher == NULL) {
		if (explained->match == CRB_MATCH_SOME)
			crb_buf_str(out, "some of what is asked");
		if (explained->match == CRB_MATCH_SOME &&
		    explained->reason != NULL)
			crb_buf_str(out, ": ");
		if (explained->reason != NULL)
			crb_buf_str(out, explained->reason);
		return;
	}
	crb_buf_printf(out, "%s: ", explained->matcher);
	crb_question_value(question, explained->matcher, out);
	if (explained->match == CRB_MATCH_UNPROVED)
		crb_buf_str(out, " may not lie inside wholly");
	else if (explained->match == CRB_MATCH_LATER)
		crb_buf_str(out, "; each request is asked about");
}

static void
print_rule(const struct telling *telling, const struct crb_explained *explained)
{
	CRB_AUTO_BUF struct crb_buf why = CRB_BUF_INIT(WORDS_MAX);
	char line[16] = "-";
	const char *cells[] = { explained->tier, explained->policy, line,
		explained->rule, crb_effect_word(explained->effect), NULL,
		NULL };

	if (explained->line > 0)
		(void)snprintf(line, sizeof(line), "%u", explained->line);
	add_why(telling->question, explained, &why);
	if (explained->durable)
		crb_buf_printf(&why, "%sdurable", why.len > 0 ? "; " : "");
	cells[5] = decides(telling, explained) ? "decides"
					       : match_word(explained->match);
	if (why.len > 0)
		cells[6] = crb_buf_text(&why);
	crb_output_row(telling->output, cells);
}

static json_t *
rule_json(const struct telling *telling, const struct crb_explained *explained)
{
	json_t *json = json_pack("{s:s, s:s*, s:s*, s:s, s:s*, s:s, s:s*, s:b}",
	    "tier", explained->tier, "policy", explained->policy, "rule",
	    explained->rule, "effect", crb_effect_word(explained->effect),
	    "reason", explained->reason, "matches",
	    match_word(explained->match), "matcher", explained->matcher,
	    "decides", (int)decides(telling, explained));

	if (json != NULL && explained->durable)
		(void)json_object_set_new(json, "durable", json_true());
	if (json != NULL && explained->line > 0)
		(void)json_object_set_new(
		    json, "line", json_integer((json_int_t)explained->line));
	return json;
}

static void
tell(void *ctx, const struct crb_explained *explained)
{
	const struct telling *telling = ctx;

	if (telling->output != NULL)
		print_rule(telling, explained);
	else
		(void)json_array_append_new(
		    telling->rules, rule_json(telling, explained));
}

/*
 * Without any policy a session's grants are all that there is; they are not
 * asked when nobody says which.  The rules are told in any case.
 */
static void
explain(const struct crb_tiers *tiers, struct telling *telling,
    const char *problem, bool ask_always, struct crb_verdict *out)
{
	bool any = tiers->session != NULL;

	for (size_t i = 0; i < tiers->count; i++)
		any = any || tiers->policy[i] != NULL;
	if (any)
		crb_policy_explain(
		    tiers, telling->question, out, tell, telling);
	else
		*out = (struct crb_verdict){ .effect = CRB_EFFECT_ALLOW };
	(void)crb_policy_run_out(tiers, telling->question, out);
	if (problem != NULL)
		*out = (struct crb_verdict){ .effect = CRB_EFFECT_DENY,
			.problem = problem };
	if (ask_always)
		crb_policy_ask_always(out);
}

static const char *
kind_word(enum crb_question_kind kind)
{
	static const char *const words[] = { [CRB_QUESTION_REQUEST] = "request",
		[CRB_QUESTION_MINT] = "mint",
		[CRB_QUESTION_INJECT] = "inject" };

	return words[kind];
}

/* The facts, as matchers are called. */
static const char *const facts[] = { "credentials", "tasks", "labels", "users",
	"groups", "delivery", "during" };
#define FACTS (sizeof(facts) / sizeof(*facts))

static void
print_fact(const struct crb_question *question, const char *name)
{
	CRB_AUTO_BUF struct crb_buf value = CRB_BUF_INIT(WORDS_MAX);

	crb_question_value(question, name, &value);
	crb_output_pair(name, crb_buf_text(&value));
}

static void
print_question(const struct crb_question *question)
{
	crb_output_pair("ask", kind_word(question->kind));
	for (size_t i = 0; i < FACTS; i++)
		print_fact(question, facts[i]);
	for (size_t i = 0; i < question->count; i++)
		print_fact(question, question->at[i].name);
	putchar('\n');
}

static void
print_verdict(const struct crb_question *question, const char *label,
    const struct crb_verdict *verdict)
{
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(WORDS_MAX);

	crb_verdict_words(verdict, question, &words);
	crb_output_pair(label, crb_buf_text(&words));
}

void
crb_policy_explain_print(const struct crb_tiers *tiers,
    const struct crb_question *question, const char *problem, bool ask_always)
{
	static const char *const heads[] = { "TIER", "POLICY", "LINE", "RULE",
		"EFFECT", "MATCHES", "WHY", NULL };
	struct tier_verdicts verdicts;
	struct telling telling = { question, &verdicts, NULL, NULL };
	struct crb_verdict verdict;

	decide_each(tiers, question, &verdicts);
	print_question(question);
	telling.output = crb_output_new(stdout, heads);
	explain(tiers, &telling, problem, ask_always, &verdict);
	crb_output_end(telling.output);
	putchar('\n');
	for (size_t i = 0; verdicts.count > 1 && i < verdicts.count; i++)
		print_verdict(question, verdicts.at[i].tier, &verdicts.at[i]);
	print_verdict(question, "verdict", &verdict);
}

static json_t *
question_json(const struct crb_question *question)
{
	json_t *json = json_pack("{s:s}", "ask", kind_word(question->kind));

	for (size_t i = 0; i < FACTS + question->count; i++) {
		CRB_AUTO_BUF struct crb_buf value = CRB_BUF_INIT(WORDS_MAX);
		const char *name = i < FACTS ? facts[i]
					     : question->at[i - FACTS].name;

		crb_question_value(question, name, &value);
		(void)json_object_set_new(
		    json, name, crb_output_string(crb_buf_text(&value)));
	}
	return json;
}

json_t *
crb_policy_explain_json(const struct crb_tiers *tiers,
    const struct crb_question *question, const char *problem, bool ask_always)
{
	struct tier_verdicts verdicts;
	struct telling telling = { question, &verdicts, NULL, json_array() };
	json_t *each = json_array();
	struct crb_verdict verdict;

	decide_each(tiers, question, &verdicts);
	explain(tiers, &telling, problem, ask_always, &verdict);
	for (size_t i = 0; i < verdicts.count; i++)
		(void)json_array_append_new(
		    each, crb_verdict_json(&verdicts.at[i]));
	return json_pack("{s:o, s:o, s:o, s:o}", "asked",
	    question_json(question), "rules", telling.rules, "tiers", each,
	    "verdict", crb_verdict_json(&verdict));
}
