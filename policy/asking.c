#include "policy/asking.h"

#include <string.h>

#define NO_MEMORY "there is no memory to decide it"

static bool
compile_fact(struct crb_glob *out, enum crb_policy_fact fact, const char *value,
    struct crb_arena *arena)
{
	const struct crb_policy_attribute *is = &crb_policy_facts[fact];

	if (value == NULL)
		return true;
	return crb_glob_compile(
	    out, value, is->style, is->separator, true, arena);
}

static const char *
make_facts(struct crb_asking *out, struct crb_arena *arena)
{
	const struct crb_question *q = out->question;

	if (q->credential == NULL || q->task == NULL)
		return "it names no credential or no task";
	if (out->bare)
		return NULL;
	out->group = crb_arena_array(
	    arena, q->group_count, sizeof(*out->group));
	out->label = crb_arena_array(
	    arena, q->label_count, sizeof(*out->label));
	if (out->group == NULL || out->label == NULL ||
	    !compile_fact(
		&out->credential, CRB_FACT_CREDENTIAL, q->credential, arena) ||
	    !compile_fact(&out->task, CRB_FACT_TASK, q->task, arena) ||
	    !compile_fact(&out->user, CRB_FACT_USER, q->user, arena) ||
	    !compile_fact(
		&out->delivery, CRB_FACT_DELIVERY, q->delivery, arena))
		return NO_MEMORY;
	for (size_t i = 0; q->groups != NULL && i < q->group_count; i++) {
		if (!compile_fact(
			&out->group[i], CRB_FACT_GROUP, q->groups[i], arena))
			return NO_MEMORY;
	}
	for (size_t i = 0; i < q->label_count; i++) {
		if (!compile_fact(&out->label[i], CRB_FACT_LABEL,
			q->labels[i].value, arena))
			return NO_MEMORY;
	}
	return NULL;
}

static const char *
make_axis(struct crb_axis *axis, const struct crb_policy_attribute *is,
    bool bare, struct crb_arena *arena)
{
	const struct crb_asked *asked = axis->asked;

	axis->count = 1;
	if (asked == NULL || asked->state != CRB_ASKED_VALUES)
		return NULL;
	if (asked->count == 0)
		return "an attribute of it has no value";
	if (asked->count > CRB_SCOPE_VALUES_MAX)
		return "an attribute of it has too many values";
	axis->count = asked->count;
	for (size_t i = 0; i < asked->count; i++) {
		if (asked->value[i] == NULL)
			return "an attribute of it has no value";
	}
	if (bare)
		return NULL;
	axis->glob = crb_arena_array(arena, asked->count, sizeof(*axis->glob));
	if (axis->glob == NULL)
		return NO_MEMORY;
	axis->literal = true;
	for (size_t i = 0; i < asked->count; i++) {
		struct crb_glob *glob = &axis->glob[i];

		if (!crb_glob_compile(glob, asked->value[i], is->style,
			is->separator, true, arena))
			return NO_MEMORY;
		axis->literal = axis->literal && !glob->wild && !glob->broken;
	}
	return NULL;
}

static size_t
axis_characters(const struct crb_axis *axis)
{
	const struct crb_asked *asked = axis->asked;
	size_t characters = 0;

	if (asked == NULL || asked->state != CRB_ASKED_VALUES)
		return 0;
	for (size_t i = 0; i < asked->count; i++)
		characters += strlen(asked->value[i]);
	return characters;
}

/* An attribute that is there twice could be read in two ways. */
static const char *
find_axes(struct crb_asking *out)
{
	const struct crb_question *q = out->question;

	if (q->count > CRB_SCOPE_MAX)
		return "it has too many attributes";
	for (size_t i = 0; i < q->count; i++) {
		size_t at;

		if (q->at[i].name == NULL)
			return "an attribute of it has no name";
		if (crb_question_find(q, q->at[i].name) != &q->at[i])
			return "an attribute of it is there twice";
		if (q->kind == CRB_QUESTION_MINT &&
		    q->at[i].state == CRB_ASKED_LATER)
			return "of what is minted everything has to be known";
		at = crb_policy_attribute_find(q->at[i].name);
		if (at < CRB_POLICY_ATTRIBUTES) {
			out->axis[at].asked = &q->at[i];
			out->axis[at].place = i;
		}
	}
	return NULL;
}

