#include "policy/document.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "policy/impl.h"
#include "policy/reader.h"

#define ARENA_MAX (128u << 20)
#define NAME_BYTES 64u
#define VALUE_BYTES (CRB_GLOB_MAX - 1u)
#define SHOWN_MAX 64u
#define MEMBERS_MAX 16u

struct reading {
	struct crb_reader reader;
	struct crb_policy *policy;
	const struct crb_zones *zones;
};

typedef enum crb_status read_member(struct reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err);

static enum crb_status read_object(struct reading *reading,
    const struct crb_policy_member *members, void *out, struct crb_err *err);

static enum crb_status
no_memory(struct crb_err *err)
{
	return crb_err_set(
	    err, CRB_ERR_NOMEM, "no memory for a policy of this size");
}

static void *
place(const struct crb_policy_member *member, void *out)
{
	return (char *)out + member->offset;
}

static enum crb_status
invalid(struct reading *reading, const char *value, const char *why,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN_MAX + 8);

	crb_text_escape(&shown, value, strlen(value), SHOWN_MAX);
	return crb_reader_fail(&reading->reader, reading->reader.value_line,
	    err, CRB_ERR_INVALID, "\"%s\" %s", crb_buf_text(&shown), why);
}

/* What a parser of base/ has said, with the place in front. */
static enum crb_status
here(struct reading *reading, struct crb_err *err)
{
	return crb_reader_context(
	    &reading->reader, reading->reader.value_line, err);
}

static enum crb_status
read_ignored(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	const char *text;

	(void)member;
	(void)out;
	return crb_reader_text(&reading->reader, VALUE_BYTES, &text, err);
}

static enum crb_status
read_text(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	return crb_reader_text(
	    &reading->reader, CRB_POLICY_TEXT_MAX, place(member, out), err);
}

static enum crb_status
read_name(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	const char **name = place(member, out);
	enum crb_status status;

	status = crb_reader_text(&reading->reader, NAME_BYTES, name, err);
	if (status == CRB_OK && !crb_name_ok(*name))
		return invalid(reading, *name,
		    "is no name: 1 to 64 of a-z, 0-9 and, inside, . _ -", err);
	return status;
}

static enum crb_status
read_word(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	const char **word = place(member, out);
	enum crb_status status;

	status = crb_reader_text(&reading->reader, NAME_BYTES, word, err);
	if (status != CRB_OK)
		return status;
	if (**word == '\0' || strpbrk(*word, " *:/") != NULL)
		return invalid(reading, *word, "is no name of a group", err);
	return CRB_OK;
}

static enum crb_status
unknown(struct reading *reading, const char *what, const char *given,
    const char *const *known, size_t count, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * SHOWN_MAX + 8);
	const char *near = crb_text_nearest(given, known, count);

	crb_text_escape(&shown, given, strlen(given), SHOWN_MAX);
	return crb_reader_fail(&reading->reader, reading->reader.value_line,
	    err, CRB_ERR_INVALID, "unknown %s \"%s\"%s%s%s", what,
	    crb_buf_text(&shown), near != NULL ? "; did you mean \"" : "",
	    near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static enum crb_status
read_choice(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(256);
	const char *text;
	enum crb_status status;

	status = crb_reader_text(&reading->reader, NAME_BYTES, &text, err);
	if (status != CRB_OK)
		return status;
	crb_buf_str(&known, "is not one of ");
	for (size_t i = 0; member->choices[i] != NULL; i++) {
		if (strcmp(member->choices[i], text) == 0) {
			*(size_t *)place(member, out) = i;
			return CRB_OK;
		}
		crb_buf_printf(
		    &known, "%s%s", i > 0 ? ", " : "", member->choices[i]);
	}
	return invalid(reading, text, crb_buf_text(&known), err);
}

static enum crb_status
read_number(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	int64_t *number = place(member, out);
	enum crb_status status;

	status = crb_reader_integer(&reading->reader, number, err);
	if (status == CRB_OK && *number < member->least)
		return crb_reader_fail(&reading->reader,
		    reading->reader.value_line, err, CRB_ERR_INVALID,
		    "must be %lld or more", (long long)member->least);
	return status;
}

/* Digits of an RFC 3339 time at a fixed place. */
static int
digits(const char *text, size_t at, size_t count)
{
	int number = 0;

	for (size_t i = at; i < at + count; i++)
		number = number * 10 + (text[i] - '0');
	return number;
}

static bool
parse_time(const char *text, int64_t *out)
{
	static const char shape[] = "0000-00-00T00:00:00Z";
	char again[CRB_TIME_TEXT];
	struct tm tm = { .tm_isdst = 0 };

	if (strlen(text) != strlen(shape))
		return false;
	for (size_t i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9'
				    : text[i] != shape[i])
			return false;
	}
	tm.tm_year = digits(text, 0, 4) - 1900;
	tm.tm_mon = digits(text, 5, 2) - 1;
	tm.tm_mday = digits(text, 8, 2);
	tm.tm_hour = digits(text, 11, 2);
	tm.tm_min = digits(text, 14, 2);
	tm.tm_sec = digits(text, 17, 2);
	if (tm.tm_year < 70)
		return false;
	*out = timegm(&tm);
	/* A day or an hour that there is not has become another. */
	crb_text_time(*out, again);
	return strcmp(again, text) == 0;
}

