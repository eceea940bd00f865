#include "policy/decide.h"

#include "policy.h"

#define QUESTION                                                          \
	{                                                                 \
		.credential = "github", .task = "fix-123", .user = "ann", \
		.delivery = "inject", .now = 1000, .zones = &zones        \
	}

static void
ask_value(struct crb_question *q, const char *name, const char *const *value,
    size_t count)
{
	const struct crb_asked asked = {
		.name = name, .count = count, .value = value
	};

	assert_true(crb_question_add(q, &asked));
}
#define ASK(q, name, ...)                                        \
	ask_value(q, name, (const char *const[]){ __VA_ARGS__ }, \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void
ask_state(struct crb_question *q, const char *name, enum crb_asked_state state)
{
	const struct crb_asked asked = { .name = name, .state = state };

	assert_true(crb_question_add(q, &asked));
}

#define TIERS_MAX 3
struct world {
	struct crb_policy *policy[TIERS_MAX];
	size_t count;
};

#define AUTO_WORLD __attribute__((cleanup(world_clear)))
static void
world_clear(struct world *world)
{
	for (size_t i = 0; i < world->count; i++)
		crb_policy_free(world->policy[i]);
}

static void
add_tier(struct world *world, const char *rules)
{
	world->policy[world->count] = policy_of(
	    crb_policy_tiers[world->count], rules);
	world->count++;
}

static void
count_one(void *ctx, const struct crb_explained *explained)
{
	(void)explained;
	++*(size_t *)ctx;
}

/* Decided; explain says the same. */
static struct crb_verdict
decide(const struct world *world, const struct crb_question *q)
{
	const struct crb_tiers tiers = {
		(const struct crb_policy *const *)world->policy, world->count,
		NULL
	};
	struct crb_verdict verdict, explained;
	size_t rules = 0;

	crb_policy_decide(&tiers, q, &verdict);
	crb_policy_closest(&tiers, q, &verdict);
	crb_policy_explain(&tiers, q, &explained, count_one, &rules);
	/* It looks at every rule. */
	explained.work = verdict.work;
	assert_memory_equal(&verdict, &explained, sizeof(verdict));
	return verdict;
}

static void
verdict_is(const struct world *world, const struct crb_question *q,
    enum crb_effect effect, const char *rule)
{
	struct crb_verdict verdict = decide(world, q);

	if (verdict.effect != effect ||
	    (rule == NULL) != (verdict.rule == NULL) ||
	    (rule != NULL && strcmp(rule, verdict.rule) != 0))
		fail_msg("effect %d, rule %s, problem %s; wanted %d, %s",
		    verdict.effect, verdict.rule, verdict.problem, effect,
		    rule);
}

#define DENY CRB_EFFECT_DENY
#define ASKS CRB_EFFECT_ASK
#define ALLOW CRB_EFFECT_ALLOW

static void
the_strictest_rule_of_a_tier_decides(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"all\", \"effect\": \"allow\"},"
	    "{\"id\": \"pushes\", \"effect\": \"ask\","
	    " \"scope\": {\"git\": [\"push\"]}},"
	    "{\"id\": \"prod\", \"effect\": \"deny\", \"reason\": \"no\","
	    " \"scope\": {\"repository\": [\"acme/prod\", \"*/prod-*\"]}}");
	ASK(&q, "repository", "acme/api");
	ASK(&q, "git", "fetch");
	verdict_is(&world, &q, ALLOW, "all");
	ASK(&q, "git", "push");
	verdict_is(&world, &q, ASKS, "pushes");
	ASK(&q, "repository", "acme/prod");
	verdict_is(&world, &q, DENY, "prod");
	assert_string_equal(decide(&world, &q).reason, "no");
	assert_string_equal(decide(&world, &q).tier, "organization");
	assert_string_equal(decide(&world, &q).policy, "test");
	ASK(&q, "repository", "x/prod-eu");
	verdict_is(&world, &q, DENY, "prod");
	ASK(&q, "repository", "x/y/prod-eu");
	verdict_is(&world, &q, ASKS, "pushes");
}

