#include "policy/document.h"

#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "policy.h"

static const char whole[] =
    "{\n"
    "  \"$schema\": \"policy.schema.json\",\n"
    "  \"tier\": \"organization\", \"name\": \"acme\",\n"
    "  \"serial\": 8, \"expires\": \"2027-01-31T00:00:00Z\",\n"
    "  \"limits\": {\"session_lifetime\": \"8h\", \"mints_per_session\": 50,\n"
    "             \"bytes_per_session\": \"2GiB\"},\n"
    "  \"rules\": [\n"
    "    {\"id\": \"ask-delete\", \"effect\": \"ask\",\n"
    "     \"reason\": \"deleting ist endg\\u00fcltig\",\n"
    "     \"credentials\": [\"github\", \"gh-*\"],\n"
    "     \"scope\": {\"methods\": [\"DELETE\"], \"paths\": [\"/repos/**\"]},\n"
    "     \"tasks\": [\"ci-*\"], \"labels\": {\"team\": [\"core\", \"web/*\"]},\n"
    "     \"users\": [\"ann\"], \"groups\": [\"dev\"],\n"
    "     \"delivery\": [\"inject\"],\n"
    "     \"during\": {\"days\": [\"mon-fri\"], \"hours\": [\"09:00-17:30\"],\n"
    "                \"zone\": \"UTC\"},\n"
    "     \"approvers\": \"sec\", \"four_eyes\": true,"
    " \"durable\": true},\n"
    "    {\"id\": \"all\", \"effect\": \"allow\"}\n"
    "  ]\n"
    "}\n";

static enum crb_status
parse(const char *text, struct crb_policy **out, struct crb_err *err)
{
	return crb_policy_parse(
	    text, strlen(text), "test.json", &zones, out, err);
}

static void
a_whole_document_is_read(void **state)
{
	CRB_AUTO_POLICY struct crb_policy *policy = NULL;
	const struct crb_policy_about *about;
	struct crb_policy_rule_about rule;
	struct crb_err err = { 0 };

	(void)state;
	assert_ok(parse(whole, &policy, &err));
	about = crb_policy_about(policy);
	assert_int_equal(about->tier, CRB_TIER_ORGANIZATION);
	assert_string_equal(about->tier_name, "organization");
	assert_string_equal(about->name, "acme");
	assert_int_equal(about->serial, 8);
	assert_int_equal(about->expires, 1801353600);
	assert_int_equal(about->rules, 2);
	assert_int_equal(
	    about->limits.most[CRB_LIMIT_SESSION_LIFETIME], 8 * 3600);
	assert_int_equal(about->limits.most[CRB_LIMIT_MINTS], 50);
	assert_int_equal(about->limits.most[CRB_LIMIT_BYTES], INT64_C(2) << 30);
	assert_true(about->limits.most[CRB_LIMIT_REQUESTS] == CRB_UNLIMITED);
	rule = crb_policy_rule_about(policy, 0);
	assert_string_equal(rule.id, "ask-delete");
	assert_int_equal(rule.effect, CRB_EFFECT_ASK);
	assert_string_equal(rule.reason, "deleting ist endg\xc3\xbcltig");
	assert_int_equal(rule.line, 8);
	assert_string_equal(rule.approvers, "sec");
	assert_true(rule.four_eyes);
	assert_true(rule.durable);
	rule = crb_policy_rule_about(policy, 1);
	assert_false(rule.durable);
	assert_int_equal(rule.effect, CRB_EFFECT_ALLOW);
	assert_null(rule.reason);
	assert_int_equal(rule.line, 18);
}

#define TOP "{\"tier\": \"local\", \"name\": \"x\", "
#define RULES(rules) TOP "\"rules\": [" rules "]}"
#define RULE(members) \
	RULES("\n{\"id\": \"a\", \"effect\": \"allow\",\n" members "}")
#define HOSTS(host) RULE("\"scope\": {\"hosts\": [\"" host "\"]}")

