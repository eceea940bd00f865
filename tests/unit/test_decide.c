#include "policy/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char *const git_choices[] = { "fetch", "push", NULL };

static const struct crb_attribute table[] = {
	{ .name = "repository",
	    .type = CRB_ATTRIBUTE_PATTERN,
	    .separator = '/' },
	{ .name = "git", .type = CRB_ATTRIBUTE_CHOICE, .choices = git_choices },
	CRB_ATTRIBUTE_END,
};

#define RULES_MAX 8

struct world {
	struct crb_scope scope[RULES_MAX];
	struct crb_rule rule[RULES_MAX];
	char id[RULES_MAX][8];
	size_t count;
};

static void
world_add(struct world *world, enum crb_effect effect, const char *credential,
    const char *scope)
{
	size_t i = world->count++;
	struct crb_err err = { 0 };

	if (crb_scope_parse(scope, table, &world->scope[i], &err) != CRB_OK)
		fail_msg("%s: %s", scope, err.msg);
	(void)snprintf(world->id[i], sizeof(world->id[i]), "r%zu", i);
	world->rule[i] = (struct crb_rule){ .id = world->id[i],
		.effect = effect,
		.credential = credential,
		.scope = &world->scope[i] };
}

#define AUTO_WORLD __attribute__((cleanup(world_clear)))
static void
world_clear(struct world *world)
{
	for (size_t i = 0; i < world->count; i++)
		crb_scope_clear(&world->scope[i]);
	world->count = 0;
}

static struct crb_decision
ask(const struct world *world, const char *credential, const char *repository,
    const char *git)
{
	struct crb_tier tier = { "session", world->count, world->rule };
	struct crb_request request = { credential, 0, { { NULL, NULL } } };

	if (repository != NULL)
		request.at[request.count++] = (struct crb_request_attribute){
			"repository", repository
		};
	if (git != NULL)
		request.at[request.count++] = (struct crb_request_attribute){
			"git", git
		};
	return crb_decide(&request, &tier, 1);
}

static void
a_grant_allows_what_it_names_and_nothing_else(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_decision d;

	(void)state;
	world_add(
	    &world, CRB_EFFECT_ALLOW, "github", "repository=acme/*,git=fetch");
	d = ask(&world, "github", "acme/api", "fetch");
	assert_int_equal(d.effect, CRB_EFFECT_ALLOW);
	assert_string_equal(d.rule, "r0");
	assert_string_equal(d.tier, "session");

	d = ask(&world, "github", "acme/api", "push");
	assert_int_equal(d.effect, CRB_EFFECT_DENY);
	assert_null(d.rule);
	assert_string_equal(d.tier, "session");
	assert_string_equal(d.attribute, "git");

	d = ask(&world, "github", "acme-evil/api", "fetch");
	assert_int_equal(d.effect, CRB_EFFECT_DENY);
	assert_string_equal(d.attribute, "repository");

	d = ask(&world, "gitlab", "acme/api", "fetch");
	assert_int_equal(d.effect, CRB_EFFECT_DENY);
	assert_null(d.attribute);
}

static void
the_closest_grant_explains_a_denial(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };

	(void)state;
	world_add(
	    &world, CRB_EFFECT_ALLOW, "github", "repository=acme/web,git=push");
	world_add(&world, CRB_EFFECT_ALLOW, "github",
	    "repository=acme/api,git=fetch");
	assert_string_equal(
	    ask(&world, "github", "acme/api", "push").attribute, "git");
	assert_string_equal(
	    ask(&world, "github", "acme/x", "push").attribute, "repository");
}

static void
what_is_not_asked_for_cannot_match_a_scope_that_names_it(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };

	(void)state;
	world_add(
	    &world, CRB_EFFECT_ALLOW, "github", "repository=acme/*,git=fetch");
	assert_int_equal(
	    ask(&world, "github", "acme/api", NULL).effect, CRB_EFFECT_DENY);
	assert_int_equal(
	    ask(&world, "github", NULL, NULL).effect, CRB_EFFECT_DENY);
}

static void
what_a_scope_does_not_name_it_does_not_restrict(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };

	(void)state;
	world_add(&world, CRB_EFFECT_ALLOW, "github", "repository=acme/*");
	assert_int_equal(
	    ask(&world, "github", "acme/api", "push").effect, CRB_EFFECT_ALLOW);
}