static void
what_no_rule_matches_is_denied_and_the_closest_named(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;
	struct crb_verdict verdict;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"aws\", \"effect\": \"allow\","
	    " \"credentials\": [\"aws-*\"]},"
	    "{\"id\": \"agents\", \"effect\": \"allow\","
	    " \"credentials\": [\"github\"], \"scope\": {\"git\": [\"push\"],"
	    " \"ref\": [\"refs/heads/agent/*\"]}}");
	ASK(&q, "git", "push");
	ASK(&q, "ref", "refs/heads/main");
	verdict = decide(&world, &q);
	assert_int_equal(verdict.effect, DENY);
	assert_null(verdict.rule);
	assert_string_equal(verdict.closest, "agents");
	assert_string_equal(verdict.matcher, "ref");
	assert_false(verdict.unproved);
	assert_string_equal(verdict.value[1], "refs/heads/main");
	ASK(&q, "ref", "refs/heads/agent/x");
	verdict_is(&world, &q, ALLOW, "agents");
	q.credential = "aws";
	assert_string_equal(decide(&world, &q).matcher, "credentials");
}

/* A rule that says little fails late, and is close to nothing. */
static void
the_closest_is_the_rule_of_which_most_holds(void **state)
{
	static const char push[] =
	    "{\"id\": \"push-agent\", \"effect\": \"allow\","
	    " \"credentials\": [\"github\"], \"scope\": {\"git\": [\"push\"],"
	    " \"repository\": [\"acme/*\"],"
	    " \"ref\": [\"refs/heads/agent/**\"]}}";
	static const char ask[] =
	    "{\"id\": \"ask-delete\", \"effect\": \"ask\","
	    " \"scope\": {\"change\": [\"delete\"]}}";
	static const char other[] = "{\"id\": \"other\", \"effect\": \"allow\","
				    " \"credentials\": [\"aws\"]}";
	struct crb_question q = QUESTION;
	char rules[1024];

	(void)state;
	ASK(&q, "repository", "acme/api");
	ASK(&q, "git", "push");
	ASK(&q, "ref", "refs/heads/main");
	ASK(&q, "change", "update");
	for (size_t i = 0; i < 2; i++) {
		AUTO_WORLD struct world world = { .count = 0 };
		struct crb_verdict verdict;

		if (i == 0)
			(void)snprintf(
			    rules, sizeof(rules), "%s,%s,%s", push, ask, other);
		else
			(void)snprintf(
			    rules, sizeof(rules), "%s,%s,%s", other, ask, push);
		add_tier(&world, rules);
		verdict = decide(&world, &q);
		assert_int_equal(verdict.effect, DENY);
		assert_string_equal(verdict.closest, "push-agent");
		assert_string_equal(verdict.matcher, "ref");
	}
}

static void
all_tiers_must_agree(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world, "{\"id\": \"o\", \"effect\": \"allow\"}");
	verdict_is(&world, &q, ALLOW, "o");
	add_tier(&world,
	    "{\"id\": \"t\", \"effect\": \"ask\"},"
	    "{\"id\": \"u\", \"effect\": \"deny\", \"users\": [\"bob\"]}");
	verdict_is(&world, &q, ASKS, "t");
	assert_string_equal(decide(&world, &q).tier, "team");
	add_tier(&world,
	    "{\"id\": \"l\", \"effect\": \"allow\", \"tasks\": [\"fix-*\"]}");
	verdict_is(&world, &q, ASKS, "t");
	q.task = "ci-1";
	verdict_is(&world, &q, DENY, NULL);
	assert_string_equal(decide(&world, &q).tier, "local");
	q.user = "bob";
	verdict_is(&world, &q, DENY, "u");
}

