#include <string.h>

#include "policy/asking.h"
#include "policy/decide.h"
#include "policy/impl.h"

/* A question needs no malloc() while it is this small. */
#define SMALL_BYTES 8192
#define ARENA_MAX (32u << 20)

typedef void tell_rule(void *ctx, const struct crb_explained *explained);

/* What the rules so far come to, for one combination of values. */
struct cell {
	const struct crb_policy_rule *permits;   /* the mildest */
	const struct crb_policy_rule *restricts; /* the strictest */
};

struct evaluation {
	struct crb_asking asking;
	const struct crb_policy *policy; /* the tier that is asked */
	struct cell *cell;               /* of each combination */
	struct crb_verdict *out;
	tell_rule *each; /* NULL: only decide */
	void *ctx;
	bool overflow; /* more groups of approvers than there is room for */
};

/* Of two rules that match, and of two alike the first by id. */
static bool
is_stricter(const struct crb_policy_rule *a, const struct crb_policy_rule *b)
{
	return b == NULL || a->effect < b->effect ||
	    (a->effect == b->effect && a->rank < b->rank);
}

static bool
is_milder(const struct crb_policy_rule *a, const struct crb_policy_rule *b)
{
	return b == NULL || a->effect > b->effect ||
	    (a->effect == b->effect && a->rank < b->rank);
}

/* In order, each once. */
static void
add_approvers(struct evaluation *ev, const struct crb_policy_rule *rule)
{
	struct crb_verdict *out = ev->out;
	size_t place = 0;

	out->four_eyes = out->four_eyes || rule->four_eyes;
	if (rule->approvers == NULL)
		return;
	while (place < out->approver_count &&
	    strcmp(out->approvers[place], rule->approvers) < 0)
		place++;
	if (place < out->approver_count &&
	    strcmp(out->approvers[place], rule->approvers) == 0)
		return;
	if (out->approver_count == CRB_ASKS_MAX) {
		ev->overflow = true;
		return;
	}
	memmove(&out->approvers[place + 1], &out->approvers[place],
	    (out->approver_count - place) * sizeof(*out->approvers));
	out->approvers[place] = rule->approvers;
	out->approver_count++;
}

static void
tell(const struct evaluation *ev, const struct crb_policy_rule *rule,
    const struct crb_outcome *outcome, bool durable)
{
	const struct crb_explained explained = {
		.tier = ev->policy->about.tier_name,
		.policy = ev->policy->about.name,
		.rule = rule->id,
		.effect = (enum crb_effect)rule->effect,
		.reason = rule->reason,
		.line = rule->line,
		.match = outcome->match,
		.matcher = outcome->matcher,
		.durable = durable,
	};

	ev->each(ev->ctx, &explained);
}

static void
permit(struct evaluation *ev, const struct crb_policy_rule *rule,
    const struct crb_outcome *outcome)
{
	for (size_t i = 0; i < ev->asking.combinations; i++) {
		struct cell *cell = &ev->cell[i];

		if (is_milder(rule, cell->permits) &&
		    crb_asking_covers(&ev->asking, rule, outcome, i))
			cell->permits = rule;
	}
}

static void
restrict_to(struct evaluation *ev, const struct crb_policy_rule *rule,
    const struct crb_outcome *outcome)
{
	if (rule->effect == CRB_EFFECT_ASK)
		add_approvers(ev, rule);
	for (size_t i = 0; i < ev->asking.combinations; i++) {
		struct cell *cell = &ev->cell[i];

		if (is_stricter(rule, cell->restricts) &&
		    crb_asking_covers(&ev->asking, rule, outcome, i))
			cell->restricts = rule;
	}
}

static bool
matched(const struct crb_outcome *outcome)
{
	return outcome->match >= CRB_MATCH_SOME;
}

/*
 * In either way: what a rule may be about is not sent sooner because it cannot
 * be shown that it is, as in another letter case.
 */
static bool
wants_durable(const struct evaluation *ev, const struct crb_policy_rule *rule,
    const struct crb_outcome *permits, const struct crb_outcome *restricts)
{
	struct crb_outcome outcome;

	if (!rule->durable || ev->asking.question->kind != CRB_QUESTION_REQUEST)
		return false;
	if (matched(permits) || matched(restricts))
		return true;
	if (rule->effect != CRB_EFFECT_ALLOW)
		return false;
	crb_asking_match(&ev->asking, rule, CRB_WAY_RESTRICT, &outcome);
	return matched(&outcome);
}