static const struct refusal {
	const char *text;
	const char *says;
} refusals[] = {
	/* JSON */
	{ "", "test.json:1: ends too early" },
	{ "[]", "test.json:1: must be an object" },
	{ "{", "test.json:1: ends too early" },
	{ "{\n\"tier\"", "test.json:2: ends too early" },
	{ "{\n\"tier\" 1", "test.json:2: not valid JSON" },
	{ "{,}", "test.json:1: not valid JSON" },
	{ "{\"tier\": \"local\",\n}",
	    "test.json:2: not valid JSON: there is a comma behind the last" },
	{ "{\"tier\": \"local\"\n\"name\": \"x\"}",
	    "test.json:2: not valid JSON: a comma is missing before this" },
	{ TOP "\"rules\": [{\"id\": \"a\", \"effect\": \"deny\"},]}",
	    "rules: not valid JSON: there is a comma behind the last one" },
	{ "{\"tier\": \"loc\nal\"}", "control character" },
	{ "{\"tier\": \"a\\u0000\"}", "unknown escape" },
	{ "{\"tier\": \"a\\ud800\"}", "unknown escape" },
	{ "{\"tier\": \"a\xc3(\"}", "not UTF-8" },
	{ "{\"tier\": \"a\xc2\x85\"}", "not UTF-8" },
	{ "{\"tier\": \"a\\", "unknown escape" },
	{ "{\"tier\": null}", "tier: must be text" },
	{ RULES("") "x", "test.json:1: something behind the value" },
	{ "\xef\xbb\xbf{}", "test.json:1: must be an object" },
	/* members */
	{ "{}", "test.json:1: \"tier\" is missing" },
	{ TOP "\"rule\": []}",
	    "unknown key \"rule\"; did you mean \"rules\"?" },
	{ TOP "\"name\": \"y\", \"rules\": []}", "name: is there twice" },
	{ TOP "\"rules\": [], \"rules\": []}", "rules: is there twice" },
	{ "{\"tier\": \"global\"}",
	    "tier: \"global\" is not one of organization, team, local" },
	{ "{\"name\": \"A\"}", "name: \"A\" is no name" },
	{ "{\"tier\": \"organization\", \"name\": \"x\", \"rules\": []}",
	    "\"serial\" is missing" },
	{ TOP "\"serial\": 0, \"rules\": []}", "serial: must be 1 or more" },
	{ TOP "\"serial\": -1, \"rules\": []}", "serial: must be a whole" },
	{ TOP "\"serial\": 1.0, \"rules\": []}", "serial: must be a whole" },
	{ TOP "\"serial\": 01, \"rules\": []}", "not valid JSON" },
	{ TOP "\"serial\": \"1\", \"rules\": []}", "serial: must be a whole" },
	{ TOP "\"serial\": 1234567890123456, \"rules\": []}", "15 digits" },
	{ TOP "\"expires\": \"2027-02-29T00:00:00Z\"}", "is no time" },
	{ TOP "\"expires\": \"2027-02-28\"}", "expires: \"2027-02-28\" is no" },
	{ TOP "\"expires\": \"2027-02-28T00:00:00+01:00\"}", "is no time" },
	{ TOP "\"limits\": {\"mints\": 1}}", "limits.mints: unknown limit" },
	{ TOP "\"limits\": {\"session_lifetime\": 1}}",
	    "limits.session_lifetime: must be text" },
	{ TOP "\"limits\": {\"session_lifetime\": \"0s\"}}",
	    "limits.session_lifetime: must be at least 1s" },
	{ TOP "\"limits\": {\"concurrent_requests\": 0}}",
	    "limits.concurrent_requests: must be at least 1" },
	{ TOP "\"limits\": {\"session_lifetime\": \"8\"}}",
	    "test.json:1: limits.session_lifetime: " },
	{ TOP "\"limits\": {\"requests_per_minute\": 1,"
	      " \"requests_per_minute\": 1}}",
	    "is there already" },
	/* rules */
	{ RULES("{}"), "rules[0]: \"id\" is missing" },
	{ RULES("{\"id\": \"a\"}"), "rules[0]: \"effect\" is missing" },
	{ RULES("{\"id\": \"a\", \"effect\": \"Deny\"}"),
	    "rules[0].effect: \"Deny\" is not one of deny, ask, allow" },
	{ RULES("{\"id\": \"a\", \"effect\": \"ask\"},\n\n"
		"{\"id\": \"a\", \"effect\": \"deny\"}"),
	    "test.json:3: rules[1].id: \"a\" is the id of the rule in line 1" },
	{ RULE("\"credential\": []"), "did you mean \"credentials\"?" },
	{ RULE("\"credentials\": \"x\""), "credentials: must be a list" },
	{ RULE("\"credentials\": [1]"), "credentials: must be text" },
	{ RULE("\"credentials\": [\"x\",]"),
	    "credentials: not valid JSON: there is a comma behind the last" },
	{ RULE("\"credentials\": [\"GitHub\"]"),
	    "test.json:3: rules[0].credentials: \"GitHub\" can never match" },
	{ RULE("\"credentials\": [\"\"]"), "can never match: it is empty" },
	{ RULE("\"scope\": {\"repo\": []}"), "unknown attribute \"repo\"" },
	{ RULE("\"scope\": {\"git\": [], \"git\": []}"), "is there already" },
	{ RULE("\"scope\": {\"git\":\n [\"fetch\",\n\"pull\"]}"),
	    "test.json:5: rules[0].scope.git: \"pull\" is not one of fetch, "
	    "push" },
	{ RULE("\"scope\": {\"ref\": [\"main\"]}"),
	    "scope.ref: \"main\" can never match: all of them start with refs/" },
	/* A host is compared without all that may stand beside it. */
	{ HOSTS("api.test:8443"),
	    "test.json:3: rules[0].scope.hosts: \"api.test:8443\" can never "
	    "match: there is none with a \":\": hosts are compared without "
	    "scheme, user, port and path" },
	{ HOSTS("*.test:*"), "without scheme, user, port and path" },
	{ HOSTS("[::1]"), "there is none with a \"[\"" },
	{ HOSTS("https://api.test"), "without scheme, user, port and path" },
	{ HOSTS("api.test/v1"), "there is none with a \"/\"" },
	{ HOSTS("bot@api.test"), "there is none with a \"@\"" },
	{ HOSTS("api.test."), "can never match: there is none with an empty" },
	{ HOSTS("-api.test"), "a \"-\" at an end of a part of it" },
	{ HOSTS("api.te-"), "a \"-\" at an end of a part of it" },
	{ HOSTS("api-.*"), "a \"-\" at an end of a part of it" },
	{ RULE("\"scope\": {\"ref\": [\"refs/heads/a**\"]}"), "whole segment" },
	{ RULE("\"scope\": {\"repository\": [\"acme//api\"]}"),
	    "empty segment" },
	{ RULE("\"scope\": {\"repository\": [\"/acme\"]}"), "empty segment" },
	{ RULE("\"scope\": {\"repository\": [\"acme/\"]}"), "empty segment" },
	{ RULE("\"scope\": {\"repository\": [\"acme/api.git\"]}"), ".git" },
	{ RULE("\"scope\": {\"repository\": [\"acme/a?i\"]}"), "with a ?" },
	{ RULE("\"scope\": {\"repository\": [\"acme/\\u00fc\"]}"), "ASCII" },
	{ RULE("\"scope\": {\"paths\": [\"repos\"]}"), "start with /" },
	{ RULE("\"scope\": {\"paths\": [\"/a%2Db\"]}"), "escape" },
	{ RULE("\"scope\": {\"paths\": [\"/a%2fb\"]}"), "escape" },
	{ RULE("\"scope\": {\"paths\": [\"/100%\"]}"), "escape" },
	{ RULE("\"scope\": {\"paths\": [\"/a%2\"]}"), "escape" },
	{ RULE("\"scope\": {\"paths\": [\"/a$b\"]}"), "with a $" },
	{ RULE("\"scope\": {\"paths\": [\"/a/../b\"]}"), "segment" },
	{ RULE("\"scope\": {\"paths\": [\"/a/.\"]}"), "segment" },
	{ RULE("\"scope\": {\"methods\": [\"get\"]}"), "is not one of GET" },
	{ RULE("\"scope\": {\"actions\": [\"GetObject\"]}"), "have a :" },
	{ RULE("\"scope\": {\"actions\": [\"s3:Get Object\"]}"), "spaces" },
	{ RULE("\"scope\": {\"resources\": [\"bucket/*\"]}"), "with arn:" },
	{ RULE("\"scope\": {\"resources\": [\"arn:aws:s3:::${x}\"]}"),
	    "with a $" },
	{ RULE("\"labels\": {\"Team\": []}"), "no name of a label" },
	{ RULE("\"labels\": {\"a\": [], \"a\": []}"), "is there already" },
	{ RULE("\"delivery\": [\"minted\"]"), "is not one of mint, inject" },
	{ RULE("\"during\": {\"days\": [\"mon\"]}"), "\"zone\" is missing" },
	{ RULE("\"during\": {\"zone\": \"Mars/Base\"}"),
	    "during.zone: \"Mars/Base\" is no time zone" },
	{ RULE("\"during\": {\"zone\": \"../etc\"}"), "is no time zone" },
	{ RULE("\"during\": {\"zone\": \"UTC\", \"days\": [\"monday\"]}"),
	    "during.days: days are" },
	{ RULE("\"during\": {\"zone\": \"UTC\", \"hours\": [\"9:00-10:00\"]}"),
	    "during.hours: hours are" },
	{ RULE("\"during\": {\"zone\": \"UTC\", \"hours\": [\"09:00-25:00\"]}"),
	    "hours are" },
	{ RULE("\"during\": {\"zone\": \"UTC\", \"hours\": [\"09:00-09:00\"]}"),
	    "no time at all" },
	{ RULE("\"approvers\": \"sec\""), "only for effect ask" },
	{ RULE("\"four_eyes\": true"), "four_eyes is only for effect ask" },
	{ RULES("\n{\"id\": \"a\", \"effect\": \"deny\", \"durable\": true}"),
	    "test.json:2: rules[0]: durable is only for effects allow and "
	    "ask" },
	{ RULE("\"durable\": 1"),
	    "test.json:3: rules[0].durable: must be true or false" },
	{ RULES("{\"id\": \"a\", \"effect\": \"ask\", \"four_eyes\": tru}"),
	    "not valid JSON" },
};

