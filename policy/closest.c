#include <string.h>

#include "policy/asking.h"
#include "policy/decide.h"
#include "policy/impl.h"

/* A question needs no malloc() while it is this small. */
#define SMALL_BYTES 8192
#define ARENA_MAX (32u << 20)

static const struct crb_policy *
find_tier(const struct crb_tiers *tiers, const struct crb_verdict *verdict)
{
	for (size_t i = 0; i < tiers->count; i++) {
		const struct crb_policy *policy = tiers->policy[i];

		if (policy != NULL &&
		    policy->about.tier_name == verdict->tier &&
		    policy->about.name == verdict->policy)
			return policy;
	}
	return NULL;
}

/*
 * What only could not be shown is closer than what is outside; of two, the one
 * of which more matchers hold: a rule that says little holds for anything.
 */
static bool
is_closer(const struct crb_policy_rule *rule, const struct crb_outcome *a,
    const struct crb_policy_rule *than, const struct crb_outcome *b)
{
	if (than == NULL || a->match != b->match)
		return than == NULL || a->match > b->match;
	if (a->held != b->held)
		return a->held > b->held;
	if (a->steps != b->steps)
		return a->steps > b->steps;
	return rule->rank < than->rank;
}

static void
add_takes(struct crb_verdict *out, const char *value)
{
	if (out->takes_count < CRB_TAKES_MAX)
		out->takes[out->takes_count] = value;
	out->takes_count++;
}

static void
take_rule(const struct crb_policy_rule *rule, struct crb_verdict *out)
{
	size_t at = crb_policy_attribute_find(out->matcher);

	out->takes_count = 0;
	if (at == CRB_POLICY_ATTRIBUTES)
		return;
	for (size_t i = 0; i < rule->scope[at].count; i++)
		add_takes(out, rule->scope[at].at[i].text);
}

static void
search_closest(const struct crb_policy *policy,
    const struct crb_question *question, struct crb_verdict *verdict)
{
	_Alignas(max_align_t) char small[SMALL_BYTES];
	CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT_ON(
	    small, ARENA_MAX);
	const struct crb_policy_rule *best = NULL;
	struct crb_asking asking;
	struct crb_outcome farthest = { .match = CRB_MATCH_NO };
	struct crb_outcome outcome;

	if (crb_asking_make(&asking, question, false, &arena) != NULL)
		return;
	for (size_t i = 0; i < policy->count; i++) {
		const struct crb_policy_rule *rule = &policy->rule[i];

		if (rule->effect == CRB_EFFECT_DENY)
			continue;
		verdict->work += rule->work;
		crb_asking_match(&asking, rule, CRB_WAY_PERMIT, &outcome);
		if (!is_closer(rule, &outcome, best, &farthest))
			continue;
		best = rule;
		farthest = outcome;
	}
	if (best == NULL)
		return;
	verdict->closest = best->id;
	verdict->matcher = farthest.matcher;
	take_rule(best, verdict);
	verdict->unproved = farthest.match == CRB_MATCH_UNPROVED;
}

bool
crb_policy_run_out(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *out)
{
	static const char *const says[] = {
		[CRB_TIER_ORGANIZATION] = ("the organization's policy has run "
					   "out"),
		[CRB_TIER_TEAM] = "the team's policy has run out",
		[CRB_TIER_LOCAL] = "the local policy has run out",
	};

	for (size_t i = 0; question->zones != NULL && i < tiers->count; i++) {
		const struct crb_policy_about *about = tiers->policy[i] != NULL
		    ? crb_policy_about(tiers->policy[i])
		    : NULL;

		if (about == NULL || question->now < about->expires)
			continue;
		*out = (struct crb_verdict){ .effect = CRB_EFFECT_DENY,
			.tier = about->tier_name,
			.policy = about->name,
			.problem = says[about->tier] };
		return true;
	}
	return false;
}

/* Of all grants of the credential: any of them might have been the one. */
static void
take_session(const struct crb_tier *session, const char *credential,
    struct crb_verdict *out)
{
	out->takes_count = 0;
	for (size_t i = 0; i < session->count; i++) {
		const struct crb_scope *scope = session->rule[i].scope;

		if (strcmp(session->rule[i].credential, credential) != 0)
			continue;
		for (size_t k = 0; k < scope->count; k++) {
			const struct crb_scope_attribute *at = &scope->at[k];

			if (strcmp(at->attribute->name, out->matcher) != 0)
				continue;
			for (size_t n = 0; n < at->count; n++)
				add_takes(out, at->value[n]);
		}
	}
}

/* Asked of the one combination that was denied. */
void
crb_policy_closest(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *verdict)
{
	const struct crb_policy *policy = find_tier(tiers, verdict);
	struct crb_question one = *question;

	if (verdict->rule != NULL || verdict->problem != NULL ||
	    verdict->effect != CRB_EFFECT_DENY)
		return;
	if (tiers->session != NULL && verdict->tier == tiers->session->name &&
	    verdict->matcher != NULL)
		take_session(tiers->session, question->credential, verdict);
	if (policy == NULL)
		return;
	for (size_t i = 0; i < one.count; i++) {
		if (verdict->value[i] == NULL)
			continue;
		one.at[i].count = 1;
		one.at[i].value = &verdict->value[i];
	}
	search_closest(policy, &one, verdict);
}