static enum crb_status
read_time(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	const char *text;
	enum crb_status status;

	status = crb_reader_text(&reading->reader, NAME_BYTES, &text, err);
	if (status == CRB_OK && !parse_time(text, place(member, out)))
		return invalid(reading, text,
		    "is no time in UTC, as in 2027-01-31T00:00:00Z", err);
	return status;
}

static enum crb_status
read_flag(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	return crb_reader_flag(&reading->reader, place(member, out), err);
}

static enum crb_status
read_value(struct reading *reading,
    const struct crb_policy_attribute *attribute, struct crb_glob *out,
    struct crb_err *err)
{
	const char *text;
	enum crb_status status;

	status = crb_reader_text(&reading->reader, VALUE_BYTES, &text, err);
	if (status != CRB_OK)
		return status;
	if (crb_policy_value_check(attribute, text, err) != CRB_OK)
		return here(reading, err);
	return crb_glob_compile(out, text, attribute->style,
		   attribute->separator, false, &reading->policy->arena)
	    ? CRB_OK
	    : no_memory(err);
}

/* Room for one more, the arena keeping what was given up. */
static bool
grow(struct crb_globs *globs, struct crb_arena *arena)
{
	size_t count = globs->count;
	struct crb_glob *more;

	if (count > 0 && (count & (count - 1)) != 0)
		return true;
	more = crb_arena_array(arena, count > 0 ? 2 * count : 1, sizeof(*more));
	if (more == NULL)
		return false;
	if (count > 0)
		memcpy(more, globs->at, count * sizeof(*more));
	globs->at = more;
	return true;
}

/* Of choices, all of them are everything. */
static bool
has_all(
    const struct crb_policy_attribute *attribute, const struct crb_globs *globs)
{
	size_t known = 0;

	for (size_t i = 0; i < globs->count; i++) {
		if (globs->at[i].all)
			return true;
	}
	for (size_t i = 0;
	     attribute->choices != NULL && attribute->choices[i] != NULL; i++) {
		size_t k = 0;

		while (k < globs->count &&
		    strcmp(globs->at[k].text, attribute->choices[i]) != 0)
			k++;
		if (k == globs->count)
			return false;
		known++;
	}
	return known > 0;
}

static enum crb_status
read_globs(struct reading *reading,
    const struct crb_policy_attribute *attribute, struct crb_globs *out,
    struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	enum crb_status status;
	bool more;

	out->given = true;
	status = crb_reader_enter(reader, '[', "a list", err);
	while (status == CRB_OK &&
	    (status = crb_reader_element(reader, out->count, &more, err)) ==
		CRB_OK &&
	    more) {
		if (out->count == CRB_POLICY_VALUES_MAX)
			return crb_reader_fail(reader, reader->line, err,
			    CRB_ERR_LIMIT, "more than %d values",
			    CRB_POLICY_VALUES_MAX);
		if (!grow(out, &reading->policy->arena))
			return no_memory(err);
		status = read_value(
		    reading, attribute, &out->at[out->count], err);
		out->count += status == CRB_OK;
	}
	out->all = has_all(attribute, out);
	return status;
}

