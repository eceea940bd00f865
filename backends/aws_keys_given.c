#include <stdbool.h>
#include <string.h>

#include "backends/aws_keys.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/slab.h"
#include "base/text.h"

#define BLANKS " \t\r\n"
#define FIELDS_MAX 16u /* of a CSV file */

enum part { PART_ID, PART_SECRET, PART_TOKEN, PARTS };

/* What was found so far; slices of what was given. */
struct found {
	struct crb_slice at[PARTS]; /* p NULL: not yet */
};

static const struct part_info {
	const char *said;
	bool required;
} parts[PARTS] = {
	[PART_ID] = { "access key id", true },
	[PART_SECRET] = { "secret access key", true },
	[PART_TOKEN] = { "session token", false },
};

/* How each way of writing them calls the parts; case does not matter. */
struct name {
	const char *name;
	enum part part;
};
#define NAME_END            \
	{                   \
		NULL, PARTS \
	}

static const struct name assigned_names[] = {
	{ "aws_access_key_id", PART_ID },
	{ "aws_secret_access_key", PART_SECRET },
	{ "aws_session_token", PART_TOKEN },
	NAME_END,
};
static const struct name json_names[] = {
	{ "AccessKeyId", PART_ID },
	{ "SecretAccessKey", PART_SECRET },
	{ "SessionToken", PART_TOKEN },
	{ "Token", PART_TOKEN },
	NAME_END,
};
static const struct name csv_names[] = {
	{ "Access key ID", PART_ID },
	{ "Secret access key", PART_SECRET },
	NAME_END,
};

/* Beside keys in such files, and no business of ours. */
static const char *const passed_over[] = { "region", "output", "aws_region",
	"aws_default_region", "aws_credential_expiration",
	"aws_session_expiration", "x_security_token_expires", NULL };

static struct crb_slice
trim(struct crb_slice text)
{
	return crb_slice_trim(text, BLANKS);
}

static struct crb_slice
unquote(struct crb_slice text)
{
	if (text.len >= 2 && (text.p[0] == '"' || text.p[0] == '\'') &&
	    text.p[text.len - 1] == text.p[0])
		return (struct crb_slice){ text.p + 1, text.len - 2 };
	return text;
}

static enum part
part_of(struct crb_slice name, const struct name *names)
{
	while (names->name != NULL && !crb_slice_is_nocase(name, names->name))
		names++;
	return names->part;
}

static enum crb_status
keep(struct found *found, enum part part, struct crb_slice value,
    struct crb_err *err)
{
	if (found->at[part].p != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "there is more than one %s: give one pair of keys",
		    parts[part].said);
	found->at[part] = value;
	return CRB_OK;
}

static enum crb_status
write_text(
    const struct found *found, struct crb_secret **out, struct crb_err *err)
{
	CRB_AUTO_SLAB char *id = NULL;
	CRB_AUTO_SLAB char *secret = NULL;
	CRB_AUTO_SLAB char *token = NULL;
	char **copies[PARTS] = { &id, &secret, &token };

	for (size_t i = 0; i < PARTS; i++) {
		struct crb_slice at = found->at[i];

		if (at.p == NULL && parts[i].required)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "there is no %s in what was given. See "
			    "docs/aws.md#keys",
			    parts[i].said);
		if (at.p == NULL)
			continue;
		if ((*copies[i] = crb_slab_alloc(at.len + 1)) == NULL)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
		memcpy(*copies[i], at.p, at.len);
		(*copies[i])[at.len] = '\0';
	}
	return crb_aws_keys_text(id, secret, token, out, err);
}

/* An id, a secret and perhaps a token, a line each. */
static enum crb_status
read_plain(struct crb_slice text, struct found *found, struct crb_err *err)
{
	struct crb_slice line;
	size_t count = 0;

	while (crb_slice_cut(&text, '\n', &line)) {
		if (count == PARTS)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "there is something behind the third line: an id, "
			    "a secret and perhaps a token are wanted");
		found->at[count++] = trim(line);
	}
	return CRB_OK;
}

static bool
is_passed_over(struct crb_slice name)
{
	for (size_t i = 0; passed_over[i] != NULL; i++) {
		if (crb_slice_is_nocase(name, passed_over[i]))
			return true;
	}
	return false;
}

static enum crb_status
read_assignment(struct crb_slice line, unsigned number, struct found *found,
    struct crb_err *err)
{
	struct crb_slice value = line, name;
	enum part part;

	if (crb_slice_starts(value, "export "))
		value = (struct crb_slice){ line.p + 7, line.len - 7 };
	if (memchr(value.p, '=', value.len) == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "line %u is no NAME=VALUE", number);
	(void)crb_slice_cut(&value, '=', &name);
	name = trim(name);
	part = part_of(name, assigned_names);
	if (part != PARTS)
		return keep(found, part, unquote(trim(value)), err);
	if (!is_passed_over(name))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u: only aws_access_key_id, aws_secret_access_key "
		    "and aws_session_token are wanted",
		    number);
	return CRB_OK;
}