static void
what_is_wrong_is_said_with_file_line_and_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct crb_policy *policy = NULL;
		struct crb_err err = { 0 };

		if (parse(refusals[i].text, &policy, &err) == CRB_OK)
			fail_msg("accepted: %s", refusals[i].text);
		assert_null(policy);
		if (strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s\n  says \"%s\",\n  wanted \"%s\"",
			    refusals[i].text, err.msg, refusals[i].says);
	}
}

/* Without zones to ask, only what no zone can be called is refused. */
static void
zones_are_asked_of_the_caller(void **state)
{
	static const char text[] = RULE(
	    "\"during\": {\"zone\": \"Mars/Base\"}");
	CRB_AUTO_POLICY struct crb_policy *policy = NULL;
	struct crb_err err = { 0 };

	(void)state;
	assert_ok(crb_policy_parse(
	    text, strlen(text), "test.json", NULL, &policy, &err));
}

static char *
repeat(const char *start, const char *piece, size_t count, const char *end)
{
	size_t len = strlen(piece), at = strlen(start);
	char *text = malloc(at + len * count + strlen(end) + 1);

	assert_non_null(text);
	memcpy(text, start, at);
	for (size_t i = 0; i < count; i++, at += len)
		memcpy(text + at, piece, len);
	memcpy(text + at, end, strlen(end) + 1);
	return text;
}

