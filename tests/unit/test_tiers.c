#include "broker/core/tiers.h"

#include <pwd.h>
#include <unistd.h>

#include "broker/core/judge.h"
#include "tests/unit/lease.h"

#define FETCH "service=git-upload-pack"
#define PUSH "service=git-receive-pack"
#define HOST "s3.eu-west-1.amazonaws.com"

#define POLICY(tier, name, rules)                                             \
	"{\"tier\": \"" tier "\", \"name\": \"" name "\", \"rules\": [" rules \
	"]}"
#define RULE(id, effect, more) \
	"{\"id\": \"" id "\", \"effect\": \"" effect "\"" more "}"
#define ALL RULE("all", "allow", "")

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static int
begin(void **state)
{
	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	lease_add_credential(&world);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static void
put(enum crb_policy_file file, const char *text)
{
	world.policy[file] = text;
	json_decref(world_call(&world, "policy.reload", json_object()));
}

/* A rule that denies, beside one that allows everything. */
static void
deny(const char *rule)
{
	static char text[2048];

	(void)snprintf(
	    text, sizeof(text), POLICY("local", "mine", ALL ", %s"), rule);
	put(CRB_POLICY_LOCAL, text);
}

static void
issue_fails(const char *grant, const char *says)
{
	world_call_fails(&world, "session.issue", lease_issue_params(grant),
	    "policy_denied", says);
}

static void
slice_says(struct crb_slice slice, const char *text)
{
	if (slice.len < strlen(text) ||
	    memmem(slice.p, slice.len, text, strlen(text)) == NULL)
		fail_msg("\"%.*s\" does not say \"%s\"", (int)slice.len,
		    slice.p, text);
}

static const struct crb_msg *
fetch(const char *query)
{
	(void)world_git(
	    &world, session, "GET", "git.test/acme/api.git/info/refs", query);
	return world_hear(&world, CRB_MSG_VERDICT);
}

static void
is_refused(const struct crb_msg *msg, const char *tier, const char *rule,
    const char *says)
{
	assert_int_equal(msg->verdict.allowed, 0);
	slice_says(msg->verdict.detail, says);
	slice_says(msg->verdict.tier, tier);
	slice_says(msg->verdict.rule, rule);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
}

/* The last line of this event. */
static json_t *
line(const char *event)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    &world, "audit.show", json_pack("{s:s}", "event", event));
	const json_t *events = json_object_get(result, "events");

	assert_true(json_array_size(events) > 0);
	return json_incref(json_array_get(events, json_array_size(events) - 1));
}

static void
says(const json_t *of, const char *key, const char *text)
{
	const char *is = json_string_value(json_object_get(of, key));

	if (is == NULL || strcmp(is, text) != 0)
		fail_msg("%s is %s, and not %s", key, is, text);
}

static void
a_grant_that_a_rule_denies_in_part_is_not_given(void **state)
{
	CRB_AUTO_JSON json_t *last = NULL;

	(void)state;
	deny(RULE("no-push", "deny",
	    ", \"reason\": \"not here\", \"scope\": {\"git\": [\"push\"]}"));
	issue_fails("gh:repository=acme/api,git=fetch+push",
	    "grant gh: git=push: denied by rule no-push of the local policy "
	    "mine: not here");
	last = line("session.issue");
	says(last, "decision", "deny");
	says(last, "tier", "local");
	says(last, "rule", "no-push");
	says(last, "credential", "gh");
	world_issue(&world, "gh:repository=acme/api,git=fetch", session);
}

static void
what_no_rule_allows_is_told_with_the_rule_that_came_closest(void **state)
{
	(void)state;
	put(CRB_POLICY_TEAM,
	    POLICY("team", "web",
		RULE("reads", "allow",
		    ", \"credentials\": [\"gh\"], \"scope\": "
		    "{\"repository\": [\"acme/*\"], \"git\": [\"fetch\"]}")));
	issue_fails("gh:repository=other/api",
	    "not allowed by the team's policy web: rule reads comes closest, "
	    "and its \"repository\" does not match: it takes acme/*");
	issue_fails("gh:repository=*/api", "cannot be shown");
	issue_fails(GRANT, "its \"credentials\" does not match");
	world_issue(&world, "gh:repository=acme/api", session);
}

