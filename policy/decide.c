#include "policy/decide.h"

#include <stdbool.h>
#include <string.h>

#include "policy/pattern.h"

const char crb_value_later[] = "(known later)";

static const char *
asked_value(const struct crb_request *request, const char *name)
{
	for (size_t i = 0; i < request->count; i++) {
		if (strcmp(request->at[i].name, name) == 0)
			return request->at[i].value;
	}
	return NULL;
}

static bool
value_accepted(const struct crb_attribute *attribute, const char *granted,
    const char *asked)
{
	switch (attribute->type) {
	case CRB_ATTRIBUTE_PATTERN:
		return crb_pattern_match(granted, asked, attribute->separator);
	case CRB_ATTRIBUTE_CHOICE:
	case CRB_ATTRIBUTE_TEXT:
		return strcmp(granted, asked) == 0;
	}
	return false;
}

static bool
attribute_accepted(const struct crb_scope_attribute *at, const char *asked)
{
	if (asked == NULL)
		return at->attribute->type == CRB_ATTRIBUTE_TEXT;
	if (asked == crb_value_later)
		return true;
	for (size_t i = 0; i < at->count; i++) {
		if (value_accepted(at->attribute, at->value[i], asked))
			return true;
	}
	return false;
}

static bool
scope_accepts(const struct crb_scope *scope, const struct crb_request *request)
{
	for (size_t i = 0; i < scope->count; i++) {
		if (!attribute_accepted(&scope->at[i],
			asked_value(request, scope->at[i].attribute->name)))
			return false;
	}
	return true;
}

/* How many attributes, from the request's first one on, the scope accepts. */
static size_t
scope_distance(const struct crb_scope *scope, const struct crb_request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		for (size_t k = 0; k < scope->count; k++) {
			if (strcmp(scope->at[k].attribute->name,
				request->at[i].name) == 0 &&
			    !attribute_accepted(
				&scope->at[k], request->at[i].value))
				return i;
		}
	}
	return request->count;
}

/* The attribute at which the rule that came closest failed. */
static const char *
failed_attribute(const struct crb_tier *tier, const struct crb_request *request)
{
	const char *attribute = NULL;
	size_t farthest = 0;

	for (size_t i = 0; i < tier->count; i++) {
		const struct crb_rule *rule = &tier->rule[i];
		size_t distance;

		if (rule->effect == CRB_EFFECT_DENY ||
		    strcmp(rule->credential, request->credential) != 0)
			continue;
		distance = scope_distance(rule->scope, request);
		if (distance < request->count &&
		    (attribute == NULL || distance > farthest)) {
			attribute = request->at[distance].name;
			farthest = distance;
		}
	}
	return attribute;
}

/* The strictest rule that matches; none is deny. */
static struct crb_decision
tier_decide(const struct crb_tier *tier, const struct crb_request *request)
{
	struct crb_decision decision = { .effect = CRB_EFFECT_DENY,
		.tier = tier->name };

	for (size_t i = 0; i < tier->count; i++) {
		const struct crb_rule *rule = &tier->rule[i];

		if (strcmp(rule->credential, request->credential) != 0 ||
		    !scope_accepts(rule->scope, request))
			continue;
		if (decision.rule == NULL || rule->effect < decision.effect) {
			decision.effect = rule->effect;
			decision.rule = rule->id;
		}
	}
	if (decision.rule == NULL)
		decision.attribute = failed_attribute(tier, request);
	return decision;
}

static bool
request_sound(const struct crb_request *request)
{
	if (request->credential == NULL || request->count > CRB_SCOPE_MAX)
		return false;
	for (size_t i = 0; i < request->count; i++) {
		if (request->at[i].name == NULL ||
		    request->at[i].value == NULL ||
		    asked_value(request, request->at[i].name) !=
			request->at[i].value)
			return false;
	}
	return true;
}

struct crb_decision
crb_decide(const struct crb_request *request, const struct crb_tier *tiers,
    size_t count)
{
	struct crb_decision strictest = { .effect = CRB_EFFECT_DENY };

	if (!request_sound(request))
		return strictest;
	for (size_t i = 0; i < count; i++) {
		struct crb_decision decision = tier_decide(&tiers[i], request);

		if (i == 0 || decision.effect < strictest.effect)
			strictest = decision;
	}
	return strictest;
}