static void
refuses(char *text, const char *says)
{
	struct crb_policy *policy = NULL;
	struct crb_err err = { 0 };
	clock_t before = clock();

	assert_int_not_equal(parse(text, &policy, &err), CRB_OK);
	assert_says(says);
	/* Quickly, even under sanitizers: it is the order that counts. */
	assert_true(clock() - before < 5 * CLOCKS_PER_SEC);
	free(text);
}

static void
everything_has_a_bound(void **state)
{
	(void)state;
	refuses(repeat("", "[", 10u << 20, ""), "more than 4194304 bytes");
	refuses(repeat("", "{\"rules\":[", 1u << 20, ""), "more than 4194304");
	refuses(repeat("", "[", 4u << 20, ""), "must be an object");
	refuses(repeat("", "{\"rules\":[", 400000, ""), "unknown key");
	refuses(repeat(RULE("\"reason\": \""), "", 0, ""), "too early");
	refuses(repeat("{\"tier\": \"", "x", 3u << 20, "\"}"),
	    "a text of more than 64 bytes");
	refuses(repeat("{\"", "x", 3u << 20, "\": 1}"),
	    "a text of more than 64 bytes");
	refuses(repeat(TOP "\"rules\": [{\"credentials\": [\"a\"", ",\"a\"",
		    1024, "]}]}"),
	    "more than 1024 values");
	refuses(repeat(TOP "\"rules\": [{\"reason\": \"", "x", 513, "\"}]}"),
	    "rules[0].reason: a text of more than 512 bytes");
	refuses(repeat(TOP "\"rules\": [{\"scope\": {\"resources\": [\"arn:",
		    "x", 2048, "\"]}}]}"),
	    "more than 2047 bytes");
	refuses(
	    repeat(TOP "\"rules\": [{\"credentials\": [\"", "x", 65, "\"]}]}"),
	    "it is too long");
}