/* The session's grants are the last tier. */
static void
the_session_is_a_tier(void **state)
{
	static const char *const operations[] = { "fetch", "push", NULL };
	static const struct crb_attribute table[] = {
		{ .name = "repository",
		    .type = CRB_ATTRIBUTE_PATTERN,
		    .separator = '/' },
		{ .name = "git",
		    .type = CRB_ATTRIBUTE_CHOICE,
		    .choices = operations },
		CRB_ATTRIBUTE_END,
	};
	AUTO_WORLD struct world world = { .count = 0 };
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	struct crb_question q = QUESTION;
	struct crb_rule grant = { "grant 1", ALLOW, "github", &scope };
	const struct crb_tier session = { "session", 1, &grant };
	struct crb_tiers tiers = { NULL, 0, &session };
	struct crb_verdict verdict;
	struct crb_err err = { 0 };
	size_t rules = 0;

	(void)state;
	assert_ok(crb_scope_parse(
	    "repository=acme/*,git=fetch", table, &scope, &err));
	add_tier(&world,
	    "{\"id\": \"no-x\", \"effect\": \"deny\","
	    " \"scope\": {\"repository\": [\"acme/x\"]}},"
	    "{\"id\": \"o\", \"effect\": \"allow\"}");
	ASK(&q, "repository", "acme/api");
	ASK(&q, "git", "fetch");
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, ALLOW);
	assert_string_equal(verdict.rule, "grant 1");
	tiers.policy = (const struct crb_policy *const *)world.policy;
	tiers.count = 1;
	crb_policy_explain(&tiers, &q, &verdict, count_one, &rules);
	assert_int_equal(verdict.effect, ALLOW);
	assert_int_equal(rules, 3);
	ASK(&q, "git", "push");
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, DENY);
	assert_string_equal(verdict.tier, "session");
	assert_string_equal(verdict.matcher, "git");
	ASK(&q, "git", "fetch");
	ASK(&q, "repository", "acme/x");
	crb_policy_decide(&tiers, &q, &verdict);
	assert_string_equal(verdict.tier, "organization");
	assert_string_equal(verdict.rule, "no-x");
}

/* What a backend can narrow and a grant does not is open, or comes later. */
static void
a_scope_becomes_a_question(void **state)
{
	static const char *const operations[] = { "fetch", "push", NULL };
	static const struct crb_attribute table[] = {
		{ .name = "repository",
		    .type = CRB_ATTRIBUTE_PATTERN,
		    .separator = '/' },
		{ .name = "git",
		    .type = CRB_ATTRIBUTE_CHOICE,
		    .choices = operations },
		{ .name = "ref",
		    .type = CRB_ATTRIBUTE_PATTERN,
		    .separator = '/' },
		CRB_ATTRIBUTE_END,
	};
	AUTO_WORLD struct world world = { .count = 0 };
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	struct crb_question q = QUESTION;
	struct crb_err err = { 0 };

	(void)state;
	add_tier(&world,
	    "{\"id\": \"o\", \"effect\": \"allow\", \"scope\": {"
	    "\"repository\": [\"acme/**\"], \"git\": [\"fetch\", \"push\"],"
	    " \"ref\": [\"refs/heads/**\"]}}");
	assert_ok(crb_scope_parse(
	    "repository=acme/*+acme/x/y,git=push", table, &scope, &err));
	q.kind = CRB_QUESTION_INJECT;
	crb_question_scope(&q, &scope, table, CRB_ASKED_LATER);
	assert_int_equal(q.count, 3);
	assert_int_equal(crb_question_find(&q, "repository")->count, 2);
	assert_null(crb_question_find(&q, "hosts"));
	verdict_is(&world, &q, ALLOW, "o");
	q.kind = CRB_QUESTION_MINT;
	crb_question_scope(&q, &scope, table, CRB_ASKED_ANY);
	verdict_is(&world, &q, DENY, NULL);
	assert_string_equal(decide(&world, &q).matcher, "ref");
}

static void
without_a_tier_a_request_is_denied(void **state)
{
	const struct crb_policy *const none[] = { NULL, NULL };
	const struct crb_tiers tiers = { none, 2, NULL };
	struct crb_question q = QUESTION;
	struct crb_verdict verdict;

	(void)state;
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, DENY);
	assert_non_null(verdict.problem);
	q.kind = CRB_QUESTION_MINT;
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, ALLOW);
	assert_null(verdict.tier);
}

