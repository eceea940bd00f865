#include "policy/cases.h"

#include "policy.h"

static enum crb_status
parse(const char *text, struct crb_cases **out, struct crb_err *err)
{
	return crb_cases_parse(
	    text, strlen(text), "test.json", &zones, out, err);
}

#define CASE(members)                                                      \
	"{\"name\": \"n\", \"credential\": \"github\", \"task\": \"Fix\"," \
	" " members "}"
#define CASES(cases) "{\"cases\": [" cases "]}"

static void
cases_are_questions_with_verdicts(void **state)
{
	static const char text[] = CASES("\n" CASE(
	    "\"user\": \"ann\", \"groups\": [\"dev\"],"
	    " \"labels\": {\"team\": [\"core\"]}, \"scope\":"
	    " {\"git\": [\"push\"], \"repository\": [\"a/b\"]},"
	    " \"later\": [\"ref\"], \"at\":"
	    " \"2027-01-04T09:00:00Z\", \"expect\": \"allow\","
	    " \"rule\": \"dev\"") ",\n" CASE("\"ask\": \"mint\", \"open\": [\"actions\"],"
					     " \"lasts\": \"1h\", \"expect\": \"deny\"") ",\n" CASE("\"ask\": \"inject\", \"scope\": {\"git\": [\"fetch\","
												    " \"push\"], \"repository\": [\"a/*\"]},"
												    " \"expect\": \"ask\""));
	CRB_AUTO_CASES struct crb_cases *cases = NULL;
	CRB_AUTO_POLICY struct crb_policy *policy = policy_of("local",
	    "{\"id\": \"dev\", \"effect\": \"allow\", \"groups\": [\"dev\"],"
	    " \"labels\": {\"team\": [\"core\"]}, \"scope\":"
	    " {\"git\": [\"push\"], \"ref\": [\"refs/**\"]},"
	    " \"during\": {\"zone\": \"UTC\", \"days\": [\"mon\"]}},"
	    "{\"id\": \"all\", \"effect\": \"ask\", \"scope\":"
	    " {\"repository\": [\"**\"]}}");
	const struct crb_policy *const policies[] = { policy };
	const struct crb_tiers tiers = { policies, 1, NULL };
	const struct crb_case *one;
	struct crb_verdict verdict;
	struct crb_err err = { 0 };

	(void)state;
	assert_ok(parse(text, &cases, &err));
	assert_int_equal(crb_cases_count(cases), 3);
	one = crb_cases_at(cases, 0);
	assert_int_equal(one->line, 2);
	assert_string_equal(one->question.delivery, "inject");
	assert_int_equal(one->question.count, 3);
	/* The other rule asks. */
	assert_false(crb_case_run(one, &tiers, &verdict));
	assert_int_equal(verdict.effect, CRB_EFFECT_ASK);
	one = crb_cases_at(cases, 1);
	assert_string_equal(one->question.delivery, "mint");
	assert_int_equal(one->question.seconds, 3600);
	assert_null(one->question.zones);
	/* Nobody knows either; which is not to be in none. */
	assert_null(one->question.user);
	assert_null(one->question.groups);
	assert_true(crb_case_run(one, &tiers, &verdict));
	assert_true(crb_case_run(crb_cases_at(cases, 2), &tiers, &verdict));
}

static void
the_rule_has_to_be_the_one(void **state)
{
	CRB_AUTO_CASES struct crb_cases *cases = NULL;
	CRB_AUTO_POLICY struct crb_policy *policy = policy_of(
	    "local", "{\"id\": \"all\", \"effect\": \"allow\"}");
	const struct crb_policy *const policies[] = { policy };
	const struct crb_tiers tiers = { policies, 1, NULL };
	struct crb_verdict verdict;
	struct crb_err err = { 0 };

	(void)state;
	assert_ok(parse(
	    CASES(CASE("\"expect\": \"allow\", \"rule\": \"all\"") "," CASE(
		"\"expect\": \"allow\", \"rule\": \"x\"")),
	    &cases, &err));
	assert_true(crb_case_run(crb_cases_at(cases, 0), &tiers, &verdict));
	assert_false(crb_case_run(crb_cases_at(cases, 1), &tiers, &verdict));
}

static void
what_no_rule_can_be_about_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} refusals[] = {
		{ "{}", "test.json:1: \"cases\" is missing" },
		{ CASES("{}"), "cases[0]: \"name\" is missing" },
		{ CASES(CASE("\"expected\": \"deny\"")), "mean \"expect\"?" },
		{ CASES(CASE("\"expect\": \"no\"")),
		    "cases[0].expect: \"no\" is not one of deny, ask, allow" },
		{ CASES("\n" CASE("\"expect\": \"deny\", \"scope\":"
				  " {\"git\": [\"pull\"]}")),
		    "test.json:2: cases[0].scope.git: \"pull\" is not one of" },
		{ CASES(CASE("\"expect\": \"deny\", \"scope\":"
			     " {\"git\": [\"push\", \"fetch\"]}")),
		    "git has one value in a request" },
		{ CASES(CASE("\"expect\": \"deny\", \"scope\":"
			     " {\"repository\": [\"a/*\"]}")),
		    "repository has one value in a request" },
		{ CASES(CASE("\"expect\": \"deny\", \"scope\": {\"git\": []}")),
		    "git has no value" },
		{ CASES(CASE("\"expect\": \"deny\", \"open\": [\"git\"],"
			     " \"later\": [\"git\"]")),
		    "git is in two of" },
		{ CASES(CASE("\"expect\": \"deny\", \"ask\": \"mint\","
			     " \"later\": [\"git\"]")),
		    "git cannot come later" },
		{ CASES(CASE("\"expect\": \"deny\", \"open\": [\"gut\"]")),
		    "\"gut\" is no attribute" },
		{ CASES(CASE("\"expect\": \"deny\", \"labels\":"
			     " {\"team\": [\"a\", \"b\"]}")),
		    "team is a label, and has one value" },
		{ CASES(CASE("\"expect\": \"deny\", \"lasts\": \"1\"")),
		    "cases[0].lasts: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct crb_cases *cases = NULL;
		struct crb_err err = { 0 };

		if (parse(refusals[i].text, &cases, &err) == CRB_OK)
			fail_msg("accepted: %s", refusals[i].text);
		assert_null(cases);
		if (strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s says %s", refusals[i].text, err.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_are_questions_with_verdicts),
		cmocka_unit_test(the_rule_has_to_be_the_one),
		cmocka_unit_test(what_no_rule_can_be_about_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