static void
a_session_is_given_no_further_grant_that_a_rule_denies(void **state)
{
	(void)state;
	deny(RULE("no-push", "deny", ", \"scope\": {\"git\": [\"push\"]}"));
	world_issue(&world, "gh:repository=acme/api", session);
	world_call_fails(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant",
		"gh:repository=acme/web,git=push"),
	    "policy_denied", "denied by rule no-push");
	(void)world_git(
	    &world, session, "GET", "git.test/acme/web.git/info/refs", PUSH);
	is_refused(world_hear(&world, CRB_MSG_VERDICT), "session", "", "");
}

static void
a_live_session_follows_a_new_policy_at_its_next_request(void **state)
{
	CRB_AUTO_JSON json_t *last = NULL;

	(void)state;
	world_issue(&world, "gh:repository=acme/api,git=fetch+push", session);
	assert_int_equal(fetch(PUSH)->verdict.allowed, 1);
	(void)world_hear(&world, CRB_MSG_JOB);
	deny(RULE("frozen", "deny",
	    ", \"reason\": \"we move\", \"scope\": {\"git\": [\"push\"]}"));
	is_refused(fetch(PUSH), "local", "frozen",
	    "push to acme/api by task fix-1 is denied by rule frozen of the "
	    "local policy mine: we move");
	last = line("exchange.refused");
	says(last, "tier", "local");
	says(last, "rule", "frozen");
	says(last, "asked",
	    "[{\"kind\":\"request\",\"delivery\":\"inject\",\"at\":"
	    "{\"repository\":[\"acme/api\"],\"git\":[\"push\"],"
	    "\"hosts\":[\"git.test\"],\"ref\":\"later\","
	    "\"change\":\"later\"}}]");
	assert_int_equal(fetch(FETCH)->verdict.allowed, 1);
}

/* Of several tiers the widest is told when all of them allow. */
static void
what_is_allowed_says_which_rule_does_so(void **state)
{
	CRB_AUTO_JSON json_t *last = NULL;

	(void)state;
	put(CRB_POLICY_TEAM, POLICY("team", "web", ALL));
	put(CRB_POLICY_LOCAL,
	    POLICY("local", "mine", RULE("any", "allow", "")));
	world_issue(&world, "gh:repository=acme/api", session);
	assert_int_equal(fetch(FETCH)->verdict.allowed, 1);
	last = line("exchange.begin");
	says(last, "tier", "team");
	says(last, "rule", "all");
	json_decref(last);
	last = line("session.issue");
	assert_non_null(
	    strstr(json_string_value(json_object_get(last, "asked")),
		"\"labels\":{}"));
}

static void
with_two_credentials_for_a_host_the_one_that_is_allowed_is_used(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	world_add_credential(&world, "other");
	json_decref(world_call(&world, "session.issue",
	    json_pack("{s:s, s:[s,s]}", "task", "fix-1", "grants",
		"gh:repository=acme/api", "other:repository=acme/api")));
	json_decref(world_call(&world, "revoke", json_pack("{s:b}", "all", 1)));
	lease_session_of(
	    world_ask(&world, "session.issue",
		json_pack("{s:s, s:[s,s]}", "task", "fix-1", "grants",
		    "gh:repository=acme/api", "other:repository=acme/api")),
	    session);
	deny(RULE("not-gh", "deny", ", \"credentials\": [\"gh\"]"));
	msg = fetch(FETCH);
	assert_int_equal(msg->verdict.allowed, 1);
	slice_says(msg->verdict.rule, "all");
	(void)world_hear(&world, CRB_MSG_JOB);
	deny(RULE("neither", "deny", ", \"credentials\": [\"gh\", \"other\"]"));
	is_refused(fetch(FETCH), "local", "neither", "fetch of acme/api");
}

static const char *
me(void)
{
	const struct passwd *entry = getpwuid(getuid());

	return entry != NULL ? entry->pw_name : "x";
}

