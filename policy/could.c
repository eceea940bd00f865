#include "policy/could.h"

#include <string.h>

#include "policy/asking.h"
#include "policy/impl.h"

#define SMALL_BYTES 8192
#define ARENA_MAX (32u << 20)

/* The rule, whoever asks and whenever. */
static struct crb_policy_rule
of_anybody(const struct crb_policy_rule *rule)
{
	struct crb_policy_rule any = *rule;
	const struct crb_globs all = { .given = false };

	any.tasks = any.users = any.groups = all;
	any.labels_given = false;
	any.label_count = 0;
	any.during = NULL;
	return any;
}

static bool
is_of_anybody(const struct crb_policy_rule *rule)
{
	return !rule->tasks.given && !rule->users.given &&
	    !rule->groups.given && rule->label_count == 0 &&
	    rule->during == NULL;
}

/* A list without a value matches nobody. */
static bool
matches_nobody(const struct crb_policy_rule *rule)
{
	return (rule->tasks.given && rule->tasks.count == 0) ||
	    (rule->users.given && rule->users.count == 0) ||
	    (rule->groups.given && rule->groups.count == 0) ||
	    (rule->during != NULL && rule->during->count == 0);
}

static void
permit(const struct crb_asking *asking, const struct crb_policy_rule *rule,
    bool *permitted)
{
	const struct crb_policy_rule any = of_anybody(rule);
	struct crb_outcome outcome = { .match = CRB_MATCH_NO };

	if (matches_nobody(rule))
		return;
	crb_asking_match(asking, &any, CRB_WAY_PERMIT, &outcome);
	if (outcome.match < CRB_MATCH_SOME)
		return;
	for (size_t i = 0; i < asking->combinations; i++)
		permitted[i] = permitted[i] ||
		    crb_asking_covers(asking, &any, &outcome, i);
}

static bool
denies(const struct crb_asking *asking, const struct crb_policy_rule *rule)
{
	struct crb_outcome outcome = { .match = CRB_MATCH_NO };

	if (!is_of_anybody(rule))
		return false;
	crb_asking_match(asking, rule, CRB_WAY_RESTRICT, &outcome);
	return outcome.match >= CRB_MATCH_SOME;
}

bool
crb_policy_could_allow(
    const struct crb_policy *policy, const struct crb_question *grant)
{
	_Alignas(max_align_t) char small[SMALL_BYTES];
	CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT_ON(
	    small, ARENA_MAX);
	bool permitted[CRB_COMBINATIONS_MAX] = { false };
	struct crb_asking asking;

	/* What cannot be asked is somebody else's to tell. */
	if (crb_asking_make(&asking, grant, false, &arena) != NULL)
		return true;
	for (size_t i = 0; i < policy->count; i++) {
		const struct crb_policy_rule *rule = &policy->rule[i];

		if (rule->effect != CRB_EFFECT_DENY)
			permit(&asking, rule, permitted);
		else if (denies(&asking, rule))
			return false;
	}
	for (size_t i = 0; i < asking.combinations; i++) {
		if (!permitted[i])
			return false;
	}
	return true;
}

void
crb_policy_credentials_named(const struct crb_policy *policy,
    void (*each)(
	void *ctx, unsigned line, const char *rule, const char *credential),
    void *ctx)
{
	for (size_t i = 0; i < policy->count; i++) {
		const struct crb_policy_rule *rule = &policy->rule[i];

		for (size_t k = 0; k < rule->credentials.count; k++) {
			if (!rule->credentials.at[k].wild)
				each(ctx, rule->line, rule->id,
				    rule->credentials.at[k].text);
		}
	}
}