static void
the_strictest_rule_of_a_tier_wins(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_decision d;

	(void)state;
	world_add(&world, CRB_EFFECT_ALLOW, "github", "repository=**");
	world_add(&world, CRB_EFFECT_ASK, "github", "git=push");
	world_add(&world, CRB_EFFECT_DENY, "github", "repository=acme/infra");
	assert_int_equal(ask(&world, "github", "acme/api", "fetch").effect,
	    CRB_EFFECT_ALLOW);
	d = ask(&world, "github", "acme/api", "push");
	assert_int_equal(d.effect, CRB_EFFECT_ASK);
	assert_string_equal(d.rule, "r1");
	d = ask(&world, "github", "acme/infra", "push");
	assert_int_equal(d.effect, CRB_EFFECT_DENY);
	assert_string_equal(d.rule, "r2");
}

static void
all_tiers_must_agree(void **state)
{
	AUTO_WORLD struct world organization = { .count = 0 };
	AUTO_WORLD struct world session = { .count = 0 };
	struct crb_request request = { "github", 1,
		{ { "repository", "acme/api" } } };
	struct crb_tier tiers[2];
	struct crb_decision d;

	(void)state;
	world_add(&organization, CRB_EFFECT_ASK, "github", "repository=**");
	world_add(&session, CRB_EFFECT_ALLOW, "github", "repository=acme/*");
	tiers[0] = (struct crb_tier){ "organization", 1, organization.rule };
	tiers[1] = (struct crb_tier){ "session", 1, session.rule };
	d = crb_decide(&request, tiers, 2);
	assert_int_equal(d.effect, CRB_EFFECT_ASK);
	assert_string_equal(d.tier, "organization");

	request.at[0].value = "other/api";
	d = crb_decide(&request, tiers, 2);
	assert_int_equal(d.effect, CRB_EFFECT_DENY);
	assert_string_equal(d.tier, "session");
}

static void
nothing_to_decide_by_is_deny(void **state)
{
	AUTO_WORLD struct world world = { .count = 0 };
	struct crb_request request = { "github", 2,
		{ { "repository", "acme/api" }, { "repository", "acme/b" } } };
	struct crb_tier tier;

	(void)state;
	assert_int_equal(crb_decide(&request, NULL, 0).effect, CRB_EFFECT_DENY);
	assert_int_equal(
	    ask(&world, "github", "acme/api", "fetch").effect, CRB_EFFECT_DENY);

	/* An attribute twice: which of them would count? */
	world_add(&world, CRB_EFFECT_ALLOW, "github", "repository=**");
	tier = (struct crb_tier){ "session", 1, world.rule };
	assert_int_equal(
	    crb_decide(&request, &tier, 1).effect, CRB_EFFECT_DENY);
	request.count = 1;
	assert_int_equal(
	    crb_decide(&request, &tier, 1).effect, CRB_EFFECT_ALLOW);
	request.credential = NULL;
	assert_int_equal(
	    crb_decide(&request, &tier, 1).effect, CRB_EFFECT_DENY);
}

static const char *
one_of(const char *const *list, size_t count)
{
	return list[(size_t)rand() % count];
}

static const char *const credentials[] = { "a", "b" };
static const char *const scopes[] = { "repository=**", "repository=acme/*",
	"repository=acme/api", "repository=acme/api,git=push",
	"repository=acme/*,git=fetch", "git=fetch", "repository=x/y+acme/web",
	"git=fetch+push" };
static const char *const repositories[] = { "acme/api", "acme/web", "acme/a/b",
	"x/y", "acme", NULL };
static const char *const operations[] = { "fetch", "push", "other", NULL };

#define ONE_OF(list) one_of((list), sizeof(list) / sizeof(*(list)))

static enum crb_effect
random_effect(bool grants_only)
{
	static const enum crb_effect effects[] = { CRB_EFFECT_DENY,
		CRB_EFFECT_ASK, CRB_EFFECT_ALLOW };

	return grants_only ? CRB_EFFECT_ALLOW : effects[rand() % 3];
}

static void
adding_a_grant_never_denies_more(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		AUTO_WORLD struct world world = { .count = 0 };
		const char *credential = ONE_OF(credentials);
		const char *repository = ONE_OF(repositories);
		const char *git = ONE_OF(operations);
		enum crb_effect before, after;

		for (int n = rand() % 5; n > 0; n--)
			world_add(&world, CRB_EFFECT_ALLOW, ONE_OF(credentials),
			    ONE_OF(scopes));
		before = ask(&world, credential, repository, git).effect;
		world_add(&world, CRB_EFFECT_ALLOW, ONE_OF(credentials),
		    ONE_OF(scopes));
		after = ask(&world, credential, repository, git).effect;
		assert_true(after >= before);
	}
}