const char *
crb_asking_make(struct crb_asking *out, const struct crb_question *question,
    bool bare, struct crb_arena *arena)
{
	const char *problem;
	size_t characters = 0;

	memset(out, 0, sizeof(*out));
	out->question = question;
	out->bare = bare;
	out->combinations = 1;
	if ((problem = make_facts(out, arena)) != NULL ||
	    (problem = find_axes(out)) != NULL)
		return problem;
	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++) {
		struct crb_axis *axis = &out->axis[i];

		problem = make_axis(
		    axis, &crb_policy_attributes[i], bare, arena);
		if (problem != NULL)
			return problem;
		characters += axis_characters(axis);
		axis->stride = out->combinations;
		out->combinations *= axis->count;
		if (out->combinations > CRB_COMBINATIONS_MAX)
			return "its values have too many combinations; give "
			       "several grants";
	}
	/* Holding patterns against each other takes a product of lengths. */
	if (question->kind != CRB_QUESTION_REQUEST &&
	    characters > CRB_GRANT_CHARACTERS_MAX)
		return "its values are too long together; give several grants";
	return NULL;
}

static bool
asked_again(const struct crb_question *question)
{
	return question->kind == CRB_QUESTION_INJECT;
}

static bool
restricts(enum crb_way way)
{
	return way == CRB_WAY_RESTRICT;
}

/* One value of a rule's list holds for what is asked. */
static bool
list_matches(const struct crb_globs *list, const struct crb_glob *asked,
    bool overlap, bool fold)
{
	for (size_t i = 0; i < list->count; i++) {
		if (overlap ? crb_glob_overlaps(&list->at[i], asked, fold)
			    : crb_glob_contains(&list->at[i], asked, fold))
			return true;
	}
	return false;
}

/* Facts have one letter case; one that is not known may be any. */
static bool
fact_matches(enum crb_way way, const struct crb_globs *list,
    const struct crb_glob *asked)
{
	if (!list->given)
		return true;
	if (asked->text == NULL)
		return restricts(way) && list->count > 0;
	return list_matches(list, asked, restricts(way), false);
}

static bool
groups_match(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, enum crb_way way)
{
	const struct crb_question *q = asking->question;

	if (!rule->groups.given)
		return true;
	if (q->groups == NULL)
		return restricts(way) && rule->groups.count > 0;
	for (size_t i = 0; i < q->group_count; i++) {
		if (fact_matches(way, &rule->groups, &asking->group[i]))
			return true;
	}
	return false;
}

static bool
label_matches(const struct crb_asking *asking,
    const struct crb_policy_label *label, enum crb_way way)
{
	const struct crb_question *q = asking->question;

	for (size_t i = 0; i < q->label_count; i++) {
		if (strcmp(q->labels[i].key, label->key) == 0 &&
		    fact_matches(way, &label->values, &asking->label[i]))
			return true;
	}
	return false;
}

static bool
labels_match(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, enum crb_way way)
{
	for (size_t i = 0; i < rule->label_count; i++) {
		if (!label_matches(asking, &rule->label[i], way))
			return false;
	}
	return true;
}

static bool
fact_given(const struct crb_policy_rule *rule, enum crb_policy_fact fact)
{
	switch (fact) {
	case CRB_FACT_CREDENTIAL:
		return rule->credentials.given;
	case CRB_FACT_DELIVERY:
		return rule->delivery.given;
	case CRB_FACT_USER:
		return rule->users.given;
	case CRB_FACT_GROUP:
		return rule->groups.given;
	case CRB_FACT_TASK:
		return rule->tasks.given;
	case CRB_FACT_LABEL:
		return rule->label_count > 0;
	}
	return false;
}

static bool
fact_holds(const struct crb_asking *asking, const struct crb_policy_rule *rule,
    enum crb_policy_fact fact, enum crb_way way)
{
	switch (fact) {
	case CRB_FACT_CREDENTIAL:
		return fact_matches(
		    way, &rule->credentials, &asking->credential);
	case CRB_FACT_DELIVERY:
		return fact_matches(way, &rule->delivery, &asking->delivery);
	case CRB_FACT_USER:
		return fact_matches(way, &rule->users, &asking->user);
	case CRB_FACT_GROUP:
		return groups_match(asking, rule, way);
	case CRB_FACT_TASK:
		return fact_matches(way, &rule->tasks, &asking->task);
	case CRB_FACT_LABEL:
		return labels_match(asking, rule, way);
	}
	return false;
}

/* The facts, in the order in which they are told. */
static const char *
failing_fact(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, enum crb_way way,
    struct crb_outcome *out)
{
	static const enum crb_policy_fact facts[] = { CRB_FACT_CREDENTIAL,
		CRB_FACT_DELIVERY, CRB_FACT_USER, CRB_FACT_GROUP, CRB_FACT_TASK,
		CRB_FACT_LABEL };

	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		if (fact_given(rule, facts[i])) {
			if (!fact_holds(asking, rule, facts[i], way))
				return crb_policy_facts[facts[i]].name;
			out->held++;
		}
		out->steps++;
	}
	return NULL;
}