static enum crb_status
read_values(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	return read_globs(reading, member->attribute, place(member, out), err);
}

static enum crb_status
read_limit(struct reading *reading, const struct crb_limit_info *info,
    int64_t *out, struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	const char *text;
	uint64_t bytes;
	enum crb_status status;

	if (info->unit == CRB_LIMIT_COUNT)
		return crb_reader_integer(reader, out, err);
	status = crb_reader_text(reader, NAME_BYTES, &text, err);
	if (status != CRB_OK)
		return status;
	if (info->unit == CRB_LIMIT_SECONDS) {
		if (crb_duration_parse(text, out, err) != CRB_OK)
			return here(reading, err);
		return CRB_OK;
	}
	if (crb_size_parse(text, &bytes, err) != CRB_OK)
		return here(reading, err);
	if (bytes >= INT64_MAX)
		return invalid(reading, text, "is too large", err);
	*out = (int64_t)bytes;
	return CRB_OK;
}

static enum crb_status
read_known_limit(struct reading *reading, const char *key,
    struct crb_limits *limits, struct crb_err *err)
{
	const char *names[CRB_LIMITS];
	enum crb_status status;

	for (size_t i = 0; i < CRB_LIMITS; i++) {
		names[i] = crb_limit_infos[i].name;
		if (strcmp(names[i], key) != 0)
			continue;
		if (limits->most[i] != CRB_UNLIMITED)
			return invalid(reading, key, "is there already", err);
		status = read_limit(
		    reading, &crb_limit_infos[i], &limits->most[i], err);
		if (status == CRB_OK &&
		    limits->most[i] < crb_limit_infos[i].least)
			return invalid(reading, key, "is too small", err);
		return status;
	}
	return unknown(reading, "limit", key, names, CRB_LIMITS, err);
}

/* Runs over the keys of an object that is not a table of members. */
typedef enum crb_status read_key(
    struct reading *reading, const char *key, void *out, struct crb_err *err);

static enum crb_status
read_keys(
    struct reading *reading, read_key *read, void *out, struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	const char *key;
	enum crb_status status;
	bool more;

	status = crb_reader_enter(reader, '{', "an object", err);
	for (size_t i = 0; status == CRB_OK; i++) {
		size_t length;

		status = crb_reader_key(reader, i, &key, &more, err);
		if (status != CRB_OK || !more)
			break;
		length = crb_reader_push(reader, key);
		if ((status = read(reading, key, out, err)) == CRB_OK)
			crb_reader_pop(reader, length);
	}
	return status;
}

static enum crb_status
read_limits_key(
    struct reading *reading, const char *key, void *out, struct crb_err *err)
{
	return read_known_limit(reading, key, out, err);
}

static enum crb_status
read_limits(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	return read_keys(reading, read_limits_key, place(member, out), err);
}

static enum crb_status
read_labels_key(
    struct reading *reading, const char *key, void *out, struct crb_err *err)
{
	struct crb_policy_rule *rule = out;
	struct crb_policy_label *label = &rule->label[rule->label_count];

	if (!crb_name_ok(key))
		return invalid(reading, key, "is no name of a label", err);
	for (size_t i = 0; i < rule->label_count; i++) {
		if (strcmp(rule->label[i].key, key) == 0)
			return invalid(reading, key, "is there already", err);
	}
	if (rule->label_count == CRB_POLICY_LABELS_MAX)
		return crb_reader_fail(&reading->reader, reading->reader.line,
		    err, CRB_ERR_LIMIT, "more than %d labels",
		    CRB_POLICY_LABELS_MAX);
	label->key = key;
	rule->label_count++;
	return read_globs(
	    reading, &crb_policy_facts[CRB_FACT_LABEL], &label->values, err);
}

static enum crb_status
read_labels(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	struct crb_policy_rule *rule = out;

	(void)member;
	rule->labels_given = true;
	rule->label = crb_arena_array(&reading->policy->arena,
	    CRB_POLICY_LABELS_MAX + 1, sizeof(*rule->label));
	if (rule->label == NULL)
		return no_memory(err);
	return read_keys(reading, read_labels_key, rule, err);
}