static void
a_grant_has_to_lie_inside_what_is_allowed(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"read\", \"effect\": \"allow\","
	    " \"scope\": {\"git\": [\"fetch\"]}},"
	    "{\"id\": \"write\", \"effect\": \"allow\", \"scope\": {\"git\":"
	    " [\"push\"], \"repository\": [\"acme/*\", \"lab/**\"]}},"
	    "{\"id\": \"prod\", \"effect\": \"deny\","
	    " \"scope\": {\"repository\": [\"acme/prod-*\"]}}");
	q.kind = CRB_QUESTION_MINT;
	ASK(&q, "repository", "acme/api", "lab/*/x");
	ASK(&q, "git", "fetch", "push");
	/* By two rules: each combination lies in one. */
	verdict_is(&world, &q, ALLOW, "read");
	ASK(&q, "repository", "lab/**", "acme/a*");
	verdict_is(&world, &q, ALLOW, "read");
	/* Something in it is denied. */
	ASK(&q, "repository", "lab/**", "acme/p*");
	verdict_is(&world, &q, DENY, "prod");
	assert_string_equal(decide(&world, &q).value[0], "acme/p*");
	/* Every request of it will be asked about. */
	q.kind = CRB_QUESTION_INJECT;
	verdict_is(&world, &q, ALLOW, "read");
	ASK(&q, "repository", "lab/**", "acme/prod-*");
	verdict_is(&world, &q, DENY, "prod");
	/* It could be anything. */
	ASK(&q, "repository", "**");
	verdict_is(&world, &q, DENY, NULL);
	assert_string_equal(decide(&world, &q).closest, "write");
	assert_string_equal(decide(&world, &q).value[1], "push");
	assert_true(decide(&world, &q).unproved);
	ASK(&q, "git", "fetch");
	verdict_is(&world, &q, ALLOW, "read");
	q.kind = CRB_QUESTION_MINT;
	verdict_is(&world, &q, DENY, "prod");
}

static void
an_attribute_may_be_open_or_come_later(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"agents\", \"effect\": \"allow\","
	    " \"scope\": {\"ref\": [\"refs/heads/agent/**\"]}},"
	    "{\"id\": \"tags\", \"effect\": \"deny\","
	    " \"scope\": {\"ref\": [\"refs/tags/**\"]}}");
	/* A rule about what a question does not have is not about it. */
	verdict_is(&world, &q, DENY, NULL);
	ask_state(&q, "ref", CRB_ASKED_LATER);
	verdict_is(&world, &q, ALLOW, "agents");
	ask_state(&q, "ref", CRB_ASKED_ANY);
	verdict_is(&world, &q, DENY, "tags");
	q.kind = CRB_QUESTION_INJECT;
	verdict_is(&world, &q, DENY, NULL);
	q.kind = CRB_QUESTION_MINT;
	ask_state(&q, "ref", CRB_ASKED_LATER);
	assert_non_null(decide(&world, &q).problem);
}

static void
nothing_is_open_to_a_rule_about_everything(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"git\", \"effect\": \"allow\", \"scope\":"
	    " {\"git\": [\"push\", \"fetch\", \"push-options\","
	    " \"push-signed\"], \"repository\": [\"**\"]}}");
	q.kind = CRB_QUESTION_MINT;
	ask_state(&q, "git", CRB_ASKED_ANY);
	ask_state(&q, "repository", CRB_ASKED_ANY);
	verdict_is(&world, &q, ALLOW, "git");
}

