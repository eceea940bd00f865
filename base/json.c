#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/slab.h"
#include "base/units.h"

#define DEPTH_MAX 32u
#define KEY_SHOWN 64u       /* of a key that somebody else chose */
#define QUOTING_STACK 4096u /* more than its frames for an error take */

/* A place in a text. */
struct scan {
	const char *p, *end;
	unsigned line;
	unsigned column; /* of p, from 1 */
};

static void
advance(struct scan *scan)
{
	if (*scan->p == '\n') {
		scan->line++;
		scan->column = 0;
	}
	scan->column++;
	scan->p++;
}

/* At the opening quote; ends behind the closing one. */
static void
skip_string(struct scan *scan)
{
	advance(scan);
	while (scan->p < scan->end && *scan->p != '"') {
		if (*scan->p == '\\')
			advance(scan);
		if (scan->p < scan->end)
			advance(scan);
	}
	if (scan->p < scan->end)
		advance(scan);
}

/*
 * jansson goes 2048 levels down, recursively; a limit of our own has to look
 * before it does.  In a text that does not parse the count may be anything.
 */
static enum crb_status
check_depth(
    const char *text, size_t len, const char *where, struct crb_err *err)
{
	struct scan scan = { text, text + len, 1, 1 };
	unsigned depth = 0;

	while (scan.p < scan.end) {
		switch (*scan.p) {
		case '"':
			skip_string(&scan);
			continue;
		case '[':
		case '{':
			if (++depth > DEPTH_MAX)
				return crb_err_set(err, CRB_ERR_INVALID,
				    "%s:%u:%u: over %u levels deep", where,
				    scan.line, scan.column, DEPTH_MAX);
			break;
		case ']':
		case '}':
			depth -= depth > 0;
			break;
		default:
			break;
		}
		advance(&scan);
	}
	return CRB_OK;
}

/* jansson's own message quotes the text, so ours says it without. */
static const char *
reason(enum json_error_code code)
{
	static const char *const reasons[] = {
		[json_error_out_of_memory] = "out of memory",
		[json_error_stack_overflow] = "too many levels",
		[json_error_invalid_utf8] = "not UTF-8",
		[json_error_premature_end_of_input] = "ends too early",
		[json_error_end_of_input_expected] =
		    "something behind the value",
		[json_error_null_character] = "a NUL in a string",
		[json_error_null_byte_in_key] = "a NUL in a key",
		[json_error_duplicate_key] = "a key that was there already",
		[json_error_numeric_overflow] = "a number that is too large",
	};

	if ((size_t)code < sizeof(reasons) / sizeof(reasons[0]) &&
	    reasons[code] != NULL)
		return reasons[code];
	return "not valid JSON";
}

static enum crb_status
parse_error(const json_error_t *why, const char *where, struct crb_err *err)
{
	enum json_error_code code = json_error_code(why);
	unsigned line = why->line > 0 ? (unsigned)why->line : 1;
	unsigned column = why->column > 0 ? (unsigned)why->column : 1;

	return crb_err_set(err,
	    code == json_error_out_of_memory ? CRB_ERR_NOMEM : CRB_ERR_INVALID,
	    "%s:%u:%u: %s", where, line, column, reason(code));
}

enum crb_status
crb_json_parse(const char *text, size_t len, const char *where, json_t **out,
    struct crb_err *err)
{
	json_error_t why;
	CRB_AUTO_WIPE const struct crb_wipe wipe = { &why, sizeof(why) };
	json_t *json;

	if (check_depth(text, len, where, err) != CRB_OK)
		return err->status;
	if ((json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why)) ==
	    NULL) {
		/* jansson made its quotation of the text on the stack. */
		sodium_stackzero(QUOTING_STACK);
		return parse_error(&why, where, err);
	}
	*out = json;
	return CRB_OK;
}

static void
skip_space(struct scan *scan)
{
	while (scan->p < scan->end && strchr(" \t\r\n", *scan->p) != NULL &&
	    *scan->p != '\0')
		advance(scan);
}

static bool
take(struct scan *scan, char c)
{
	skip_space(scan);
	if (scan->p >= scan->end || *scan->p != c)
		return false;
	advance(scan);
	return true;
}

/* Up to behind a value, or up to what ends it. */
static void
skip_value(struct scan *scan)
{
	unsigned depth = 0;

	skip_space(scan);
	while (scan->p < scan->end) {
		switch (*scan->p) {
		case '"':
			skip_string(scan);
			if (depth == 0)
				return;
			continue;
		case '[':
		case '{':
			depth++;
			break;
		case ']':
		case '}':
			if (depth == 0)
				return;
			if (--depth == 0) {
				advance(scan);
				return;
			}
			break;
		case ',':
			if (depth == 0)
				return;
			break;
		default:
			break;
		}
		advance(scan);
	}
}

/* What is behind `key` in the path, or NULL when the path goes elsewhere. */
static const char *
path_behind_key(const char *path, struct crb_slice key)
{
	if (key.len == 0 || strnlen(path, key.len) < key.len ||
	    memcmp(path, key.p, key.len) != 0)
		return NULL;
	path += key.len;
	if (*path == '.')
		return path + 1;
	return *path == '\0' || *path == '[' ? path : NULL;
}