static void
the_order_of_rules_never_matters(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		AUTO_WORLD struct world world = { .count = 0 };
		const char *credential = ONE_OF(credentials);
		const char *repository = ONE_OF(repositories);
		const char *git = ONE_OF(operations);
		enum crb_effect effect;

		for (int n = 1 + rand() % 6; n > 0; n--)
			world_add(&world, random_effect(false),
			    ONE_OF(credentials), ONE_OF(scopes));
		effect = ask(&world, credential, repository, git).effect;
		for (size_t k = world.count; k > 1; k--) {
			size_t other = (size_t)rand() % k;
			struct crb_rule swap = world.rule[k - 1];

			world.rule[k - 1] = world.rule[other];
			world.rule[other] = swap;
		}
		assert_int_equal(
		    ask(&world, credential, repository, git).effect, effect);
	}
}

static void
without_a_grant_of_the_credential_everything_is_denied(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		AUTO_WORLD struct world world = { .count = 0 };
		struct crb_decision d;

		for (int n = rand() % 6; n > 0; n--)
			world_add(&world, random_effect(false),
			    ONE_OF(credentials), ONE_OF(scopes));
		d = ask(&world, "c", ONE_OF(repositories), ONE_OF(operations));
		assert_int_equal(d.effect, CRB_EFFECT_DENY);
		assert_null(d.rule);
	}
}

static enum crb_status
any_text(const char *text, struct crb_buf *out, struct crb_err *err)
{
	(void)err;
	crb_buf_str(out, text);
	return CRB_OK;
}

/* What the upstream enforces does not stand in the way of what we judge. */
static void
a_text_is_judged_only_when_it_is_asked_for(void **state)
{
	static const struct crb_attribute attributes[] = {
		{ .name = "actions",
		    .type = CRB_ATTRIBUTE_TEXT,
		    .check = any_text },
		{ .name = "git",
		    .type = CRB_ATTRIBUTE_CHOICE,
		    .choices = git_choices },
		CRB_ATTRIBUTE_END,
	};
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	struct crb_rule rule = { "r", CRB_EFFECT_ALLOW, "aws", &scope };
	struct crb_tier tier = { "session", 1, &rule };
	struct crb_request fetch = { "aws", 1, { { "git", "fetch" } } };
	struct crb_request push = { "aws", 1, { { "git", "push" } } };
	struct crb_request both = { "aws", 2,
		{ { "git", "fetch" }, { "actions", "s3:Get" } } };
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(crb_scope_parse("actions=s3:Get+s3:List,git=fetch",
			     attributes, &scope, &err),
	    CRB_OK);
	assert_int_equal(crb_decide(&fetch, &tier, 1).effect, CRB_EFFECT_ALLOW);
	assert_int_equal(crb_decide(&push, &tier, 1).effect, CRB_EFFECT_DENY);
	assert_int_equal(crb_decide(&both, &tier, 1).effect, CRB_EFFECT_ALLOW);
	both.at[1].value = "s3:Put";
	assert_int_equal(crb_decide(&both, &tier, 1).effect, CRB_EFFECT_DENY);
	both.at[1].value = "s3:get";
	assert_int_equal(crb_decide(&both, &tier, 1).effect, CRB_EFFECT_DENY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_allows_what_it_names_and_nothing_else),
		cmocka_unit_test(the_closest_grant_explains_a_denial),
		cmocka_unit_test(
		    what_is_not_asked_for_cannot_match_a_scope_that_names_it),
		cmocka_unit_test(
		    what_a_scope_does_not_name_it_does_not_restrict),
		cmocka_unit_test(the_strictest_rule_of_a_tier_wins),
		cmocka_unit_test(all_tiers_must_agree),
		cmocka_unit_test(nothing_to_decide_by_is_deny),
		cmocka_unit_test(adding_a_grant_never_denies_more),
		cmocka_unit_test(the_order_of_rules_never_matters),
		cmocka_unit_test(
		    without_a_grant_of_the_credential_everything_is_denied),
		cmocka_unit_test(a_text_is_judged_only_when_it_is_asked_for),
	};
	unsigned seed = (unsigned)time(NULL);

	printf("seed %u\n", seed);
	srand(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