static void
deny_me(const char *what)
{
	char rule[256];

	(void)snprintf(rule, sizeof(rule),
	    RULE("not-you", "deny", ", \"%s\": [\"%s\"]"), what, me());
	deny(rule);
}

/* Who is not known is allowed nothing by a rule about users. */
static void
allow_only_me(void)
{
	static char text[512];

	(void)snprintf(text, sizeof(text),
	    POLICY(
		"local", "mine", RULE("you", "allow", ", \"users\": [\"%s\"]")),
	    me());
	put(CRB_POLICY_LOCAL, text);
}

static void
the_user_who_issues_it_is_what_rules_are_about(void **state)
{
	(void)state;
	deny_me("users");
	issue_fails("gh:repository=acme/api", "denied by rule not-you");
	deny(RULE("not-you", "deny", ", \"users\": [\"nobody-else\"]"));
	world_issue(&world, "gh:repository=acme/api", session);
}

static void
a_session_keeps_its_user_over_a_restart(void **state)
{
	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	world_restart(&world);
	deny_me("users");
	is_refused(fetch(FETCH), "local", "not-you", "");
	if (getpwuid(getuid()) == NULL)
		return;
	allow_only_me();
	assert_int_equal(fetch(FETCH)->verdict.allowed, 1);
}

static void
set_groups(json_t *groups)
{
	struct crb_session *live = crb_session_get(
	    world.core, CRB_SLICE(session));

	json_decref(live->groups);
	live->groups = groups;
}

/* Who is in groups that nobody can name may be in any. */
static void
groups_without_a_name_are_denied_what_any_group_is(void **state)
{
	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	deny(RULE("no", "deny", ", \"groups\": [\"contractors\"]"));
	set_groups(json_pack("[s]", "dev"));
	assert_int_equal(fetch(FETCH)->verdict.allowed, 1);
	(void)world_hear(&world, CRB_MSG_JOB);
	set_groups(json_pack("[s, s]", "dev", "gid 4711"));
	is_refused(fetch(FETCH), "local", "no", "");
	set_groups(NULL);
	is_refused(fetch(FETCH), "local", "no", "");
	put(CRB_POLICY_LOCAL,
	    POLICY("local", "mine",
		RULE("staff", "allow", ", \"groups\": [\"staff\"]")));
	is_refused(fetch(FETCH), "local", "", "its \"groups\"");
	set_groups(json_pack("[s]", "gid 4711"));
	is_refused(fetch(FETCH), "local", "", "its \"groups\"");
	set_groups(json_pack("[s, s]", "gid 4711", "staff"));
	assert_int_equal(fetch(FETCH)->verdict.allowed, 1);
}

static void
what_has_to_be_approved_is_said_at_issue(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const char *note;

	(void)state;
	deny(RULE("ask-keys", "ask",
	    ", \"reason\": \"they leave\", \"delivery\": [\"mint\"]"));
	result = world_call(&world, "session.issue", lease_issue_params(GRANT));
	note = json_string_value(
	    json_array_get(json_object_get(result, "notes"), 0));
	assert_string_equal(note,
	    "credential aws: each mint has to be approved, says rule ask-keys "
	    "of the local policy mine: they leave");
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
labels_and_task_are_what_rules_are_about(void **state)
{
	(void)state;
	deny(RULE("no-prod", "deny", ", \"labels\": {\"env\": [\"prod\"]}"));
	world_call_fails(&world, "session.issue",
	    json_pack("{s:s, s:[s], s:{s:s}}", "task", "fix-1", "grants",
		"gh:repository=acme/api", "labels", "env", "prod"),
	    "policy_denied", "no-prod");
	deny(RULE("no-ci", "deny", ", \"tasks\": [\"fix-*\"]"));
	issue_fails("gh:repository=acme/api", "no-ci");
}

static void
keys_are_not_minted_when_a_rule_may_deny_what_they_can_do(void **state)
{
	(void)state;
	deny(RULE(
	    "no-get", "deny", ", \"scope\": {\"actions\": [\"s3:Get*\"]}"));
	issue_fails(GRANT, "denied by rule no-get");
	/* Without a list they can do anything. */
	issue_fails("aws:actions=s3:*,resources=*", "denied by rule no-get");
	deny(RULE(
	    "no-put", "deny", ", \"scope\": {\"actions\": [\"s3:Put*\"]}"));
	lease_issue_later(&world, GRANT, session);
}

static void
a_live_session_follows_a_new_policy_at_its_next_mint(void **state)
{
	CRB_AUTO_JSON json_t *last = NULL;
	const struct crb_msg *msg;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	deny(RULE("no-keys", "deny", ", \"delivery\": [\"mint\"]"));
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 403);
	slice_says(msg->answer.body, "denied by rule no-keys");
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	last = line("lease.mint");
	says(last, "decision", "deny");
	says(last, "tier", "local");
	says(last, "rule", "no-keys");
	assert_non_null(
	    strstr(json_string_value(json_object_get(last, "asked")),
		"{\"kind\":\"mint\",\"delivery\":\"mint\",\"seconds\":"));
}

