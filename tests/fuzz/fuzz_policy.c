/*
 * A policy, and the questions of a fixed set: what is decided is what is
 * explained, and lint does not crash.  The same bytes as cases, asked of no
 * policy.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/cases.h"
#include "policy/decide.h"
#include "policy/document.h"
#include "policy/lint.h"
#include "policy/question.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
zone_at(void *ctx, const char *zone, int64_t at, struct crb_zone_time *out)
{
	(void)ctx;
	(void)at;
	*out = (struct crb_zone_time){ 3600, INT64_MAX };
	return strcmp(zone, "Nowhere") != 0;
}
static const struct crb_zones zones = { zone_at, NULL };

static void
add(struct crb_question *q, const char *name, const char *const *value,
    size_t count, enum crb_asked_state state)
{
	const struct crb_asked asked = {
		.name = name, .state = state, .count = count, .value = value
	};

	if (!crb_question_add(q, &asked))
		abort();
}

static void
ignore(void *ctx, const struct crb_explained *explained)
{
	(void)ctx;
	if (explained->rule == NULL || explained->line == 0)
		abort();
}

static void
check(const struct crb_policy *policy, const struct crb_question *q)
{
	const struct crb_tiers tiers = { &policy, 1, NULL };
	struct crb_verdict decided, explained;

	crb_policy_decide(&tiers, q, &decided);
	crb_policy_explain(&tiers, q, &explained, ignore, NULL);
	if (decided.effect != explained.effect ||
	    decided.rule != explained.rule ||
	    decided.durable != explained.durable ||
	    decided.problem != explained.problem)
		abort();
}

static void
check_git(const struct crb_policy *policy, enum crb_question_kind kind)
{
	static const char *const repositories[] = { "acme/api", "acme/*" };
	static const char *const operations[] = { "fetch", "push" };
	static const char *const refs[] = { "refs/heads/agent/x" };
	static const char *const groups[] = { "dev" };
	static const struct crb_asked_label label = { "team", "core" };
	struct crb_question q = { .kind = kind,
		.credential = "github",
		.task = "fix-1",
		.user = "ann",
		.groups = groups,
		.group_count = 1,
		.labels = &label,
		.label_count = 1,
		.delivery = "inject",
		.now = 1000000,
		.zones = &zones };
	size_t count = kind == CRB_QUESTION_REQUEST ? 1 : 2;

	add(&q, "repository", repositories, count, CRB_ASKED_VALUES);
	add(&q, "git", operations, count, CRB_ASKED_VALUES);
	add(&q, "ref", refs, 1,
	    kind == CRB_QUESTION_INJECT ? CRB_ASKED_LATER : CRB_ASKED_VALUES);
	check(policy, &q);
}

static void
check_aws(const struct crb_policy *policy)
{
	static const char *const actions[] = { "s3:Get*", "s3:ListBucket" };
	static const char *const resources[] = { "arn:aws:s3:::${x}/*" };
	struct crb_question q = { .kind = CRB_QUESTION_MINT,
		.credential = "aws-dev",
		.task = "ci-2",
		.delivery = "mint",
		.now = 1000000,
		.seconds = 3600,
		.zones = &zones };

	add(&q, "actions", actions, 2, CRB_ASKED_VALUES);
	add(&q, "resources", resources, 1, CRB_ASKED_VALUES);
	add(&q, "service", NULL, 0, CRB_ASKED_ANY);
	check(policy, &q);
}

static void
check_cases(const char *text, size_t len)
{
	CRB_AUTO_CASES struct crb_cases *cases = NULL;
	const struct crb_tiers none = { NULL, 0, NULL };
	struct crb_verdict verdict;
	struct crb_err err = { 0 };

	if (crb_cases_parse(text, len, "fuzz", &zones, &cases, &err) != CRB_OK)
		return;
	for (size_t i = 0; i < crb_cases_count(cases); i++) {
		const struct crb_case *one = crb_cases_at(cases, i);

		(void)crb_case_run(one, &none, &verdict);
		if (one->question.kind == CRB_QUESTION_REQUEST &&
		    verdict.effect != CRB_EFFECT_DENY)
			abort();
	}
}

static void
forget(void *ctx, const struct crb_lint *finding)
{
	(void)ctx;
	if (finding->line == 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_POLICY struct crb_policy *policy = NULL;
	struct crb_err err = { 0 };

	check_cases((const char *)data, size);
	if (crb_policy_parse((const char *)data, size, "fuzz", &zones, &policy,
		&err) != CRB_OK) {
		if (policy != NULL || err.msg[0] == '\0')
			abort();
		return 0;
	}
	check_git(policy, CRB_QUESTION_REQUEST);
	check_git(policy, CRB_QUESTION_MINT);
	check_git(policy, CRB_QUESTION_INJECT);
	check_aws(policy);
	crb_policy_lint(policy, forget, NULL);
	return 0;
}
