#include "policy/document.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/reading.h"

#define ARENA_MAX (128u << 20)
#define MEMBERS_MAX 16u

static enum crb_status
read_during(struct crb_reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	struct crb_during_part part[CRB_DURING_PARTS];
	struct crb_during_given given = {
		.days = 0x7f, .count = 1, .hours = { { 0, 24 * 60 } }
	};
	struct crb_arena *arena = &reading->policy->arena;
	struct crb_during *during;
	enum crb_status status;
	size_t count;

	status = crb_read_object(reading, member->members, &given, err);
	if (status != CRB_OK)
		return status;
	count = crb_during_parts(given.days, given.hours, given.count, part);
	during = crb_arena_alloc(arena, sizeof(*during));
	if (during == NULL ||
	    (during->part = crb_arena_array(arena, count, sizeof(*part))) ==
		NULL)
		return crb_reading_no_memory(err);
	during->zone = given.zone;
	during->count = count;
	memcpy(during->part, part, count * sizeof(*part));
	*(struct crb_during **)crb_reading_place(member, out) = during;
	return CRB_OK;
}

static enum crb_status
check_rule(struct crb_reading *reading, const struct crb_policy_rule *rule,
    struct crb_err *err)
{
	if (rule->durable && rule->effect == CRB_EFFECT_DENY)
		return crb_reader_fail(&reading->reader, rule->line, err,
		    CRB_ERR_INVALID,
		    "durable is only for effects allow and ask");
	if (rule->effect == CRB_EFFECT_ASK ||
	    (rule->approvers == NULL && !rule->four_eyes))
		return CRB_OK;
	return crb_reader_fail(&reading->reader, rule->line, err,
	    CRB_ERR_INVALID, "%s is only for effect ask",
	    rule->approvers != NULL ? "approvers" : "four_eyes");
}

static enum crb_status
read_rule(struct crb_reading *reading, const struct crb_policy_member *member,
    struct crb_err *err)
{
	struct crb_policy *policy = reading->policy;
	struct crb_reader *reader = &reading->reader;
	struct crb_policy_rule *rule;
	enum crb_status status;
	size_t count = policy->count, length;

	(void)crb_reader_kind(reader);
	if (count == CRB_POLICY_RULES_MAX)
		return crb_reader_fail(reader, reader->value_line, err,
		    CRB_ERR_LIMIT, "more than %d rules", CRB_POLICY_RULES_MAX);
	if ((count & (count - 1)) == 0) {
		rule = realloc(
		    policy->rule, (count > 0 ? 2 * count : 1) * sizeof(*rule));
		if (rule == NULL)
			return crb_reading_no_memory(err);
		policy->rule = rule;
	}
	rule = &policy->rule[count];
	memset(rule, 0, sizeof(*rule));
	length = crb_reader_push_index(reader, count);
	rule->line = reader->value_line;
	if ((status = crb_read_object(reading, member->members, rule, err)) !=
		CRB_OK ||
	    (status = check_rule(reading, rule, err)) != CRB_OK)
		return status;
	crb_reader_pop(reader, length);
	policy->count++;
	return CRB_OK;
}

static enum crb_status
read_rules(struct crb_reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	enum crb_status status;
	bool more;

	(void)out;
	status = crb_reader_enter(reader, '[', "a list", err);
	for (size_t i = 0; status == CRB_OK; i++) {
		status = crb_reader_element(reader, i, &more, err);
		if (status != CRB_OK || !more)
			break;
		status = read_rule(reading, member, err);
	}
	return status;
}

static crb_read_member *const readers[] = {
	[CRB_MEMBER_IGNORED] = crb_read_ignored,
	[CRB_MEMBER_TEXT] = crb_read_text,
	[CRB_MEMBER_NAME] = crb_read_name,
	[CRB_MEMBER_WORD] = crb_read_word,
	[CRB_MEMBER_CHOICE] = crb_read_choice,
	[CRB_MEMBER_NUMBER] = crb_read_number,
	[CRB_MEMBER_TIME] = crb_read_time,
	[CRB_MEMBER_FLAG] = crb_read_flag,
	[CRB_MEMBER_VALUES] = crb_read_values,
	[CRB_MEMBER_LIMITS] = crb_read_limits,
	[CRB_MEMBER_LABELS] = crb_read_labels,
	[CRB_MEMBER_SCOPE] = crb_read_scope,
	[CRB_MEMBER_DURING] = read_during,
	[CRB_MEMBER_DAYS] = crb_read_days,
	[CRB_MEMBER_HOURS] = crb_read_hours,
	[CRB_MEMBER_ZONE] = crb_read_zone,
	[CRB_MEMBER_RULES] = read_rules,
};

static enum crb_status
find_member(struct crb_reading *reading,
    const struct crb_policy_member *members, const char *key, size_t *out,
    struct crb_err *err)
{
	const char *names[MEMBERS_MAX];
	size_t count = 0;

	for (; members[count].name != NULL; count++) {
		names[count] = members[count].name;
		if (strcmp(names[count], key) == 0) {
			*out = count;
			return CRB_OK;
		}
	}
	return crb_reading_unknown(reading, "key", key, names, count, err);
}

