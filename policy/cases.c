#include "policy/cases.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "policy/reading.h"

#define ARENA_MAX (128u << 20)

/*
 * A case as it is read.  Its lists are those of a rule, by the same readers, so
 * that a case cannot be about what no rule can.
 */
struct given {
	struct crb_policy_rule lists; /* first: the readers of lists fill it */
	const char *name, *credential, *task, *user, *rule;
	size_t kind, expect, delivery;
	int64_t at; /* -1: no time */
	int64_t seconds;
	bool open[CRB_POLICY_ATTRIBUTES], later[CRB_POLICY_ATTRIBUTES];
};

struct crb_cases {
	struct crb_policy holder; /* of the arena, for the readers */
	struct crb_case *at;
	size_t count;
};

static const char *const kinds[] = { "request", "mint", "inject", NULL };
static const char *const deliveries[] = { "mint", "inject", NULL };

static enum crb_status
add_attribute(struct crb_reading *reading, const char *text, void *out,
    struct crb_err *err)
{
	size_t at = crb_policy_attribute_find(text);
	bool *flags = out;

	if (at == CRB_POLICY_ATTRIBUTES)
		return crb_reading_invalid(
		    reading, text, "is no attribute of a scope", err);
	flags[at] = true;
	return CRB_OK;
}

static enum crb_status
read_attributes(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	return crb_read_texts(
	    reading, add_attribute, crb_reading_place(member, out), err);
}

static enum crb_status
read_duration(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	const char *text;
	enum crb_status status;

	status = crb_reader_text(
	    &reading->reader, CRB_READ_NAME_BYTES, &text, err);
	if (status == CRB_OK &&
	    crb_duration_parse(text, crb_reading_place(member, out), err) !=
		CRB_OK)
		return crb_reading_here(reading, err);
	return status;
}

#define AT(member) .offset = offsetof(struct given, member)

static const struct crb_policy_member case_members[] = {
	{ .name = "name", .type = CRB_MEMBER_TEXT, .required = true, AT(name) },
	{ .name = "ask",
	    .type = CRB_MEMBER_CHOICE,
	    .choices = kinds,
	    AT(kind) },
	{ .name = "credential",
	    .type = CRB_MEMBER_NAME,
	    .required = true,
	    AT(credential) },
	{ .name = "task", .type = CRB_MEMBER_WORD, .required = true, AT(task) },
	{ .name = "user", .type = CRB_MEMBER_WORD, AT(user) },
	{ .name = "groups",
	    .type = CRB_MEMBER_VALUES,
	    .attribute = &crb_policy_facts[CRB_FACT_GROUP],
	    AT(lists.groups) },
	{ .name = "labels", .type = CRB_MEMBER_LABELS },
	{ .name = "delivery",
	    .type = CRB_MEMBER_CHOICE,
	    .choices = deliveries,
	    AT(delivery) },
	{ .name = "scope", .type = CRB_MEMBER_SCOPE },
	{ .name = "open",
	    .type = CRB_MEMBER_OTHER,
	    .read = read_attributes,
	    AT(open) },
	{ .name = "later",
	    .type = CRB_MEMBER_OTHER,
	    .read = read_attributes,
	    AT(later) },
	{ .name = "at", .type = CRB_MEMBER_TIME, AT(at) },
	{ .name = "lasts",
	    .type = CRB_MEMBER_OTHER,
	    .read = read_duration,
	    AT(seconds) },
	{ .name = "expect",
	    .type = CRB_MEMBER_CHOICE,
	    .required = true,
	    .choices = crb_policy_effects,
	    AT(expect) },
	{ .name = "rule", .type = CRB_MEMBER_NAME, AT(rule) },
	{ .name = NULL },
};

/* The texts of a list. */
static const char **
texts_of(struct crb_arena *arena, const struct crb_globs *globs)
{
	const char **texts = crb_arena_array(
	    arena, globs->count + 1, sizeof(*texts));

	for (size_t i = 0; texts != NULL && i < globs->count; i++)
		texts[i] = globs->at[i].text;
	return texts;
}