static void
http(const char *method, const char *target)
{
	static uint64_t last;
	const struct crb_msg_exchange exchange = {
		.exchange = ++last,
		.session = CRB_SLICE(session),
		.route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE(method),
		.target = CRB_SLICE(target),
		.query = CRB_SLICE(""),
		.service = CRB_SLICE("s3"),
		.region = CRB_SLICE("eu-west-1"),
	};

	world_gateway_says(&world, CRB_MSG_EXCHANGE, &exchange);
}

static void
denied_http(const char *rule, const char *method, const char *target)
{
	http(method, target);
	is_refused(world_hear(&world, CRB_MSG_VERDICT), "local", "no", rule);
}

static void
a_request_to_aws_is_judged_by_all_that_is_known_of_it(void **state)
{
	static const char *const scopes[] = {
		"\"paths\": [\"/alpha/secret/**\"]",
		"\"paths\": [\"/alpha/secret/a%20b\"]",
		"\"methods\": [\"DELETE\"]",
		"\"hosts\": [\"s3.*.amazonaws.com\"]",
		"\"service\": [\"s3\"]",
		"\"region\": [\"eu-*\"]",
		"\"actions\": [\"s3:*Object\"]",
		"\"resources\": [\"arn:aws:s3:::alpha/b*\"]",
	};

	(void)state;
	lease_issue_later(&world, INJECTED, session);
	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
		char rule[256];

		(void)snprintf(rule, sizeof(rule),
		    RULE("no", "deny", ", \"scope\": {%s}"), scopes[i]);
		deny(rule);
		denied_http("DELETE " HOST "/alpha/secret/a%20b by task fix-1",
		    "DELETE", "aws/alpha/secret/a%20b");
	}
	deny(RULE("no", "deny", ", \"scope\": {\"paths\": [\"/beta/**\"]}"));
	http("GET", "aws/alpha/key");
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_VERDICT)->verdict.allowed, 1);
}

/* One set of keys signs for both: who approves may approve each. */
static void
grants_that_ask_are_approved_by_all_who_have_to(void **state)
{
	struct crb_msg_exchange exchange = {
		.exchange = 1,
		.route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE("GET"),
		.target = CRB_SLICE("aws/alpha/key"),
		.query = CRB_SLICE(""),
		.service = CRB_SLICE("s3"),
		.region = CRB_SLICE("eu-west-1"),
	};
	const struct crb_verdict *verdict;
	struct crb_judgement judgement;

	(void)state;
	deny(RULE("gets", "ask",
	    ", \"approvers\": \"readers\", \"scope\": "
	    "{\"actions\": [\"s3:GetObject\"]}") ", " RULE("puts", "ask",
	    ", \"approvers\": \"writers\", \"four_eyes\": true, "
	    "\"scope\": {\"actions\": [\"s3:PutObject\"]}"));
	lease_session_of(
	    world_ask(&world, "session.issue",
		json_pack("{s:s, s:[s,s], s:s}", "task", "fix-1", "grants",
		    "aws:actions=s3:GetObject,resources=*,delivery=inject",
		    "aws:actions=s3:PutObject,resources=*,delivery=inject",
		    "mint", "later")),
	    session);
	exchange.session = CRB_SLICE(session);
	assert_false(crb_judge(world.core, &exchange, &judgement));
	verdict = &judgement.verdict;
	assert_int_equal(verdict->effect, CRB_EFFECT_ASK);
	assert_string_equal(verdict->rule, "gets");
	assert_int_equal(verdict->approver_count, 2);
	assert_string_equal(verdict->approvers[0], "readers");
	assert_string_equal(verdict->approvers[1], "writers");
	assert_true(verdict->four_eyes);
	assert_non_null(judgement.grant);
}

