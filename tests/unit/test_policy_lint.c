#include "policy/lint.h"

#include <time.h>

#include "policy.h"
#include "policy/could.h"

static void
collect(void *ctx, const struct crb_lint *finding)
{
	crb_buf_printf(ctx, "%u: %s\n", finding->line, finding->text);
}

static void
finds(const char *rules, const char *expected)
{
	CRB_AUTO_BUF struct crb_buf found = CRB_BUF_INIT(1u << 16);
	struct crb_policy *policy = policy_of("local", rules);

	crb_policy_lint(policy, collect, &found);
	if (strcmp(crb_buf_text(&found), expected) != 0)
		fail_msg("%s\nfound:\n%sexpected:\n%s", rules,
		    crb_buf_text(&found), expected);
	crb_policy_free(policy);
}

#define ALL "{\"id\": \"all\", \"effect\": \"allow\"}"
#define RULE(id, effect, members) \
	",\n{\"id\": \"" id "\", \"effect\": \"" effect "\", " members "}"

static void
rules_that_match_nothing_are_found(void **state)
{
	(void)state;
	finds(ALL RULE("a", "deny", "\"credentials\": []"),
	    "2: rule a can never match: credentials is an empty list\n");
	finds(ALL RULE("a", "deny", "\"scope\": {\"ref\": []}"),
	    "2: rule a can never match: ref is an empty list\n");
	finds(ALL RULE("a", "deny", "\"labels\": {\"team\": []}"),
	    "2: rule a can never match: team is an empty list\n");
	finds(ALL RULE(
		  "a", "deny", "\"during\": {\"zone\": \"UTC\", \"days\": []}"),
	    "2: rule a can never match: during has no time in it\n");
	finds(ALL RULE("a", "deny",
		  "\"scope\": {\"git\": [\"push\"], \"hosts\": [\"x\"],"
		  " \"actions\": [\"*\"]}"),
	    "2: rule a can never match: no request has both git and actions\n");
	finds(ALL RULE("a", "deny",
		  "\"scope\": {\"git\": [\"fetch\"], \"ref\": [\"refs/**\"]}"),
	    "2: rule a can never match: only a push has a ref, and git is "
	    "fetch\n");
	finds(ALL RULE("a", "deny",
		  "\"scope\": {\"service\": [\"s3\"], \"methods\": [\"PUT\"]}")
		  RULE("b", "deny", "\"scope\": {\"git\": [\"fetch\"]}"),
	    "");
}

static void
rules_that_never_decide_are_found(void **state)
{
	(void)state;
	finds(ALL RULE("office-hours", "deny",
		  "\"during\": {\"zone\": \"UTC\", \"days\": [\"sat-sun\"]}")
		  RULE("ask-weekend", "ask",
		      "\"during\": {\"zone\": \"UTC\", \"days\": [\"sun\"]}"),
	    "3: rule ask-weekend can never decide: office-hours denies first\n");
	finds(ALL RULE("d", "deny",
		  "\"scope\": {\"repository\": [\"acme/**\", \"x/y\"]}")
		  RULE("r", "ask",
		      "\"scope\": {\"repository\": [\"Acme/a*\", \"X/Y\"],"
		      " \"git\": [\"push\"]}"),
	    "3: rule r can never decide: d denies first\n");
	finds(&RULE("d", "deny", "\"credentials\": [\"*\"]")[1],
	    "1: everything is denied: no rule that can match allows or asks\n");
	finds(ALL RULE("b", "allow", "\"credentials\": [\"github\"]"),
	    "2: rule b adds nothing: all allows all of that already\n");
	finds("{\"id\": \"a\", \"effect\": \"allow\", \"users\": [\"x\"]}" RULE(
		  "b", "allow", "\"users\": [\"x\"]"),
	    "2: rule b adds nothing: a allows all of that already\n");
}

static void
what_adds_something_is_not_found(void **state)
{
	(void)state;
	finds(ALL RULE("d", "deny", "\"scope\": {\"repository\": [\"a/*\"]}")
		  RULE("r", "ask", "\"scope\": {\"repository\": [\"a/**\"]}"),
	    "");
	/* A rule about what not every request has covers none that is not. */
	finds(ALL RULE("d", "deny", "\"scope\": {\"repository\": [\"**\"]}")
		  RULE("r", "ask", "\"users\": [\"ann\"]"),
	    "");
	finds(ALL RULE("d", "deny", "\"labels\": {\"a\": [\"x\"]}")
		  RULE("r", "ask", "\"labels\": {\"b\": [\"x\"]}"),
	    "");
	finds(ALL RULE("d", "deny",
		  "\"during\": {\"zone\": \"UTC\", \"days\": [\"sun\"]}")
		  RULE("r", "ask",
		      "\"during\": {\"zone\": \"Test/East\","
		      " \"days\": [\"sun\"]}"),
	    "");
	finds(ALL RULE("d", "ask", "\"users\": [\"x*\"]") RULE(
		  "r", "ask", "\"users\": [\"xy\"], \"approvers\": \"sec\""),
	    "");
	finds(ALL RULE("d", "deny", "\"users\": []")
		  RULE("r", "ask", "\"users\": [\"xy\"]"),
	    "2: rule d can never match: users is an empty list\n");
}

