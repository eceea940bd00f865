#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "policy/reading.h"

static enum crb_status
read_value(struct crb_reading *reading,
    const struct crb_policy_attribute *attribute, struct crb_glob *out,
    struct crb_err *err)
{
	const char *text;
	enum crb_status status;

	status = crb_reader_text(
	    &reading->reader, CRB_READ_VALUE_BYTES, &text, err);
	if (status != CRB_OK)
		return status;
	if (crb_policy_value_check(attribute, text, err) != CRB_OK)
		return crb_reading_here(reading, err);
	return crb_glob_compile(out, text, attribute->style,
		   attribute->separator, false, &reading->policy->arena)
	    ? CRB_OK
	    : crb_reading_no_memory(err);
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
read_globs(struct crb_reading *reading,
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
			return crb_reading_no_memory(err);
		status = read_value(
		    reading, attribute, &out->at[out->count], err);
		out->count += status == CRB_OK;
	}
	out->all = has_all(attribute, out);
	return status;
}

enum crb_status
crb_read_values(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	return read_globs(
	    reading, member->attribute, crb_reading_place(member, out), err);
}

static enum crb_status
read_limit(struct crb_reading *reading, const struct crb_limit_info *info,
    int64_t *out, struct crb_err *err)
{
	struct crb_reader *reader = &reading->reader;
	const char *text;
	uint64_t bytes;
	enum crb_status status;

	if (info->unit == CRB_LIMIT_COUNT)
		return crb_reader_integer(reader, out, err);
	status = crb_reader_text(reader, CRB_READ_NAME_BYTES, &text, err);
	if (status != CRB_OK)
		return status;
	if (info->unit == CRB_LIMIT_SECONDS) {
		if (crb_duration_parse(text, out, err) != CRB_OK)
			return crb_reading_here(reading, err);
		return CRB_OK;
	}
	if (crb_size_parse(text, &bytes, err) != CRB_OK)
		return crb_reading_here(reading, err);
	if (bytes >= INT64_MAX)
		return crb_reading_invalid(reading, text, "is too large", err);
	*out = (int64_t)bytes;
	return CRB_OK;
}

static enum crb_status
read_known_limit(struct crb_reading *reading, const char *key,
    struct crb_limits *limits, struct crb_err *err)
{
	const char *names[CRB_LIMITS];
	enum crb_status status;

	for (size_t i = 0; i < CRB_LIMITS; i++) {
		names[i] = crb_limit_infos[i].name;
		if (strcmp(names[i], key) != 0)
			continue;
		if (limits->most[i] != CRB_UNLIMITED)
			return crb_reading_invalid(
			    reading, key, "is there already", err);
		status = read_limit(
		    reading, &crb_limit_infos[i], &limits->most[i], err);
		if (status == CRB_OK &&
		    limits->most[i] < crb_limit_infos[i].least)
			return crb_reader_fail(&reading->reader,
			    reading->reader.value_line, err, CRB_ERR_INVALID,
			    "must be at least %" PRId64 "%s",
			    crb_limit_infos[i].least,
			    crb_limit_infos[i].unit == CRB_LIMIT_SECONDS ? "s"
									 : "");
		return status;
	}
	return crb_reading_unknown(
	    reading, "limit", key, names, CRB_LIMITS, err);
}

/* Runs over the keys of an object that is not a table of members. */
typedef enum crb_status read_key(struct crb_reading *reading, const char *key,
    void *out, struct crb_err *err);

static enum crb_status
read_keys(
    struct crb_reading *reading, read_key *read, void *out, struct crb_err *err)
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
read_limits_key(struct crb_reading *reading, const char *key, void *out,
    struct crb_err *err)
{
	return read_known_limit(reading, key, out, err);
}

enum crb_status
crb_read_limits(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	return read_keys(
	    reading, read_limits_key, crb_reading_place(member, out), err);
}

static enum crb_status
read_labels_key(struct crb_reading *reading, const char *key, void *out,
    struct crb_err *err)
{
	struct crb_policy_rule *rule = out;
	struct crb_policy_label *label = &rule->label[rule->label_count];

	if (!crb_name_ok(key))
		return crb_reading_invalid(
		    reading, key, "is no name of a label", err);
	for (size_t i = 0; i < rule->label_count; i++) {
		if (strcmp(rule->label[i].key, key) == 0)
			return crb_reading_invalid(
			    reading, key, "is there already", err);
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

enum crb_status
crb_read_labels(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	struct crb_policy_rule *rule = out;

	(void)member;
	rule->labels_given = true;
	rule->label = crb_arena_array(&reading->policy->arena,
	    CRB_POLICY_LABELS_MAX + 1, sizeof(*rule->label));
	if (rule->label == NULL)
		return crb_reading_no_memory(err);
	return read_keys(reading, read_labels_key, rule, err);
}

static enum crb_status
read_scope_key(struct crb_reading *reading, const char *key, void *out,
    struct crb_err *err)
{
	struct crb_policy_rule *rule = out;
	size_t i = crb_policy_attribute_find(key);
	const char *names[CRB_POLICY_ATTRIBUTES];

	if (i == CRB_POLICY_ATTRIBUTES) {
		for (i = 0; i < CRB_POLICY_ATTRIBUTES; i++)
			names[i] = crb_policy_attributes[i].name;
		return crb_reading_unknown(
		    reading, "attribute", key, names, i, err);
	}
	if (rule->scope[i].given)
		return crb_reading_invalid(
		    reading, key, "is there already", err);
	return read_globs(
	    reading, &crb_policy_attributes[i], &rule->scope[i], err);
}

enum crb_status
crb_read_scope(struct crb_reading *reading,
    const struct crb_policy_member *member, void *out, struct crb_err *err)
{
	struct crb_policy_rule *rule = out;

	(void)member;
	rule->scope_given = true;
	return read_keys(reading, read_scope_key, rule, err);
}