static void
aws_actions_are_held_against_patterns_of_iam(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"read\", \"effect\": \"allow\", \"scope\": {\"actions\":"
	    " [\"s3:Get*\", \"s3:List*\"], \"resources\":"
	    " [\"arn:aws:s3:::acme-*\"]}},"
	    "{\"id\": \"iam\", \"effect\": \"deny\","
	    " \"scope\": {\"actions\": [\"iam:*\"]}}");
	q.kind = CRB_QUESTION_MINT;
	q.delivery = "mint";
	ASK(&q, "actions", "s3:GetObject", "s3:getobject?cl", "S3:ListB*");
	ASK(&q, "resources", "arn:aws:s3:::acme-logs/*");
	verdict_is(&world, &q, ALLOW, "read");
	ASK(&q, "actions", "s3:*");
	verdict_is(&world, &q, DENY, NULL);
	assert_true(decide(&world, &q).unproved);
	ASK(&q, "actions", "s3:GetObject", "*:GetObject");
	verdict_is(&world, &q, DENY, "iam");
	ASK(&q, "actions", "i?m:PassRole");
	verdict_is(&world, &q, DENY, "iam");
	/* What IAM puts in place of a variable nobody here knows. */
	ASK(&q, "actions", "s3:GetObject");
	ASK(&q, "resources", "arn:aws:s3:::acme-${aws:username}");
	verdict_is(&world, &q, ALLOW, "read");
	ASK(&q, "resources", "arn:aws:s3:::acme${aws:username}");
	verdict_is(&world, &q, DENY, NULL);
}

static void
letter_case_is_no_way_around_a_deny(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;
	struct crb_asked asked = {
		.name = "repository", .count = 1, .fold = true
	};

	(void)state;
	add_tier(&world,
	    "{\"id\": \"prod\", \"effect\": \"deny\","
	    " \"scope\": {\"repository\": [\"acme/Prod\"]}},"
	    "{\"id\": \"acme\", \"effect\": \"allow\","
	    " \"scope\": {\"repository\": [\"acme/*\"]}}");
	ASK(&q, "repository", "acme/prod");
	verdict_is(&world, &q, DENY, "prod");
	ASK(&q, "repository", "ACME/api");
	verdict_is(&world, &q, DENY, NULL);
	asked.value = (const char *const[]){ "ACME/api" };
	assert_true(crb_question_add(&q, &asked));
	verdict_is(&world, &q, ALLOW, "acme");
}

static void
facts_of_the_session_are_matched(void **state)
{
	static const char *const dev[] = { "users", "dev" };
	static const struct crb_asked_label labels[] = { { "team", "core/eu" },
		{ "env", "prod" } };
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"devs\", \"effect\": \"allow\", \"groups\": [\"dev\"],"
	    " \"labels\": {\"team\": [\"core/*\"], \"env\": [\"*\"]}},"
	    "{\"id\": \"mints\", \"effect\": \"deny\","
	    " \"delivery\": [\"mint\"]},"
	    "{\"id\": \"none\", \"effect\": \"deny\", \"users\": []}");
	q.groups = dev;
	q.group_count = 2;
	q.labels = labels;
	q.label_count = 2;
	verdict_is(&world, &q, ALLOW, "devs");
	q.label_count = 1;
	verdict_is(&world, &q, DENY, NULL);
	assert_string_equal(decide(&world, &q).matcher, "labels");
	q.label_count = 2;
	q.group_count = 1;
	verdict_is(&world, &q, DENY, NULL);
	assert_string_equal(decide(&world, &q).matcher, "groups");
	q.delivery = "mint";
	verdict_is(&world, &q, DENY, "mints");
	/* Not known: a deny holds, an allow does not. */
	q.delivery = NULL;
	q.group_count = 2;
	verdict_is(&world, &q, DENY, "mints");
	q.delivery = "inject";
	q.groups = NULL;
	verdict_is(&world, &q, DENY, NULL);
}

/* Nobody is called so, and what may be meant is not passed by. */
static void
a_fact_with_a_wildcard_may_be_any(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"all\", \"effect\": \"allow\"},"
	    "{\"id\": \"nine\", \"effect\": \"deny\","
	    " \"tasks\": [\"ci-9\"]}");
	q.task = "ci-*";
	verdict_is(&world, &q, DENY, "nine");
	q.task = "fix-*";
	verdict_is(&world, &q, ALLOW, "all");
}