static bool
folds(enum crb_way way, size_t attribute, const struct crb_asked *asked)
{
	enum crb_letters letters = crb_policy_attributes[attribute].letters;

	return asked->fold || letters == CRB_LETTERS_FOLD ||
	    (letters == CRB_LETTERS_DOUBT && restricts(way));
}

/* Values of the axis for which the list holds, or may. */
static uint32_t
values_mask(const struct crb_axis *axis, const struct crb_globs *list,
    bool overlap, bool fold)
{
	uint32_t mask = 0;

	if (axis->asked->state != CRB_ASKED_VALUES)
		return list->all || (overlap && list->count > 0);
	for (size_t i = 0; i < axis->count; i++) {
		if (list_matches(list, &axis->glob[i], overlap, fold))
			mask |= UINT32_C(1) << i;
	}
	return mask;
}

/*
 * Sets *mask to the values of an attribute that the rule is about; 0: none, and
 * *why is which way it failed.
 */
static void
match_axis(const struct crb_asking *asking, const struct crb_globs *list,
    size_t attribute, enum crb_way way, uint32_t *mask, enum crb_match *why)
{
	const struct crb_axis *axis = &asking->axis[attribute];
	bool strict = restricts(way), overlap, fold;

	*mask = 0;
	*why = CRB_MATCH_NO;
	if (axis->asked == NULL)
		return;
	fold = folds(way, attribute, axis->asked);
	if (axis->asked->state == CRB_ASKED_LATER) {
		*mask = !strict && list->count > 0;
		*why = strict && list->count > 0 ? CRB_MATCH_LATER
						 : CRB_MATCH_NO;
		return;
	}
	overlap = strict && !asked_again(asking->question);
	*mask = values_mask(axis, list, overlap, fold);
	/* A literal lies inside, or it has nothing in common. */
	if (*mask == 0 && !overlap && !axis->literal &&
	    values_mask(axis, list, true, fold) != 0)
		*why = strict ? CRB_MATCH_LATER : CRB_MATCH_UNPROVED;
}

static bool
match_scope(const struct crb_asking *asking, const struct crb_policy_rule *rule,
    enum crb_way way, struct crb_outcome *out)
{
	bool all = true;

	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++) {
		size_t count = asking->axis[i].count;

		if (rule->scope[i].given) {
			match_axis(asking, &rule->scope[i], i, way,
			    &out->mask[i], &out->match);
			if (out->mask[i] == 0) {
				out->matcher = crb_policy_attributes[i].name;
				return false;
			}
			all = all &&
			    (count == 1 ||
				__builtin_popcount(out->mask[i]) == (int)count);
			out->held++;
		}
		out->steps++;
	}
	out->match = all ? CRB_MATCH_ALL : CRB_MATCH_SOME;
	return true;
}

/*
 * What is good for a time has to lie inside wholly, unless each use is asked
 * about again.
 */
static enum crb_match
match_during(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, enum crb_way way)
{
	const struct crb_question *q = asking->question;
	enum crb_during_share share;
	bool strict = restricts(way);

	if (rule->during == NULL)
		return CRB_MATCH_ALL;
	if (rule->during->count == 0)
		return CRB_MATCH_NO;
	share = crb_during_share(rule->during, q->zones, q->now, q->seconds);
	if (share == CRB_DURING_ALL)
		return CRB_MATCH_ALL;
	if (share == CRB_DURING_NONE)
		return CRB_MATCH_NO;
	if (strict)
		return asked_again(q) ? CRB_MATCH_LATER : CRB_MATCH_ALL;
	return asked_again(q) ? CRB_MATCH_ALL : CRB_MATCH_UNPROVED;
}

void
crb_asking_match(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, enum crb_way way,
    struct crb_outcome *out)
{
	enum crb_match during;

	out->match = CRB_MATCH_NO;
	out->held = 0;
	out->steps = 0;
	out->matcher = failing_fact(asking, rule, way, out);
	if (out->matcher != NULL || !match_scope(asking, rule, way, out))
		return;
	during = match_during(asking, rule, way);
	if (during == CRB_MATCH_ALL)
		return;
	out->match = during;
	out->matcher = "during";
}

bool
crb_asking_covers(const struct crb_asking *asking,
    const struct crb_policy_rule *rule, const struct crb_outcome *outcome,
    size_t combination)
{
	if (outcome->match == CRB_MATCH_ALL)
		return true;
	for (size_t i = 0; i < CRB_POLICY_ATTRIBUTES; i++) {
		size_t value = crb_axis_value(&asking->axis[i], combination);

		if (rule->scope[i].given &&
		    (outcome->mask[i] >> value & 1) == 0)
			return false;
	}
	return true;
}