static enum crb_status
fail(struct crb_reading *reading, unsigned line, const char *what,
    const char *why, struct crb_err *err)
{
	return crb_reader_fail(
	    &reading->reader, line, err, CRB_ERR_INVALID, "%s %s", what, why);
}

static enum crb_status
set_labels(struct crb_reading *reading, const struct given *given,
    struct crb_case *out, struct crb_err *err)
{
	struct crb_asked_label *labels = crb_arena_array(
	    &reading->policy->arena, given->lists.label_count + 1,
	    sizeof(*labels));

	if (labels == NULL)
		return crb_reading_no_memory(err);
	for (size_t i = 0; i < given->lists.label_count; i++) {
		const struct crb_policy_label *label = &given->lists.label[i];

		if (label->values.count != 1)
			return fail(reading, out->line, label->key,
			    "is a label, and has one value", err);
		labels[i] = (struct crb_asked_label){ label->key,
			label->values.at[0].text };
	}
	out->question.labels = labels;
	out->question.label_count = given->lists.label_count;
	return CRB_OK;
}

static enum crb_status
set_facts(struct crb_reading *reading, const struct given *given,
    struct crb_case *out, struct crb_err *err)
{
	struct crb_question *q = &out->question;

	q->kind = (enum crb_question_kind)given->kind;
	q->credential = given->credential;
	q->task = given->task;
	q->user = given->user;
	/* Unless it says so, what is minted is, and nothing else. */
	q->delivery = deliveries[given->delivery < 2
		? given->delivery
		: (size_t)(q->kind != CRB_QUESTION_MINT)];
	q->seconds = given->seconds;
	q->now = given->at >= 0 ? given->at : 0;
	q->zones = given->at >= 0 ? reading->zones : NULL;
	if (given->lists.groups.given) {
		q->group_count = given->lists.groups.count;
		q->groups = texts_of(
		    &reading->policy->arena, &given->lists.groups);
		if (q->groups == NULL)
			return crb_reading_no_memory(err);
	}
	return set_labels(reading, given, out, err);
}

/* A request has one value of each, which is a name; a grant has some. */
static enum crb_status
check_values(struct crb_reading *reading, const struct crb_globs *values,
    const char *name, const struct crb_case *out, struct crb_err *err)
{
	if (values->count == 0 || values->count > CRB_SCOPE_VALUES_MAX)
		return fail(reading, out->line, name,
		    "has no value, or more than a scope can", err);
	if (out->question.kind == CRB_QUESTION_REQUEST &&
	    (values->count > 1 || values->at[0].wild))
		return fail(reading, out->line, name,
		    "has one value in a request, and that is no pattern", err);
	return CRB_OK;
}

static enum crb_status
set_attribute(struct crb_reading *reading, const struct given *given, size_t i,
    struct crb_case *out, struct crb_err *err)
{
	const struct crb_globs *values = &given->lists.scope[i];
	struct crb_asked asked = { .name = crb_policy_attributes[i].name };
	enum crb_status status;

	if (values->given + given->open[i] + given->later[i] == 0)
		return CRB_OK;
	if (values->given + given->open[i] + given->later[i] > 1)
		return fail(reading, out->line, asked.name,
		    "is in two of scope, open and later", err);
	if (given->later[i] && out->question.kind == CRB_QUESTION_MINT)
		return fail(reading, out->line, asked.name,
		    "cannot come later when it is minted", err);
	asked.state = given->open[i] ? CRB_ASKED_ANY
	    : given->later[i]        ? CRB_ASKED_LATER
				     : CRB_ASKED_VALUES;
	if (values->given) {
		status = check_values(reading, values, asked.name, out, err);
		if (status != CRB_OK)
			return status;
		asked.count = values->count;
		asked.value = texts_of(&reading->policy->arena, values);
		if (asked.value == NULL)
			return crb_reading_no_memory(err);
	}
	/* There is room for all that the language has. */
	(void)crb_question_add(&out->question, &asked);
	return CRB_OK;
}
_Static_assert(CRB_POLICY_ATTRIBUTES <= CRB_SCOPE_MAX, "room for them all");

static enum crb_status
read_case(
    struct crb_reading *reading, struct crb_case *out, struct crb_err *err)
{
	struct given given = { .delivery = 2, .at = -1 };
	enum crb_status status;