static void
hours_are_those_of_the_zone(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;
	/* Monday 1970-01-05, 07:00 UTC: 09:00 in the east. */
	int64_t monday = 4 * 86400 + 7 * 3600;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"office\", \"effect\": \"allow\", \"during\":"
	    " {\"days\": [\"mon-fri\"], \"hours\": [\"09:00-17:00\"],"
	    " \"zone\": \"Test/East\"}}");
	q.now = monday;
	verdict_is(&world, &q, ALLOW, "office");
	q.now = monday - 1;
	verdict_is(&world, &q, DENY, NULL);
	assert_string_equal(decide(&world, &q).matcher, "during");
	q.now = monday + 8 * 3600;
	verdict_is(&world, &q, DENY, NULL);
	/* What is minted must not outlive them. */
	q.kind = CRB_QUESTION_MINT;
	q.now = monday;
	q.seconds = 8 * 3600;
	verdict_is(&world, &q, ALLOW, "office");
	q.seconds++;
	verdict_is(&world, &q, DENY, NULL);
	assert_true(decide(&world, &q).unproved);
	/* What is injected is asked about again. */
	q.kind = CRB_QUESTION_INJECT;
	verdict_is(&world, &q, ALLOW, "office");
	q.zones = NULL;
	q.kind = CRB_QUESTION_REQUEST;
	verdict_is(&world, &q, DENY, NULL);
}

/* Nobody can approve what no rule is about. */
static void
an_ask_permits_only_what_lies_in_it(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"main\", \"effect\": \"ask\","
	    " \"scope\": {\"ref\": [\"refs/heads/main\"]}},"
	    "{\"id\": \"read\", \"effect\": \"allow\","
	    " \"scope\": {\"git\": [\"fetch\"]}}");
	q.kind = CRB_QUESTION_MINT;
	ASK(&q, "ref", "refs/heads/*");
	verdict_is(&world, &q, DENY, NULL);
	assert_string_equal(decide(&world, &q).closest, "main");
	assert_true(decide(&world, &q).unproved);
	ASK(&q, "git", "fetch");
	verdict_is(&world, &q, ASKS, "main");
	/* Before anybody knows the ref, it waits. */
	q = (struct crb_question)QUESTION;
	ASK(&q, "git", "push");
	ask_state(&q, "ref", CRB_ASKED_LATER);
	verdict_is(&world, &q, ALLOW, "main");
	ASK(&q, "ref", "refs/heads/main");
	verdict_is(&world, &q, ASKS, "main");
	ASK(&q, "ref", "refs/heads/x");
	verdict_is(&world, &q, DENY, NULL);
}

static void
who_approves_is_in_every_group_that_is_asked_for(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;
	struct crb_verdict verdict;

	(void)state;
	add_tier(&world,
	    "{\"id\": \"b\", \"effect\": \"ask\", \"approvers\": \"sec\"},"
	    "{\"id\": \"a\", \"effect\": \"ask\"}");
	add_tier(&world,
	    "{\"id\": \"c\", \"effect\": \"ask\", \"approvers\": \"lead\","
	    " \"four_eyes\": true},"
	    "{\"id\": \"d\", \"effect\": \"ask\", \"approvers\": \"sec\"}");
	verdict = decide(&world, &q);
	assert_int_equal(verdict.effect, ASKS);
	assert_string_equal(verdict.rule, "a");
	assert_int_equal(verdict.approver_count, 2);
	assert_string_equal(verdict.approvers[0], "lead");
	assert_string_equal(verdict.approvers[1], "sec");
	assert_true(verdict.four_eyes);
	add_tier(&world, "{\"id\": \"e\", \"effect\": \"deny\"}");
	verdict = decide(&world, &q);
	assert_int_equal(verdict.effect, DENY);
	assert_int_equal(verdict.approver_count, 0);
}

/* Whether or not there is a policy. */
static void
problem_says(
    const struct world *world, const struct crb_question *q, const char *text)
{
	const struct world none = { .count = 0 };

	assert_non_null(strstr(decide(world, q).problem, text));
	assert_non_null(strstr(decide(&none, q).problem, text));
}

#define DURABLE(id, effect, members)                                \
	"{\"id\": \"" id "\", \"effect\": \"" effect "\", " members \
	"\"durable\": true},"
#define LAST(effect) "{\"id\": \"last\", \"effect\": \"" effect "\"}"