/* The same for "[3]", which sets *index. */
static const char *
path_behind_index(const char *path, uint64_t *index)
{
	size_t len = strspn(path + 1, "0123456789");
	struct crb_err err;

	if (path[1 + len] != ']' ||
	    crb_number_parse(path + 1, len, UINT32_MAX, index, &err) != CRB_OK)
		return NULL;
	path += len + 2;
	return *path == '.' ? path + 1 : path;
}

static unsigned find(struct scan *scan, const char *path, unsigned depth);

static unsigned
find_in_object(struct scan *scan, const char *path, unsigned depth)
{
	struct crb_slice key;
	const char *behind;
	struct scan value;
	unsigned line;

	do {
		skip_space(scan);
		if (scan->p >= scan->end || *scan->p != '"')
			return 0;
		key.p = scan->p + 1;
		skip_string(scan);
		key.len = scan->p - key.p > 0 ? (size_t)(scan->p - key.p) - 1
					      : 0;
		if (!take(scan, ':'))
			return 0;
		if ((behind = path_behind_key(path, key)) != NULL) {
			value = *scan;
			if ((line = find(&value, behind, depth)) != 0)
				return line;
		}
		skip_value(scan);
	} while (take(scan, ','));
	return 0;
}

static unsigned
find_in_array(struct scan *scan, const char *path, unsigned depth)
{
	const char *behind;
	uint64_t index;

	if ((behind = path_behind_index(path, &index)) == NULL)
		return 0;
	for (; index > 0; index--) {
		skip_value(scan);
		if (!take(scan, ','))
			return 0;
	}
	return find(scan, behind, depth);
}

static unsigned
find(struct scan *scan, const char *path, unsigned depth)
{
	skip_space(scan);
	if (depth > DEPTH_MAX || scan->p >= scan->end || *scan->p == ']')
		return 0;
	if (*path == '\0')
		return scan->line;
	if (*path == '[' && take(scan, '['))
		return find_in_array(scan, path, depth + 1);
	if (take(scan, '{'))
		return find_in_object(scan, path, depth + 1);
	return 0;
}

unsigned
crb_json_line(const char *text, size_t len, const char *path)
{
	struct scan scan = { text, text + len, 1, 1 };

	return find(&scan, path, 0);
}

char *
crb_json_text(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
}

void
crb_json_text_free(char *text)
{
	json_free_t free_fn;

	json_get_alloc_funcs(NULL, &free_fn);
	if (text != NULL)
		free_fn(text);
}

static enum crb_status
missing(const char *where, const char *key, const char *wanted, bool there,
    struct crb_err *err)
{
	if (!there)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "%s: \"%s\" is missing", where, key);
	return crb_err_set(
	    err, CRB_ERR_INVALID, "%s: \"%s\" must be %s", where, key, wanted);
}

enum crb_status
crb_json_string(const json_t *object, const char *key, const char *where,
    const char **out, struct crb_err *err)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return missing(where, key, "text", value != NULL, err);
	*out = json_string_value(value);
	return CRB_OK;
}

enum crb_status
crb_json_integer(const json_t *object, const char *key, const char *where,
    int64_t min, int64_t max, int64_t *out, struct crb_err *err)
{
	const json_t *value = json_object_get(object, key);
	int64_t number;

	if (!json_is_integer(value))
		return missing(
		    where, key, "a whole number", value != NULL, err);
	number = json_integer_value(value);
	if (number < min || number > max)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: \"%s\" must be from %lld to %lld", where, key,
		    (long long)min, (long long)max);
	*out = number;
	return CRB_OK;
}

enum crb_status
crb_json_object(const json_t *object, const char *key, const char *where,
    json_t **out, struct crb_err *err)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_object(value))
		return missing(where, key, "an object", value != NULL, err);
	*out = value;
	return CRB_OK;
}

enum crb_status
crb_json_array(const json_t *object, const char *key, const char *where,
    json_t **out, struct crb_err *err)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_array(value))
		return missing(where, key, "an array", value != NULL, err);
	*out = value;
	return CRB_OK;
}

static enum crb_status
unknown_key(const char *key, const char *const *keys, size_t count,
    const char *where, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT(4 * KEY_SHOWN + 3);
	const char *near = crb_text_nearest(key, keys, count);

	crb_text_escape(&shown, key, strlen(key), KEY_SHOWN);
	if (near != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: unknown key \"%s\"; did you mean \"%s\"?", where,
		    crb_buf_text(&shown), near);
	return crb_err_set(err, CRB_ERR_INVALID, "%s: unknown key \"%s\"",
	    where, crb_buf_text(&shown));
}

enum crb_status
crb_json_only(const json_t *object, const char *const *keys, const char *where,
    struct crb_err *err)
{
	void *iter = json_object_iter((json_t *)(uintptr_t)object);
	const char *key;
	size_t i;

	for (; iter != NULL;
	     iter = json_object_iter_next((json_t *)(uintptr_t)object, iter)) {
		key = json_object_iter_key(iter);
		for (i = 0; keys[i] != NULL && strcmp(keys[i], key) != 0; i++)
			;
		if (keys[i] == NULL)
			return unknown_key(key, keys, i, where, err);
	}
	return CRB_OK;
}

bool
crb_json_is_string(struct crb_slice text)
{
	CRB_AUTO_JSON json_t *string = json_stringn(text.p, text.len);

	return string != NULL;
}

void
crb_json_use_slab(void)
{
	json_set_alloc_funcs(crb_slab_alloc, crb_slab_free);
}
