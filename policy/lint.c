#include "policy/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/impl.h"

/* Pairs of rules whose values are compared; more is told. */
#define PAIRS_MAX 4000000u

#define LISTS (5 + CRB_POLICY_ATTRIBUTES)
#define BIT_LABELS (UINT32_C(1) << LISTS)
#define BIT_DURING (UINT32_C(1) << (LISTS + 1))

struct linting {
	const struct crb_policy *policy;
	void (*each)(void *ctx, const struct crb_lint *finding); /* or NULL */
	void *ctx;
	uint32_t *matchers; /* of each rule: which it has; 0: it is left out */
	uint32_t pairs;
};

/* The lists of values that a rule may have, facts first. */
static const struct crb_globs *
list_at(const struct crb_policy_rule *rule, size_t i)
{
	const struct crb_globs *const facts[] = { &rule->credentials,
		&rule->users, &rule->groups, &rule->tasks, &rule->delivery };

	return i < sizeof(facts) / sizeof(*facts)
	    ? facts[i]
	    : &rule->scope[i - sizeof(facts) / sizeof(*facts)];
}

static const struct crb_policy_attribute *
attribute_at(size_t i)
{
	static const enum crb_policy_fact facts[] = { CRB_FACT_CREDENTIAL,
		CRB_FACT_USER, CRB_FACT_GROUP, CRB_FACT_TASK,
		CRB_FACT_DELIVERY };

	return i < sizeof(facts) / sizeof(*facts)
	    ? &crb_policy_facts[facts[i]]
	    : &crb_policy_attributes[i - sizeof(facts) / sizeof(*facts)];
}

static void tell(const struct linting *lint, const struct crb_policy_rule *rule,
    const char *fmt, ...) CRB_PRINTF(3, 4);

static void
tell(const struct linting *lint, const struct crb_policy_rule *rule,
    const char *fmt, ...)
{
	struct crb_lint finding = { .line = rule != NULL ? rule->line : 1,
		.rule = rule != NULL ? rule->id : NULL };
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(finding.text, sizeof(finding.text), fmt, args);
	va_end(args);
	if (lint->each != NULL)
		lint->each(lint->ctx, &finding);
}

/* A list without a value, by its name; NULL: there is none. */
static const char *
empty_list(const struct crb_policy_rule *rule)
{
	for (size_t i = 0; i < LISTS; i++) {
		if (list_at(rule, i)->given && list_at(rule, i)->count == 0)
			return attribute_at(i)->name;
	}
	for (size_t i = 0; i < rule->label_count; i++) {
		if (rule->label[i].values.count == 0)
			return rule->label[i].key;
	}
	return NULL;
}

/* An attribute that no request has together with those before it. */
static const char *
foreign_attribute(const struct crb_policy_rule *rule, const char **beside)
{
	unsigned families = CRB_FAMILY_GIT | CRB_FAMILY_HTTP | CRB_FAMILY_AWS;
	const char *last = NULL;

	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++) {
		const struct crb_policy_attribute *is =
		    &crb_policy_attributes[i];

		if (!rule->scope[i].given)
			continue;
		if ((families & is->families) == 0) {
			*beside = last;
			return is->name;
		}
		if ((families & ~is->families) != 0)
			last = is->name;
		families &= is->families;
	}
	return NULL;
}

static const struct crb_globs *
scope_of(const struct crb_policy_rule *rule, const char *name)
{
	return &rule->scope[crb_policy_attribute_find(name)];
}

/* Refs are changed by pushes, and nothing else. */
static const char *
pushless_attribute(const struct crb_policy_rule *rule)
{
	const struct crb_globs *git = scope_of(rule, "git");

	if (!git->given)
		return NULL;
	for (size_t i = 0; i < git->count; i++) {
		if (strncmp(git->at[i].text, "push", 4) == 0)
			return NULL;
	}
	return scope_of(rule, "ref")->given   ? "ref"
	    : scope_of(rule, "change")->given ? "change"
					      : NULL;
}

/* It is told why a rule matches nothing, and true is returned. */
static bool
matches_nothing(const struct linting *lint, const struct crb_policy_rule *rule)
{
	const char *beside = NULL, *what;

	if ((what = empty_list(rule)) != NULL)
		tell(lint, rule, "rule %s can never match: %s is an empty list",
		    rule->id, what);
	else if (rule->during != NULL && rule->during->count == 0)
		tell(lint, rule,
		    "rule %s can never match: during has no time in it",
		    rule->id);
	else if ((what = foreign_attribute(rule, &beside)) != NULL)
		tell(lint, rule,
		    "rule %s can never match: no request has both %s and %s",
		    rule->id, beside, what);
	else if ((what = pushless_attribute(rule)) != NULL)
		tell(lint, rule,
		    "rule %s can never match: only a push has a %s, and git "
		    "is fetch",
		    rule->id, what);
	else
		return false;
	return true;
}

static uint32_t
matchers_of(const struct crb_policy_rule *rule)
{
	/* So that no rule that counts has none. */
	uint32_t mask = UINT32_C(1) << 31;

	for (size_t i = 0; i < LISTS; i++)
		mask |= (uint32_t)list_at(rule, i)->given << i;
	mask |= rule->label_count > 0 ? BIT_LABELS : 0;
	mask |= rule->during != NULL ? BIT_DURING : 0;
	return mask;
}

static bool
list_covers(
    const struct crb_globs *outer, const struct crb_globs *inner, bool fold)
{
	for (size_t i = 0; i < inner->count && !outer->all; i++) {
		size_t k = 0;

		while (k < outer->count &&
		    !crb_glob_contains(&outer->at[k], &inner->at[i], fold))
			k++;
		if (k == outer->count)
			return false;
	}
	return true;
}