/* Everything that is done with a rule, whoever asks. */
static void
consider(void *ctx, size_t index)
{
	struct evaluation *ev = ctx;
	const struct crb_policy_rule *rule = &ev->policy->rule[index];
	struct crb_outcome permits = { .match = CRB_MATCH_NO };
	struct crb_outcome restricts = { .match = CRB_MATCH_NO };
	bool durable;

	ev->out->work += rule->work;
	if (rule->effect != CRB_EFFECT_DENY) {
		crb_asking_match(&ev->asking, rule, CRB_WAY_PERMIT, &permits);
		if (matched(&permits))
			permit(ev, rule, &permits);
	}
	if (rule->effect != CRB_EFFECT_ALLOW) {
		crb_asking_match(
		    &ev->asking, rule, CRB_WAY_RESTRICT, &restricts);
		if (matched(&restricts))
			restrict_to(ev, rule, &restricts);
	}
	durable = wants_durable(ev, rule, &permits, &restricts);
	ev->out->durable = ev->out->durable || durable;
	if (ev->each != NULL)
		tell(ev, rule,
		    rule->effect == CRB_EFFECT_ALLOW ? &permits : &restricts,
		    durable);
}

/* The values of a combination, as they stand in the question. */
static void
set_values(const struct crb_asking *asking, size_t combination,
    const char *value[CRB_SCOPE_MAX])
{
	const struct crb_question *q = asking->question;

	for (size_t i = 0; i < q->count; i++)
		value[i] = q->at[i].state == CRB_ASKED_VALUES &&
			q->at[i].count == 1
		    ? q->at[i].value[0]
		    : NULL;
	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++) {
		const struct crb_axis *axis = &asking->axis[i];

		if (axis->asked != NULL &&
		    axis->asked->state == CRB_ASKED_VALUES)
			value[axis->place] = axis->asked->value[crb_axis_value(
			    axis, combination)];
	}
}

/*
 * What a deny may touch is denied, and what nothing permits; an ask decides of
 * what is permitted.  *rule is the one that says so, or NULL.
 */
static enum crb_effect
cell_effect(const struct cell *cell, const struct crb_policy_rule **rule)
{
	*rule = cell->restricts;
	if (cell->restricts != NULL &&
	    cell->restricts->effect == CRB_EFFECT_DENY)
		return CRB_EFFECT_DENY;
	if (cell->permits == NULL) {
		*rule = NULL;
		return CRB_EFFECT_DENY;
	}
	if (cell->restricts != NULL)
		return CRB_EFFECT_ASK;
	*rule = cell->permits;
	return CRB_EFFECT_ALLOW;
}

/* The strictest combination; one that a rule denies says more than none. */
static size_t
strictest_cell(const struct evaluation *ev,
    const struct crb_policy_rule **strictest_rule, enum crb_effect *strictest)
{
	const struct crb_policy_rule *rule;
	size_t best = 0;

	*strictest = cell_effect(&ev->cell[0], strictest_rule);
	for (size_t i = 1; i < ev->asking.combinations; i++) {
		enum crb_effect effect = cell_effect(&ev->cell[i], &rule);

		if (effect > *strictest ||
		    (effect == *strictest &&
			(rule == NULL || *strictest_rule != NULL)))
			continue;
		*strictest = effect;
		*strictest_rule = rule;
		best = i;
	}
	return best;
}

static void
decide_policy(
    struct evaluation *ev, const struct crb_policy *policy, bool first)
{
	struct crb_verdict *out = ev->out;
	const struct crb_policy_rule *rule;
	enum crb_effect effect;
	size_t best;

	ev->policy = policy;
	memset(ev->cell, 0, ev->asking.combinations * sizeof(*ev->cell));
	if (ev->each == NULL) {
		crb_rule_index_search(policy, &ev->asking, consider, ev);
	} else {
		for (size_t i = 0; i < policy->count; i++)
			consider(ev, i);
	}
	best = strictest_cell(ev, &rule, &effect);
	if (!first && effect >= out->effect)
		return;
	out->effect = effect;
	out->tier = policy->about.tier_name;
	out->policy = policy->about.name;
	out->rule = rule != NULL ? rule->id : NULL;
	out->reason = rule != NULL ? rule->reason : NULL;
	set_values(&ev->asking, best, out->value);
}

/*
 * What the session's grants are held against: attributes with one value, or
 * one that is known later.
 */
static struct crb_request
session_request(const struct crb_question *question)
{
	struct crb_request request = { .credential = question->credential };

	for (size_t i = 0; i < question->count; i++) {
		const struct crb_asked *asked = &question->at[i];
		struct crb_request_attribute one = { asked->name,
			crb_value_later };

		if (asked->state == CRB_ASKED_VALUES && asked->count == 1)
			one.value = asked->value[0];
		else if (asked->state != CRB_ASKED_LATER)
			continue;
		request.at[request.count++] = one;
	}
	return request;
}