/* What a service decodes is denied in each of its spellings. */
static void
a_path_has_one_spelling_for_rules(void **state)
{
	static uint64_t last = 900;

	(void)state;
	json_decref(world_call(&world, "credential.add",
	    json_pack("{s:s, s:s, s:{s:s, s:s, s:[s]}, s:s}", "name", "fn",
		"backend", "aws-sts", "params", "role-arn",
		"arn:aws:iam::123456789012:role/agent", "region", "eu-west-1",
		"services", "dynamodb", "secret",
		"AKIDLONGLIVED0001\n" LONG_LIVED)));
	lease_issue_later(&world,
	    "fn:actions=dynamodb:*,resources=*,delivery=inject", session);
	deny(RULE(
	    "no", "deny", ", \"scope\": {\"paths\": [\"/functions/a:b\"]}"));
	for (int i = 0; i < 2; i++) {
		const struct crb_msg_exchange exchange = {
			.exchange = ++last,
			.session = CRB_SLICE(session),
			.route = CRB_ROUTE_HTTP,
			.method = CRB_SLICE("GET"),
			.target = i == 0 ? CRB_SLICE("fn/functions/a:b")
					 : CRB_SLICE("fn/functions/a%3Ab"),
			.query = CRB_SLICE(""),
			.service = CRB_SLICE("dynamodb"),
			.region = CRB_SLICE("eu-west-1"),
		};

		world_gateway_says(&world, CRB_MSG_EXCHANGE, &exchange);
		is_refused(world_hear(&world, CRB_MSG_VERDICT), "local", "no",
		    "/functions/a:b by task");
	}
}

static void
says_functions(uint64_t exchange, const char *target)
{
	const struct crb_msg_exchange msg = {
		.exchange = exchange,
		.session = CRB_SLICE(session),
		.route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE("GET"),
		.target = CRB_SLICE(target),
		.query = CRB_SLICE(""),
		.service = CRB_SLICE("dynamodb"),
		.region = CRB_SLICE("eu-west-1"),
	};

	world_gateway_says(&world, CRB_MSG_EXCHANGE, &msg);
}

/* A service may decode it before it looks, or look before it decodes. */
static void
an_escaped_slash_is_judged_as_both(void **state)
{
	(void)state;
	json_decref(world_call(&world, "credential.add",
	    json_pack("{s:s, s:s, s:{s:s, s:s, s:[s]}, s:s}", "name", "fn",
		"backend", "aws-sts", "params", "role-arn",
		"arn:aws:iam::123456789012:role/agent", "region", "eu-west-1",
		"services", "dynamodb", "secret",
		"AKIDLONGLIVED0001\n" LONG_LIVED)));
	lease_issue_later(&world,
	    "fn:actions=dynamodb:*,resources=*,delivery=inject", session);
	deny(RULE("no", "deny", ", \"scope\": {\"paths\": [\"/prod/**\"]}"));
	says_functions(950, "fn/prod%2Fkey");
	is_refused(world_hear(&world, CRB_MSG_VERDICT), "local", "no", "");
	deny(RULE("no", "deny", ", \"scope\": {\"paths\": [\"/prod%2Fkey\"]}"));
	says_functions(951, "fn/prod%2Fkey");
	is_refused(world_hear(&world, CRB_MSG_VERDICT), "local", "no", "");
	/* What would be an empty segment is in nothing that can be shown. */
	deny(RULE("no", "deny", ", \"scope\": {\"paths\": [\"/b/**\"]}"));
	says_functions(952, "fn/a/%2Fb");
	is_refused(world_hear(&world, CRB_MSG_VERDICT), "local", "no", "");
}