static void
a_rule_that_is_durable_adds_that(void **state)
{
	(void)state;
	finds(ALL RULE(
		  "a", "allow", "\"credentials\": [\"gh\"], \"durable\": true"),
	    "");
	finds(ALL RULE("q", "ask", "\"credentials\": [\"gh*\"]") RULE(
		  "a", "allow", "\"credentials\": [\"gh\"], \"durable\": true"),
	    "");
	finds(ALL RULE("q", "ask",
		  "\"credentials\": [\"gh*\"], \"durable\": true") RULE("a",
		  "allow", "\"credentials\": [\"gh\"], \"durable\": true"),
	    "3: rule a can never decide: q asks first\n");
	finds(ALL RULE("d", "deny", "\"credentials\": [\"gh*\"]") RULE(
		  "a", "allow", "\"credentials\": [\"gh\"], \"durable\": true"),
	    "3: rule a can never decide: d denies first\n");
	/* Of two that match the same it is the one that adds nothing. */
	finds("{\"id\": \"a\", \"effect\": \"allow\"},\n"
	      "{\"id\": \"b\", \"effect\": \"allow\", \"durable\": true}",
	    "1: rule a adds nothing: b allows all of that already\n");
}

static void
what_is_minted_is_durable_anyhow(void **state)
{
	(void)state;
	finds(
	    ALL RULE("m", "ask", "\"delivery\": [\"mint\"], \"durable\": true"),
	    "2: rule m is durable for nothing: it is about no request, and "
	    "what is minted is on record before anyhow\n");
	finds(ALL RULE("m", "ask",
		  "\"delivery\": [\"mint\", \"inject\"], \"durable\": true"),
	    "");
	finds(ALL RULE("m", "ask", "\"delivery\": [\"mint\"]"), "");
}

/* Rules that all have the same matchers, so that each pair is looked at. */
static void
ten_thousand_rules_take_a_bounded_time(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4u << 20);
	CRB_AUTO_BUF struct crb_buf found = CRB_BUF_INIT(1u << 16);
	struct crb_policy *policy;
	clock_t before;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		crb_buf_printf(&text,
		    "%s{\"id\": \"r%u\", \"effect\": \"allow\","
		    " \"users\": [\"u%u-*\"], \"tasks\": [\"t*\"]}",
		    i > 0 ? ",\n" : "", i, i);
	policy = policy_of("local", crb_buf_text(&text));
	before = clock();
	crb_policy_lint(policy, collect, &found);
	assert_true(clock() - before < 20 * CLOCKS_PER_SEC);
	crb_policy_free(policy);
	assert_non_null(strstr(crb_buf_text(&found), "too many rules"));
}

static bool
could(const char *rules, const struct crb_question *question)
{
	struct crb_policy *policy = policy_of("local", rules);
	bool could = crb_policy_could_allow(policy, question);

	crb_policy_free(policy);
	return could;
}

static void
a_grant_that_nobody_can_be_given_is_known(void **state)
{
	static const char *const values[] = { "fetch", "push" };
	const struct crb_question fetch_and_push = {
		.kind = CRB_QUESTION_INJECT,
		.credential = "github",
		.task = "t",
		.delivery = "inject",
		.count = 1,
		.at = { { .name = "git", .count = 2, .value = values } }
	};
#define FETCH "\"scope\": {\"git\": [\"fetch\"]}"
#define PUSH "\"scope\": {\"git\": [\"push\"]}"

	(void)state;
	assert_true(could(ALL, &fetch_and_push));
	/* Whoever asks, and whenever. */
	assert_true(
	    could("{\"id\": \"a\", \"effect\": \"ask\", \"users\": [\"ann\"],"
		  " \"tasks\": [\"x\"], \"labels\": {\"team\": [\"y\"]},"
		  " \"during\": {\"zone\": \"UTC\", \"days\": [\"mon\"]}}",
		&fetch_and_push));
	/* Each of its values, by one rule or another. */
	assert_false(could("{\"id\": \"f\", \"effect\": \"allow\", " FETCH "}",
	    &fetch_and_push));
	assert_true(could("{\"id\": \"f\", \"effect\": \"allow\", " FETCH
			  "}" RULE("p", "allow", PUSH),
	    &fetch_and_push));
	/* A deny of everybody is certain, one of somebody is not. */
	assert_false(could(ALL RULE("d", "deny", "\"delivery\": [\"inject\"]"),
	    &fetch_and_push));
	assert_true(
	    could(ALL RULE("d", "deny",
		      "\"delivery\": [\"inject\"], \"users\": [\"bob\"]"),
		&fetch_and_push));
	assert_false(could("{\"id\": \"a\", \"effect\": \"allow\","
			   " \"tasks\": []}",
	    &fetch_and_push));
}

static void
collect_name(void *ctx, unsigned line, const char *rule, const char *credential)
{
	crb_buf_printf(ctx, "%u %s %s\n", line, rule, credential);
}

static void
credentials_that_are_named_are_known(void **state)
{
	CRB_AUTO_BUF struct crb_buf found = CRB_BUF_INIT(1024);
	struct crb_policy *policy = policy_of("local",
	    ALL RULE("a", "deny",
		"\"credentials\": [\"github\", \"aws-*\", \"x\"]"));

	(void)state;
	crb_policy_credentials_named(policy, collect_name, &found);
	assert_string_equal(crb_buf_text(&found), "2 a github\n2 a x\n");
	crb_policy_free(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_that_match_nothing_are_found),
		cmocka_unit_test(rules_that_never_decide_are_found),
		cmocka_unit_test(what_adds_something_is_not_found),
		cmocka_unit_test(a_rule_that_is_durable_adds_that),
		cmocka_unit_test(what_is_minted_is_durable_anyhow),
		cmocka_unit_test(ten_thousand_rules_take_a_bounded_time),
		cmocka_unit_test(a_grant_that_nobody_can_be_given_is_known),
		cmocka_unit_test(credentials_that_are_named_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