static enum crb_status
read_one(struct crb_reading *reading, const struct crb_policy_member *members,
    const char *key, bool seen[MEMBERS_MAX], void *out, struct crb_err *err)
{
	crb_read_member *read;
	size_t at = 0, length;
	enum crb_status status;

	status = find_member(reading, members, key, &at, err);
	if (status != CRB_OK)
		return status;
	length = crb_reader_push(&reading->reader, key);
	if (seen[at])
		return crb_reader_fail(&reading->reader,
		    reading->reader.value_line, err, CRB_ERR_INVALID,
		    "is there twice");
	seen[at] = true;
	read = members[at].type == CRB_MEMBER_OTHER ? members[at].read
						    : readers[members[at].type];
	status = read(reading, &members[at], out, err);
	if (status == CRB_OK)
		crb_reader_pop(&reading->reader, length);
	return status;
}

enum crb_status
crb_read_object(struct crb_reading *reading,
    const struct crb_policy_member *members, void *out, struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	bool seen[MEMBERS_MAX] = { false }, more;
	const char *key;
	enum crb_status status;
	unsigned line;

	status = crb_reader_enter(reader, '{', "an object", err);
	line = reader->value_line;
	for (size_t i = 0; status == CRB_OK; i++) {
		status = crb_reader_key(reader, i, &key, &more, err);
		if (status != CRB_OK || !more)
			break;
		status = read_one(reading, members, key, seen, out, err);
	}
	for (size_t i = 0; status == CRB_OK && members[i].name != NULL; i++) {
		if (members[i].required && !seen[i])
			return crb_reader_fail(reader, line, err,
			    CRB_ERR_INVALID, "\"%s\" is missing",
			    members[i].name);
	}
	return status;
}

static int
compare_ids(const void *left, const void *right)
{
	const struct crb_policy_rule *const *a = left, *const *b = right;
	int order = strcmp((*a)->id, (*b)->id);

	return order != 0
	    ? order
	    : ((*a)->line > (*b)->line) - ((*a)->line < (*b)->line);
}

/* Ranks, and no id twice. */
static enum crb_status
rank_rules(struct crb_policy *policy, const char *where, struct crb_err *err)
{
	CRB_AUTO_FREE struct crb_policy_rule **sorted = NULL;

	sorted = calloc(policy->count + 1, sizeof(*sorted));
	if (sorted == NULL)
		return crb_reading_no_memory(err);
	for (size_t i = 0; i < policy->count; i++)
		sorted[i] = &policy->rule[i];
	qsort(sorted, policy->count, sizeof(*sorted), compare_ids);
	for (size_t i = 0; i < policy->count; i++) {
		sorted[i]->rank = i;
		if (i > 0 && strcmp(sorted[i - 1]->id, sorted[i]->id) == 0)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "%s:%u: rules[%zu].id: \"%s\" is the id of the "
			    "rule in line %u already",
			    where, sorted[i]->line,
			    (size_t)(sorted[i] - policy->rule), sorted[i]->id,
			    sorted[i - 1]->line);
	}
	return CRB_OK;
}

static enum crb_status
finish(struct crb_reading *reading, struct crb_err *err)
{
	struct crb_policy *policy = reading->policy;
	enum crb_status status;

	policy->about.tier = (enum crb_policy_tier)policy->tier;
	policy->about.tier_name = crb_policy_tiers[policy->tier];
	policy->about.rules = policy->count;
	if (policy->tier == CRB_TIER_ORGANIZATION && policy->about.serial == 0)
		return crb_reader_fail(&reading->reader, 1, err,
		    CRB_ERR_INVALID,
		    "\"serial\" is missing, which tells an organization's "
		    "newer policy from an older one");
	status = rank_rules(policy, reading->reader.where, err);
	if (status != CRB_OK)
		return status;
	return crb_rule_index_build(policy) ? CRB_OK
					    : crb_reading_no_memory(err);
}

enum crb_status
crb_policy_parse(const char *text, size_t len, const char *where,
    const struct crb_zones *zones, struct crb_policy **out, struct crb_err *err)
{
	CRB_AUTO_POLICY struct crb_policy *policy = NULL;
	struct crb_reading reading = { .zones = zones };
	enum crb_status status;

	if (len > CRB_POLICY_BYTES_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "%s: a policy of more than %u bytes", where,
		    CRB_POLICY_BYTES_MAX);
	if ((policy = calloc(1, sizeof(*policy))) == NULL)
		return crb_reading_no_memory(err);
	policy->arena.max = ARENA_MAX;
	policy->about.expires = INT64_MAX;
	crb_limits_init(&policy->about.limits);
	reading.policy = policy;
	crb_reader_init(&reading.reader, where, text, len, &policy->arena);
	if ((status = crb_read_object(
		 &reading, crb_policy_members, policy, err)) != CRB_OK ||
	    (status = crb_reader_end(&reading.reader, err)) != CRB_OK ||
	    (status = finish(&reading, err)) != CRB_OK)
		return status;
	*out = CRB_STEAL(policy);
	return CRB_OK;
}

void
crb_policy_free(struct crb_policy *policy)
{
	if (policy == NULL)
		return;
	free(policy->rule);
	crb_arena_clear(&policy->arena);
	free(policy);
}

const struct crb_policy_about *
crb_policy_about(const struct crb_policy *policy)
{
	return &policy->about;
}

struct crb_policy_rule_about
crb_policy_rule_about(const struct crb_policy *policy, size_t index)
{
	const struct crb_policy_rule *rule = &policy->rule[index];

	return (struct crb_policy_rule_about){
		.id = rule->id,
		.effect = (enum crb_effect)rule->effect,
		.reason = rule->reason,
		.line = rule->line,
		.approvers = rule->approvers,
		.four_eyes = rule->four_eyes,
		.durable = rule->durable,
	};
}