static enum crb_status
read_scope_key(
    struct reading *reading, const char *key, void *out, struct crb_err *err)
{
	struct crb_policy_rule *rule = out;
	size_t i = crb_policy_attribute_find(key);
	const char *names[CRB_POLICY_ATTRIBUTES];

	if (i == CRB_POLICY_ATTRIBUTES) {
		for (i = 0; i < CRB_POLICY_ATTRIBUTES; i++)
			names[i] = crb_policy_attributes[i].name;
		return unknown(reading, "attribute", key, names, i, err);
	}
	if (rule->scope[i].given)
		return invalid(reading, key, "is there already", err);
	return read_globs(
	    reading, &crb_policy_attributes[i], &rule->scope[i], err);
}

static enum crb_status
read_scope(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	struct crb_policy_rule *rule = out;

	(void)member;
	rule->scope_given = true;
	return read_keys(reading, read_scope_key, rule, err);
}

/* A list of texts, of which `add` takes one. */
static enum crb_status
read_texts(struct reading *reading,
    enum crb_status (*add)(struct reading *reading, const char *text,
	struct crb_during_given *out, struct crb_err *err),
    struct crb_during_given *out, struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	const char *text;
	enum crb_status status;
	bool more;

	status = crb_reader_enter(reader, '[', "a list", err);
	for (size_t i = 0; status == CRB_OK; i++) {
		status = crb_reader_element(reader, i, &more, err);
		if (status != CRB_OK || !more)
			break;
		status = crb_reader_text(reader, NAME_BYTES, &text, err);
		if (status == CRB_OK)
			status = add(reading, text, out, err);
	}
	return status;
}

static enum crb_status
add_days(struct reading *reading, const char *text,
    struct crb_during_given *out, struct crb_err *err)
{
	if (crb_days_parse(text, &out->days, err) != CRB_OK)
		return here(reading, err);
	return CRB_OK;
}

static enum crb_status
add_hours(struct reading *reading, const char *text,
    struct crb_during_given *out, struct crb_err *err)
{
	if (out->count == CRB_DURING_RANGES)
		return crb_reader_fail(&reading->reader, reading->reader.line,
		    err, CRB_ERR_LIMIT, "more than %d ranges",
		    CRB_DURING_RANGES);
	if (crb_hours_parse(text, &out->hours[out->count], err) != CRB_OK)
		return here(reading, err);
	out->count++;
	return CRB_OK;
}

static enum crb_status
read_days(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	struct crb_during_given *given = out;

	(void)member;
	given->days_given = true;
	given->days = 0;
	return read_texts(reading, add_days, given, err);
}

static enum crb_status
read_hours(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	struct crb_during_given *given = out;

	(void)member;
	given->hours_given = true;
	given->count = 0;
	return read_texts(reading, add_hours, given, err);
}

static enum crb_status
read_zone(struct reading *reading, const struct crb_policy_member *member,
    void *out, struct crb_err *err)
{
	const char **zone = place(member, out);
	const struct crb_zones *zones = reading->zones;
	struct crb_zone_time time;
	enum crb_status status;

	status = crb_reader_text(&reading->reader, CRB_ZONE_MAX, zone, err);
	if (status != CRB_OK)
		return status;
	if (!crb_zone_name_ok(*zone) ||
	    (zones != NULL && !zones->at(zones->ctx, *zone, 0, &time)))
		return invalid(reading, *zone,
		    "is no time zone, as Europe/Berlin is", err);
	return CRB_OK;
}

static enum crb_status
read_during(struct reading *reading, const struct crb_policy_member *member,
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

	status = read_object(reading, member->members, &given, err);
	if (status != CRB_OK)
		return status;
	count = crb_during_parts(given.days, given.hours, given.count, part);
	during = crb_arena_alloc(arena, sizeof(*during));
	if (during == NULL ||
	    (during->part = crb_arena_array(arena, count, sizeof(*part))) ==
		NULL)
		return no_memory(err);
	during->zone = given.zone;
	during->count = count;
	memcpy(during->part, part, count * sizeof(*part));
	*(struct crb_during **)place(member, out) = during;
	return CRB_OK;
}