/* A profile of a credentials file, or a shell's assignments. */
static enum crb_status
read_assigned(struct crb_slice text, struct found *found, struct crb_err *err)
{
	struct crb_slice line;
	unsigned number = 0, sections = 0;
	enum crb_status status = CRB_OK;

	while (status == CRB_OK && crb_slice_cut(&text, '\n', &line)) {
		line = trim(line);
		number++;
		if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] != '[')
			status = read_assignment(line, number, found, err);
		else if (++sections > 1)
			status = crb_err_set(err, CRB_ERR_INVALID,
			    "line %u: a second profile begins: give one alone",
			    number);
	}
	return status;
}

static size_t
split(struct crb_slice line, struct crb_slice field[FIELDS_MAX])
{
	size_t count = 0;

	while (count < FIELDS_MAX && crb_slice_cut(&line, ',', &field[count])) {
		field[count] = unquote(trim(field[count]));
		count++;
	}
	return count;
}

/* The console's file: a line of names, and a line of values. */
static enum crb_status
read_csv(struct crb_slice text, struct found *found, struct crb_err *err)
{
	struct crb_slice line, names[FIELDS_MAX], values[FIELDS_MAX];
	size_t count, rows;

	(void)crb_slice_cut(&text, '\n', &line);
	count = split(line, names);
	for (rows = 0; crb_slice_cut(&text, '\n', &line); rows++) {
		if (rows > 0)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the CSV file has several rows: give one");
		if (split(trim(line), values) != count)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the rows of the CSV file have different lengths");
	}
	for (size_t i = 0; rows > 0 && i < count; i++) {
		enum part part = part_of(names[i], csv_names);

		if (part != PARTS &&
		    keep(found, part, values[i], err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static const json_t *
inner_object(const json_t *json)
{
	static const char *const inside[] = { "AccessKey", "Credentials",
		NULL };

	for (size_t i = 0; inside[i] != NULL; i++) {
		const json_t *inner = json_object_get(json, inside[i]);

		if (json_is_object(inner))
			return inner;
	}
	return json;
}

static enum crb_status
read_json(const json_t *json, struct found *found, struct crb_err *err)
{
	json = inner_object(json);
	for (const struct name *at = json_names; at->name != NULL; at++) {
		const json_t *value = json_object_get(json, at->name);

		if (value == NULL || json_is_null(value))
			continue;
		if (!json_is_string(value))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "\"%s\" must be a string", at->name);
		if (keep(found, at->part, CRB_SLICE(json_string_value(value)),
			err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
from_json(struct crb_slice text, struct crb_secret **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	struct found found = { 0 };
	enum crb_status status;

	status = crb_json_parse(text.p, text.len, "keys", &json, err);
	if (status == CRB_OK)
		status = read_json(json, &found, err);
	return status == CRB_OK ? write_text(&found, out, err) : status;
}

/* The way that a line shows, the first that is neither blank nor a comment. */
static enum crb_status
read_lines(struct crb_slice text, struct found *found, struct crb_err *err)
{
	struct crb_slice rest = text, line = text, names[FIELDS_MAX];

	while (crb_slice_cut(&rest, '\n', &line)) {
		line = trim(line);
		if (line.len > 0 && line.p[0] != '#' && line.p[0] != ';')
			break;
	}
	if (line.len > 0 &&
	    (line.p[0] == '[' || memchr(line.p, '=', line.len) != NULL))
		return read_assigned(text, found, err);
	for (size_t i = split(line, names); i-- > 0;) {
		if (part_of(names[i], csv_names) != PARTS)
			return read_csv(text, found, err);
	}
	return read_plain(text, found, err);
}

enum crb_status
crb_aws_keys_given(const struct crb_secret *given, struct crb_secret **out,
    struct crb_err *err)
{
	static const char mark[] = "\xef\xbb\xbf"; /* byte order, of UTF-8 */
	struct crb_slice text = { crb_secret_bytes(given),
		crb_secret_len(given) };
	struct found found = { 0 };
	enum crb_status status;

	if (text.len > CRB_AWS_GIVEN_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the keys are longer than %u bytes", CRB_AWS_GIVEN_MAX);
	if (strlen(text.p) != text.len)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the keys have a NUL in them");
	if (crb_slice_starts(text, mark))
		text = (struct crb_slice){ text.p + 3, text.len - 3 };
	text = trim(text);
	if (text.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "no keys are given");
	if (text.p[0] == '{')
		return from_json(text, out, err);
	if ((status = read_lines(text, &found, err)) != CRB_OK)
		return status;
	return write_text(&found, out, err);
}