static void
words_are(const struct crb_verdict *verdict, const char *text)
{
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(1024);

	crb_tiers_words(verdict, &words);
	assert_string_equal(crb_buf_text(&words), text);
}

static void
a_verdict_says_who_has_decided_and_why(void **state)
{
	(void)state;
	words_are(&(struct crb_verdict){ .tier = "organization",
		      .policy = "acme",
		      .rule = "no-prod",
		      .reason = "production is off limits" },
	    "denied by rule no-prod of the organization's policy acme: "
	    "production is off limits");
	words_are(&(struct crb_verdict){ .tier = "session", .matcher = "ref" },
	    "not allowed by the session: its \"ref\" does not match");
	words_are(&(struct crb_verdict){ .tier = "session",
		      .matcher = "ref",
		      .takes_count = 5,
		      .takes = { "refs/heads/agent/*", "refs/tags/v\n", "c" } },
	    "not allowed by the session: its \"ref\" does not match: it "
	    "takes refs/heads/agent/*, refs/tags/v\\x0a, c and 2 more");
	words_are(&(struct crb_verdict){ .tier = "team", .policy = "web" },
	    "not allowed by the team's policy web: no rule of it is about "
	    "this");
	words_are(&(struct crb_verdict){ .problem = "nobody knows" },
	    "denied: nobody knows");
	words_are(&(struct crb_verdict){ .effect = CRB_EFFECT_ASK,
		      .tier = "organization",
		      .policy = "acme",
		      .rule = "two",
		      .approver_count = 2,
		      .approvers = { "leads", "sre" },
		      .four_eyes = true },
	    "to be approved, says rule two of the organization's policy acme, "
	    "by one of group leads and sre, by another than who has issued "
	    "it");
}

static void
only_hosts_that_fold_repositories_do(void **state)
{
	(void)state;
	assert_true(crb_tiers_folds("github.com"));
	assert_true(crb_tiers_folds("x.github.com"));
	assert_true(crb_tiers_folds("acme.ghe.com"));
	assert_false(crb_tiers_folds("notgithub.com"));
	assert_false(crb_tiers_folds("github.com.evil.test"));
	assert_false(crb_tiers_folds("com"));
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(a_grant_that_a_rule_denies_in_part_is_not_given),
		IN_A_WORLD(
		    what_no_rule_allows_is_told_with_the_rule_that_came_closest),
		IN_A_WORLD(
		    a_session_is_given_no_further_grant_that_a_rule_denies),
		IN_A_WORLD(
		    a_live_session_follows_a_new_policy_at_its_next_request),
		IN_A_WORLD(what_is_allowed_says_which_rule_does_so),
		IN_A_WORLD(
		    with_two_credentials_for_a_host_the_one_that_is_allowed_is_used),
		IN_A_WORLD(the_user_who_issues_it_is_what_rules_are_about),
		IN_A_WORLD(a_session_keeps_its_user_over_a_restart),
		IN_A_WORLD(groups_without_a_name_are_denied_what_any_group_is),
		IN_A_WORLD(what_has_to_be_approved_is_said_at_issue),
		IN_A_WORLD(labels_and_task_are_what_rules_are_about),
		IN_A_WORLD(
		    keys_are_not_minted_when_a_rule_may_deny_what_they_can_do),
		IN_A_WORLD(
		    a_live_session_follows_a_new_policy_at_its_next_mint),
		IN_A_WORLD(
		    a_request_to_aws_is_judged_by_all_that_is_known_of_it),
		IN_A_WORLD(grants_that_ask_are_approved_by_all_who_have_to),
		IN_A_WORLD(a_path_has_one_spelling_for_rules),
		IN_A_WORLD(an_escaped_slash_is_judged_as_both),
		cmocka_unit_test(a_verdict_says_who_has_decided_and_why),
		cmocka_unit_test(only_hosts_that_fold_repositories_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