/* Not only the rule that decides: each that matches, of each tier. */
static void
any_rule_that_matches_makes_a_request_durable(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world, LAST("allow"));
	add_tier(&world,
	    DURABLE("main", "allow",
		"\"scope\": {\"git\": [\"push\"],"
		" \"ref\": [\"refs/heads/main\"]},") LAST("ask"));
	add_tier(&world, LAST("allow"));
	ASK(&q, "git", "push");
	ASK(&q, "ref", "refs/heads/x");
	verdict_is(&world, &q, ASKS, "last");
	assert_false(decide(&world, &q).durable);
	ASK(&q, "ref", "refs/heads/main");
	verdict_is(&world, &q, ASKS, "last");
	assert_true(decide(&world, &q).durable);
	/* What refs there are, for a push that may be one to it. */
	ask_state(&q, "ref", CRB_ASKED_LATER);
	assert_true(decide(&world, &q).durable);
	ASK(&q, "git", "fetch");
	assert_false(decide(&world, &q).durable);
}

static void
what_is_denied_or_no_request_is_not_durable(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    DURABLE("all", "ask", "") "{\"id\": \"prod\", \"effect\": \"deny\","
				      " \"users\": [\"bob\"]}");
	assert_true(decide(&world, &q).durable);
	q.user = "bob";
	verdict_is(&world, &q, DENY, "prod");
	assert_false(decide(&world, &q).durable);
	q.user = "ann";
	q.kind = CRB_QUESTION_MINT;
	verdict_is(&world, &q, ASKS, "all");
	assert_false(decide(&world, &q).durable);
	q.kind = CRB_QUESTION_INJECT;
	assert_false(decide(&world, &q).durable);
}

/* Another letter case, or a user without a name, is no way around it. */
static void
what_may_be_durable_is(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	add_tier(&world,
	    DURABLE("prod", "allow",
		"\"users\": [\"ann\"],"
		" \"scope\": {\"repository\": [\"acme/prod\"]},")
		LAST("allow"));
	ASK(&q, "repository", "Acme/Prod");
	verdict_is(&world, &q, ALLOW, "last");
	assert_true(decide(&world, &q).durable);
	q.user = NULL;
	assert_true(decide(&world, &q).durable);
	q.user = "bob";
	assert_false(decide(&world, &q).durable);
	q.user = "ann";
	ASK(&q, "repository", "acme/api");
	assert_false(decide(&world, &q).durable);
}

static void
what_cannot_be_decided_is_denied(void **state)
{
	static char many[CRB_SCOPE_VALUES_MAX][8];
	static const char *values[CRB_SCOPE_VALUES_MAX + 1];
	static char thousand[1001];
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_question q = QUESTION;

	(void)state;
	memset(thousand, 'x', sizeof(thousand) - 1);
	add_tier(&world, "{\"id\": \"all\", \"effect\": \"allow\"}");
	verdict_is(&world, &q, ALLOW, "all");
	ask_value(&q, "repository", NULL, 0);
	problem_says(&world, &q, "an attribute of it has no value");
	ask_value(&q, "repository", values, 1);
	problem_says(&world, &q, "an attribute of it has no value");
	for (size_t i = 0; i < CRB_SCOPE_VALUES_MAX; i++) {
		(void)snprintf(many[i], sizeof(many[i]), "v%zu", i);
		values[i] = many[i];
	}
	values[CRB_SCOPE_VALUES_MAX] = "x";
	ask_value(&q, "repository", values, CRB_SCOPE_VALUES_MAX + 1);
	problem_says(&world, &q, "too many values");
	ask_value(&q, "repository", values, CRB_SCOPE_VALUES_MAX);
	verdict_is(&world, &q, ALLOW, "all");
	ask_value(&q, "ref", values, CRB_SCOPE_VALUES_MAX);
	verdict_is(&world, &q, ALLOW, "all");
	ask_value(&q, "git", values, 2);
	verdict_is(&world, &q, DENY, NULL);
	problem_says(&world, &q, "combinations");
	/* A grant's values together; a request has one of each. */
	q.count = 0;
	ASK(&q, "resources", thousand, thousand, thousand, thousand);
	q.kind = CRB_QUESTION_MINT;
	verdict_is(&world, &q, ALLOW, "all");
	ASK(&q, "region", thousand);
	verdict_is(&world, &q, DENY, NULL);
	problem_says(&world, &q, "too long");
	q.kind = CRB_QUESTION_REQUEST;
	verdict_is(&world, &q, ALLOW, "all");
	q.count = 0;
	q.task = NULL;
	verdict_is(&world, &q, DENY, NULL);
	q = (struct crb_question)QUESTION;
	ASK(&q, "git", "fetch");
	ASK(&q, "ref", "refs/x");
	q.at[1].name = "git";
	verdict_is(&world, &q, DENY, NULL);
}