static void
there_are_ten_thousand_rules_at_most(void **state)
{
	struct crb_err err = { 0 };

	(void)state;
	for (unsigned count = 10000; count <= 10001; count++) {
		CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4u << 20);
		CRB_AUTO_POLICY struct crb_policy *policy = NULL;

		crb_buf_str(&text, TOP "\"rules\": [");
		for (unsigned i = 0; i < count; i++)
			crb_buf_printf(&text,
			    "%s{\"id\": \"r%u\", \"effect\": \"deny\"}",
			    i > 0 ? ",\n" : "", i);
		crb_buf_str(&text, "]}");
		assert_false(text.failed);
		if (count == 10000)
			assert_ok(parse(text.data, &policy, &err));
		else
			assert_fails(
			    parse(text.data, &policy, &err), CRB_ERR_LIMIT);
	}
	assert_says("test.json:10001: rules: more than 10000 rules");
}

static void
the_schema_is_json_and_says_every_key(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1u << 20);
	CRB_AUTO_JSON json_t *schema = NULL;
	struct crb_err err = { 0 };
	json_t *rule;

	(void)state;
	crb_policy_schema(&text);
	assert_false(text.failed);
	assert_ok(crb_json_parse(text.data, text.len, "schema", &schema, &err));
	rule = json_object_get(json_object_get(schema, "properties"), "rules");
	rule = json_object_get(json_object_get(rule, "items"), "properties");
	assert_non_null(json_object_get(rule, "four_eyes"));
	assert_int_equal(json_object_size(rule), 14);
	rule = json_object_get(json_object_get(rule, "scope"), "properties");
	assert_non_null(json_object_get(rule, "resources"));
}

static void
of_limits_the_least_wins(void **state)
{
	struct crb_limits all, one;

	(void)state;
	crb_limits_init(&all);
	crb_limits_init(&one);
	assert_true(all.most[CRB_LIMIT_MINTS] == CRB_UNLIMITED);
	one.most[CRB_LIMIT_MINTS] = 10;
	crb_limits_narrow(&all, &one, "organization");
	one.most[CRB_LIMIT_MINTS] = 20;
	one.most[CRB_LIMIT_BYTES] = 0;
	crb_limits_narrow(&all, &one, "team");
	assert_int_equal(all.most[CRB_LIMIT_MINTS], 10);
	assert_string_equal(all.tier[CRB_LIMIT_MINTS], "organization");
	assert_int_equal(all.most[CRB_LIMIT_BYTES], 0);
	assert_string_equal(all.tier[CRB_LIMIT_BYTES], "team");
	assert_null(all.tier[CRB_LIMIT_REQUESTS]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_document_is_read),
		cmocka_unit_test(what_is_wrong_is_said_with_file_line_and_key),
		cmocka_unit_test(zones_are_asked_of_the_caller),
		cmocka_unit_test(everything_has_a_bound),
		cmocka_unit_test(there_are_ten_thousand_rules_at_most),
		cmocka_unit_test(the_schema_is_json_and_says_every_key),
		cmocka_unit_test(of_limits_the_least_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