static enum crb_status
check_rule(struct reading *reading, const struct crb_policy_rule *rule,
    struct crb_err *err)
{
	if (rule->effect == CRB_EFFECT_ASK ||
	    (rule->approvers == NULL && !rule->four_eyes))
		return CRB_OK;
	return crb_reader_fail(&reading->reader, rule->line, err,
	    CRB_ERR_INVALID, "%s is only for effect ask",
	    rule->approvers != NULL ? "approvers" : "four_eyes");
}

static enum crb_status
read_rule(struct reading *reading, const struct crb_policy_member *member,
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
			return no_memory(err);
		policy->rule = rule;
	}
	rule = &policy->rule[count];
	memset(rule, 0, sizeof(*rule));
	length = crb_reader_push_index(reader, count);
	rule->line = reader->value_line;
	if ((status = read_object(reading, member->members, rule, err)) !=
		CRB_OK ||
	    (status = check_rule(reading, rule, err)) != CRB_OK)
		return status;
	crb_reader_pop(reader, length);
	policy->count++;
	return CRB_OK;
}

static enum crb_status
read_rules(struct reading *reading, const struct crb_policy_member *member,
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

static read_member *const readers[] = {
	[CRB_MEMBER_IGNORED] = read_ignored,
	[CRB_MEMBER_TEXT] = read_text,
	[CRB_MEMBER_NAME] = read_name,
	[CRB_MEMBER_WORD] = read_word,
	[CRB_MEMBER_CHOICE] = read_choice,
	[CRB_MEMBER_NUMBER] = read_number,
	[CRB_MEMBER_TIME] = read_time,
	[CRB_MEMBER_FLAG] = read_flag,
	[CRB_MEMBER_VALUES] = read_values,
	[CRB_MEMBER_LIMITS] = read_limits,
	[CRB_MEMBER_LABELS] = read_labels,
	[CRB_MEMBER_SCOPE] = read_scope,
	[CRB_MEMBER_DURING] = read_during,
	[CRB_MEMBER_DAYS] = read_days,
	[CRB_MEMBER_HOURS] = read_hours,
	[CRB_MEMBER_ZONE] = read_zone,
	[CRB_MEMBER_RULES] = read_rules,
};

static enum crb_status
find_member(struct reading *reading, const struct crb_policy_member *members,
    const char *key, size_t *out, struct crb_err *err)
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
	return unknown(reading, "key", key, names, count, err);
}

static enum crb_status
read_one(struct reading *reading, const struct crb_policy_member *members,
    const char *key, bool seen[MEMBERS_MAX], void *out, struct crb_err *err)
{
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
	status = readers[members[at].type](reading, &members[at], out, err);
	if (status == CRB_OK)
		crb_reader_pop(&reading->reader, length);
	return status;
}

static enum crb_status
read_object(struct reading *reading, const struct crb_policy_member *members,
    void *out, struct crb_err *err)
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
		return no_memory(err);
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
finish(struct reading *reading, struct crb_err *err)
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
	return crb_index_build(policy) ? CRB_OK : no_memory(err);
}

enum crb_status
crb_policy_parse(const char *text, size_t len, const char *where,
    const struct crb_zones *zones, struct crb_policy **out, struct crb_err *err)
{
	CRB_AUTO_POLICY struct crb_policy *policy = NULL;
	struct reading reading = { .zones = zones };
	enum crb_status status;

	if (len > CRB_POLICY_BYTES_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "%s: a policy of more than %u bytes", where,
		    CRB_POLICY_BYTES_MAX);
	if ((policy = calloc(1, sizeof(*policy))) == NULL)
		return no_memory(err);
	policy->arena.max = ARENA_MAX;
	policy->about.expires = INT64_MAX;
	crb_limits_init(&policy->about.limits);
	reading.policy = policy;
	crb_reader_init(&reading.reader, where, text, len, &policy->arena);
	if ((status = read_object(&reading, crb_policy_members, policy, err)) !=
		CRB_OK ||
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
	};
}