static void
a_grant_waits_for_what_is_known_later(void **state)
{
	static const char *const changes[] = { "create", "update", NULL };
	static const struct crb_attribute table[] = {
		{ .name = "ref",
		    .type = CRB_ATTRIBUTE_PATTERN,
		    .separator = '/' },
		{ .name = "change",
		    .type = CRB_ATTRIBUTE_CHOICE,
		    .choices = changes },
		CRB_ATTRIBUTE_END,
	};
	CRB_AUTO_SCOPE struct crb_scope scope = { .count = 0 };
	const struct crb_rule rule = { "grant 1", CRB_EFFECT_ALLOW, "github",
		&scope };
	const struct crb_tier session = { "session", 1, &rule };
	const struct crb_tiers tiers = { .session = &session };
	struct crb_question q = QUESTION;
	struct crb_verdict verdict;
	struct crb_err err;

	(void)state;
	assert_int_equal(crb_scope_parse("ref=refs/heads/agent/*,change=create",
			     table, &scope, &err),
	    CRB_OK);
	q.credential = "github";
	ask_state(&q, "ref", CRB_ASKED_LATER);
	ask_state(&q, "change", CRB_ASKED_LATER);
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, ALLOW);
	ASK(&q, "change", "update");
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, DENY);
	assert_string_equal(verdict.matcher, "change");
	ASK(&q, "change", "create");
	ASK(&q, "ref", "refs/heads/main");
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, DENY);
	ASK(&q, "ref", "refs/heads/agent/x");
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, ALLOW);
	/* Not narrowed is not the same: nobody asks again. */
	ask_state(&q, "ref", CRB_ASKED_ANY);
	crb_policy_decide(&tiers, &q, &verdict);
	assert_int_equal(verdict.effect, DENY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strictest_rule_of_a_tier_decides),
		cmocka_unit_test(
		    what_no_rule_matches_is_denied_and_the_closest_named),
		cmocka_unit_test(the_closest_is_the_rule_of_which_most_holds),
		cmocka_unit_test(all_tiers_must_agree),
		cmocka_unit_test(the_session_is_a_tier),
		cmocka_unit_test(a_scope_becomes_a_question),
		cmocka_unit_test(without_a_tier_a_request_is_denied),
		cmocka_unit_test(a_grant_has_to_lie_inside_what_is_allowed),
		cmocka_unit_test(an_attribute_may_be_open_or_come_later),
		cmocka_unit_test(nothing_is_open_to_a_rule_about_everything),
		cmocka_unit_test(aws_actions_are_held_against_patterns_of_iam),
		cmocka_unit_test(letter_case_is_no_way_around_a_deny),
		cmocka_unit_test(facts_of_the_session_are_matched),
		cmocka_unit_test(a_fact_with_a_wildcard_may_be_any),
		cmocka_unit_test(hours_are_those_of_the_zone),
		cmocka_unit_test(an_ask_permits_only_what_lies_in_it),
		cmocka_unit_test(
		    who_approves_is_in_every_group_that_is_asked_for),
		cmocka_unit_test(any_rule_that_matches_makes_a_request_durable),
		cmocka_unit_test(what_is_denied_or_no_request_is_not_durable),
		cmocka_unit_test(what_may_be_durable_is),
		cmocka_unit_test(what_cannot_be_decided_is_denied),
		cmocka_unit_test(a_grant_waits_for_what_is_known_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