static size_t
session_work(const struct crb_tier *session)
{
	size_t work = session->count;

	for (size_t i = 0; i < session->count; i++) {
		const struct crb_scope *scope = session->rule[i].scope;

		for (size_t k = 0; k < scope->count; k++)
			work += scope->at[k].count;
	}
	return work;
}

static void
tell_session(const struct evaluation *ev, const struct crb_tier *session,
    const struct crb_request *request)
{
	for (size_t i = 0; i < session->count; i++) {
		struct crb_tier alone = { session->name, 1, &session->rule[i] };
		struct crb_decision one = crb_decide(request, &alone, 1);
		const struct crb_explained explained = {
			.tier = session->name,
			.rule = session->rule[i].id,
			.effect = session->rule[i].effect,
			.match = one.rule != NULL ? CRB_MATCH_ALL
						  : CRB_MATCH_NO,
			.matcher = one.rule != NULL ? NULL
			    : one.attribute != NULL ? one.attribute
						    : "credentials",
		};

		ev->each(ev->ctx, &explained);
	}
}

static void
decide_session(
    struct evaluation *ev, const struct crb_tier *session, bool first)
{
	struct crb_request request = session_request(ev->asking.question);
	struct crb_decision decision = crb_decide(&request, session, 1);
	struct crb_verdict *out = ev->out;

	out->work += session_work(session);
	if (ev->each != NULL)
		tell_session(ev, session, &request);
	if (!first && decision.effect >= out->effect)
		return;
	out->effect = decision.effect;
	out->tier = decision.tier;
	out->policy = NULL;
	out->rule = decision.rule;
	out->reason = NULL;
	out->matcher = decision.rule != NULL ? NULL
	    : decision.attribute != NULL     ? decision.attribute
					     : "credentials";
	set_values(&ev->asking, 0, out->value);
}

static void
decide_tiers(struct evaluation *ev, const struct crb_tiers *tiers)
{
	struct crb_verdict *out = ev->out;
	bool first = true;

	for (size_t i = 0; i < tiers->count; i++) {
		if (tiers->policy[i] == NULL)
			continue;
		decide_policy(ev, tiers->policy[i], first);
		first = false;
	}
	if (tiers->session != NULL)
		decide_session(ev, tiers->session, first);
	else if (first && ev->asking.question->kind != CRB_QUESTION_REQUEST)
		out->effect = CRB_EFFECT_ALLOW;
	else if (first)
		out->problem = "there is no tier";
	if (ev->overflow && out->effect == CRB_EFFECT_ASK) {
		out->effect = CRB_EFFECT_DENY;
		out->problem = "more groups would have to approve than can";
	}
	if (out->effect == CRB_EFFECT_DENY)
		out->durable = false;
	if (out->effect != CRB_EFFECT_ASK) {
		out->approver_count = 0;
		out->four_eyes = false;
	}
}

static bool
any_policy(const struct crb_tiers *tiers)
{
	for (size_t i = 0; i < tiers->count; i++) {
		if (tiers->policy[i] != NULL)
			return true;
	}
	return false;
}

static void
evaluate(const struct crb_tiers *tiers, const struct crb_question *question,
    struct crb_verdict *out, tell_rule *each, void *ctx)
{
	_Alignas(max_align_t) char small[SMALL_BYTES];
	CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT_ON(
	    small, ARENA_MAX);
	struct evaluation ev = { .out = out, .each = each, .ctx = ctx };

	*out = (struct crb_verdict){ .effect = CRB_EFFECT_DENY };
	out->problem = crb_asking_make(
	    &ev.asking, question, !any_policy(tiers), &arena);
	if (out->problem != NULL)
		return;
	ev.cell = crb_arena_array(
	    &arena, ev.asking.combinations, sizeof(*ev.cell));
	if (ev.cell == NULL) {
		out->problem = "there is no memory to decide it";
		return;
	}
	decide_tiers(&ev, tiers);
}

void
crb_policy_decide(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *out)
{
	evaluate(tiers, question, out, NULL, NULL);
}

void
crb_policy_explain(const struct crb_tiers *tiers,
    const struct crb_question *question, struct crb_verdict *out,
    void (*each)(void *ctx, const struct crb_explained *explained), void *ctx)
{
	evaluate(tiers, question, out, each, ctx);
	crb_policy_closest(tiers, question, out);
}