	(void)crb_reader_kind(&reading->reader);
	*out = (struct crb_case){ .line = reading->reader.value_line };
	status = crb_read_object(reading, case_members, &given, err);
	if (status != CRB_OK)
		return status;
	out->name = given.name;
	out->rule = given.rule;
	out->expect = (enum crb_effect)given.expect;
	status = set_facts(reading, &given, out, err);
	for (size_t i = 0; status == CRB_OK && i < CRB_POLICY_ATTRIBUTES; i++)
		status = set_attribute(reading, &given, i, out, err);
	return status;
}

static enum crb_status
read_next(
    struct crb_reading *reading, struct crb_cases *cases, struct crb_err *err)
{
	size_t count = cases->count, length;
	struct crb_case *more;
	enum crb_status status;

	if (count == CRB_CASES_MAX)
		return crb_reader_fail(&reading->reader, reading->reader.line,
		    err, CRB_ERR_LIMIT, "more than %d cases", CRB_CASES_MAX);
	if ((count & (count - 1)) == 0) {
		more = realloc(
		    cases->at, (count > 0 ? 2 * count : 1) * sizeof(*more));
		if (more == NULL)
			return crb_reading_no_memory(err);
		cases->at = more;
	}
	length = crb_reader_push_index(&reading->reader, count);
	status = read_case(reading, &cases->at[count], err);
	if (status != CRB_OK)
		return status;
	crb_reader_pop(&reading->reader, length);
	cases->count++;
	return CRB_OK;
}

static enum crb_status
read_cases(struct crb_reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	enum crb_status status;
	bool more;

	(void)member;
	status = crb_reader_enter(&reading->reader, '[', "a list", err);
	for (size_t i = 0; status == CRB_OK; i++) {
		status = crb_reader_element(&reading->reader, i, &more, err);
		if (status != CRB_OK || !more)
			break;
		status = read_next(reading, out, err);
	}
	return status;
}

static const struct crb_policy_member cases_members[] = {
	{ .name = "$schema", .type = CRB_MEMBER_IGNORED },
	{ .name = "cases",
	    .type = CRB_MEMBER_OTHER,
	    .required = true,
	    .read = read_cases },
	{ .name = NULL },
};

enum crb_status
crb_cases_parse(const char *text, size_t len, const char *where,
    const struct crb_zones *zones, struct crb_cases **out, struct crb_err *err)
{
	CRB_AUTO_CASES struct crb_cases *cases = NULL;
	struct crb_reading reading = { .zones = zones };
	enum crb_status status;

	if (len > CRB_POLICY_BYTES_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "%s: cases of more than %u bytes", where,
		    CRB_POLICY_BYTES_MAX);
	if ((cases = calloc(1, sizeof(*cases))) == NULL)
		return crb_reading_no_memory(err);
	cases->holder.arena.max = ARENA_MAX;
	reading.policy = &cases->holder;
	crb_reader_init(
	    &reading.reader, where, text, len, &cases->holder.arena);
	if ((status = crb_read_object(&reading, cases_members, cases, err)) !=
		CRB_OK ||
	    (status = crb_reader_end(&reading.reader, err)) != CRB_OK)
		return status;
	*out = CRB_STEAL(cases);
	return CRB_OK;
}

void
crb_cases_free(struct crb_cases *cases)
{
	if (cases == NULL)
		return;
	free(cases->at);
	crb_arena_clear(&cases->holder.arena);
	free(cases);
}

size_t
crb_cases_count(const struct crb_cases *cases)
{
	return cases->count;
}

const struct crb_case *
crb_cases_at(const struct crb_cases *cases, size_t i)
{
	return &cases->at[i];
}

bool
crb_case_run(const struct crb_case *one, const struct crb_tiers *tiers,
    struct crb_verdict *verdict)
{
	if (!crb_policy_run_out(tiers, &one->question, verdict))
		crb_policy_decide(tiers, &one->question, verdict);
	return verdict->effect == one->expect &&
	    (one->rule == NULL ||
		(verdict->rule != NULL &&
		    strcmp(verdict->rule, one->rule) == 0));
}