static bool
labels_cover(
    const struct crb_policy_rule *outer, const struct crb_policy_rule *inner)
{
	for (size_t i = 0; i < outer->label_count; i++) {
		size_t k = 0;

		while (k < inner->label_count &&
		    strcmp(inner->label[k].key, outer->label[i].key) != 0)
			k++;
		if (k == inner->label_count ||
		    !list_covers(&outer->label[i].values,
			&inner->label[k].values, false))
			return false;
	}
	return true;
}

/* Whatever one rule matches, the other does: `outer` has no other matchers. */
static bool
rule_covers(
    const struct crb_policy_rule *outer, const struct crb_policy_rule *inner)
{
	for (size_t i = 0; i < LISTS; i++) {
		enum crb_letters letters = attribute_at(i)->letters;
		bool fold = letters == CRB_LETTERS_FOLD ||
		    (letters == CRB_LETTERS_DOUBT &&
			outer->effect == CRB_EFFECT_DENY);

		if (list_at(outer, i)->given &&
		    !list_covers(list_at(outer, i), list_at(inner, i), fold))
			return false;
	}
	return labels_cover(outer, inner) &&
	    (outer->during == NULL ||
		crb_during_contains(outer->during, inner->during));
}

/*
 * A rule that wants its requests on the disk first, or an ask that asks for
 * more, adds something to one that is wider.
 */
static bool
wants_more(
    const struct crb_policy_rule *rule, const struct crb_policy_rule *than)
{
	if (rule->durable && !than->durable)
		return true;
	if (rule->effect != CRB_EFFECT_ASK)
		return false;
	return (rule->four_eyes && !than->four_eyes) ||
	    (rule->approvers != NULL &&
		(than->approvers == NULL ||
		    strcmp(rule->approvers, than->approvers) != 0));
}

/* Of two that match the same, the later one is too much. */
static bool
is_in_the_way(struct linting *lint, size_t other, size_t index)
{
	const struct crb_policy_rule *rule = &lint->policy->rule[index];
	const struct crb_policy_rule *by = &lint->policy->rule[other];
	uint32_t has = lint->matchers[index], needs = lint->matchers[other];

	if (needs == 0 || (needs & ~has) != 0 || by->effect > rule->effect ||
	    lint->pairs == PAIRS_MAX)
		return false;
	lint->pairs++;
	if (!rule_covers(by, rule))
		return false;
	if (by->effect < rule->effect)
		return by->effect == CRB_EFFECT_DENY || !rule->durable ||
		    by->durable;
	return !wants_more(rule, by) &&
	    (other < index || has != needs || !rule_covers(rule, by) ||
		wants_more(by, rule));
}

/* Keys are on record before anybody has them. */
static void
find_idle_durable(const struct linting *lint, size_t index)
{
	const struct crb_policy_rule *rule = &lint->policy->rule[index];

	if (!rule->durable || !rule->delivery.given)
		return;
	for (size_t i = 0; i < rule->delivery.count; i++) {
		if (strcmp(rule->delivery.at[i].text, "mint") != 0)
			return;
	}
	tell(lint, rule,
	    "rule %s is durable for nothing: it is about no request, and what "
	    "is minted is on record before anyhow",
	    rule->id);
}

static void
find_shadow(struct linting *lint, size_t index)
{
	static const char *const does[] = { "denies", "asks", "allows" };
	const struct crb_policy *policy = lint->policy;
	const struct crb_policy_rule *rule = &policy->rule[index];
	const struct crb_policy_rule *best = NULL;

	for (size_t i = 0; i < policy->count; i++) {
		const struct crb_policy_rule *by = &policy->rule[i];

		if (i != index && (best == NULL || by->effect < best->effect) &&
		    is_in_the_way(lint, i, index))
			best = by;
	}
	if (best == NULL)
		return;
	if (best->effect < rule->effect)
		tell(lint, rule, "rule %s can never decide: %s %s first",
		    rule->id, best->id, does[best->effect]);
	else
		tell(lint, rule,
		    "rule %s adds nothing: %s %s all of that already", rule->id,
		    best->id, does[best->effect]);
}

static void
lint_whole(const struct linting *lint)
{
	const struct crb_policy *policy = lint->policy;

	for (size_t i = 0; i < policy->count; i++) {
		if (lint->matchers[i] != 0 &&
		    policy->rule[i].effect != CRB_EFFECT_DENY)
			return;
	}
	tell(lint, NULL,
	    "everything is denied: no rule that can match allows or asks");
}

void
crb_policy_lint(const struct crb_policy *policy,
    void (*each)(void *ctx, const struct crb_lint *finding), void *ctx)
{
	CRB_AUTO_FREE uint32_t *matchers = calloc(
	    policy->count + 1, sizeof(*matchers));
	struct linting lint = { policy, each, ctx, matchers, 0 };
	const struct linting quiet = { .policy = policy };

	if (matchers == NULL) {
		tell(&lint, NULL, "there is no memory to look at the rules");
		return;
	}
	for (size_t i = 0; i < policy->count; i++) {
		const struct crb_policy_rule *rule = &policy->rule[i];

		if (!matches_nothing(&quiet, rule))
			matchers[i] = matchers_of(rule);
	}
	for (size_t i = 0; i < policy->count; i++) {
		if (matchers[i] == 0) {
			(void)matches_nothing(&lint, &policy->rule[i]);
			continue;
		}
		find_shadow(&lint, i);
		find_idle_durable(&lint, i);
	}
	lint_whole(&lint);
	if (lint.pairs == PAIRS_MAX)
		tell(&lint, NULL,
		    "there are too many rules to hold all of them against "
		    "each other");
}
