#include "policy/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define KEY_MAX 64u

void
crb_reader_init(struct crb_reader *reader, const char *where, const char *text,
    size_t len, struct crb_arena *arena)
{
	*reader = (struct crb_reader){
		.where = where,
		.p = text,
		.end = text + len,
		.line = 1,
		.value_line = 1,
		.arena = arena,
	};
}

enum crb_status(crb_reader_context)(
    struct crb_reader *reader, unsigned line, struct crb_err *err)
{
	if (reader->path[0] == '\0')
		return crb_err_context(err, "%s:%u", reader->where, line);
	return crb_err_context(
	    err, "%s:%u: %s", reader->where, line, reader->path);
}

enum crb_status(crb_reader_fail)(struct crb_reader *reader, unsigned line,
    struct crb_err *err, enum crb_status status, const char *fmt, ...)
{
	char message[CRB_ERR_MSG_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	(void)crb_err_set(err, status, "%s", message);
	return crb_reader_context(reader, line, err);
}

size_t
crb_reader_push(struct crb_reader *reader, const char *key)
{
	size_t length = strlen(reader->path);

	(void)snprintf(reader->path + length, sizeof(reader->path) - length,
	    "%s%s", length > 0 ? "." : "", key);
	return length;
}

size_t
crb_reader_push_index(struct crb_reader *reader, size_t index)
{
	size_t length = strlen(reader->path);

	(void)snprintf(reader->path + length, sizeof(reader->path) - length,
	    "[%zu]", index);
	return length;
}

void
crb_reader_pop(struct crb_reader *reader, size_t length)
{
	reader->path[length] = '\0';
}

static void
skip_space(struct crb_reader *reader)
{
	for (; reader->p < reader->end; reader->p++) {
		if (*reader->p == '\n')
			reader->line++;
		else if (*reader->p != ' ' && *reader->p != '\t' &&
		    *reader->p != '\r')
			return;
	}
}

static bool
take(struct crb_reader *reader, char c)
{
	skip_space(reader);
	if (reader->p >= reader->end || *reader->p != c)
		return false;
	reader->p++;
	return true;
}

static enum crb_status
syntax(struct crb_reader *reader, struct crb_err *err)
{
	return crb_reader_fail(reader, reader->line, err, CRB_ERR_INVALID,
	    reader->p < reader->end ? "not valid JSON" : "ends too early");
}

enum crb_reader_kind
crb_reader_kind(struct crb_reader *reader)
{
	skip_space(reader);
	reader->value_line = reader->line;
	if (reader->p >= reader->end)
		return CRB_READER_OTHER;
	switch (*reader->p) {
	case '"':
		return CRB_READER_TEXT;
	case '{':
		return CRB_READER_OBJECT;
	case '[':
		return CRB_READER_ARRAY;
	case 't':
	case 'f':
		return CRB_READER_FLAG;
	default:
		return *reader->p == '-' ||
			(*reader->p >= '0' && *reader->p <= '9')
		    ? CRB_READER_NUMBER
		    : CRB_READER_OTHER;
	}
}

static enum crb_status
wanted(struct crb_reader *reader, const char *what, struct crb_err *err)
{
	if (reader->p >= reader->end)
		return syntax(reader, err);
	return crb_reader_fail(
	    reader, reader->line, err, CRB_ERR_INVALID, "must be %s", what);
}

enum crb_status
crb_reader_enter(
    struct crb_reader *reader, char open, const char *what, struct crb_err *err)
{
	(void)crb_reader_kind(reader);
	return take(reader, open) ? CRB_OK : wanted(reader, what, err);
}

/* Between two of a list or an object, with what goes wrong there by hand. */
static enum crb_status
separator(struct crb_reader *reader, char close, struct crb_err *err)
{
	const char *why = NULL;

	if (!take(reader, ',')) {
		if (reader->p >= reader->end ||
		    strchr("\"{[", *reader->p) == NULL)
			return syntax(reader, err);
		why = "a comma is missing before this";
	} else {
		skip_space(reader);
		if (reader->p >= reader->end || *reader->p != close)
			return CRB_OK;
		why = "there is a comma behind the last one";
	}
	return crb_reader_fail(reader, reader->line, err, CRB_ERR_INVALID,
	    "not valid JSON: %s", why);
}

enum crb_status
crb_reader_element(
    struct crb_reader *reader, size_t index, bool *more, struct crb_err *err)
{
	*more = false;
	if (take(reader, ']'))
		return CRB_OK;
	if (index > 0 && separator(reader, ']', err) != CRB_OK)
		return err->status;
	*more = true;
	return CRB_OK;
}

enum crb_status
crb_reader_key(struct crb_reader *reader, size_t index, const char **key,
    bool *more, struct crb_err *err)
{
	enum crb_status status;

	*more = false;
	if (take(reader, '}'))
		return CRB_OK;
	if (index > 0 && separator(reader, '}', err) != CRB_OK)
		return err->status;
	if (crb_reader_kind(reader) != CRB_READER_TEXT)
		return syntax(reader, err);
	if ((status = crb_reader_text(reader, KEY_MAX, key, err)) != CRB_OK)
		return status;
	if (!take(reader, ':'))
		return syntax(reader, err);
	*more = true;
	return CRB_OK;
}

/* RFC 3629: no surrogate, nothing longer than it needs to be; no C1 control. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
	unsigned char c = p[0];
	size_t len = c < 0x80 ? 1
	    : c < 0xc2        ? 0
	    : c < 0xe0        ? 2
	    : c < 0xf0        ? 3
	    : c < 0xf5        ? 4
			      : 0;

	if (len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((c == 0xc2 && p[1] < 0xa0) || (c == 0xe0 && p[1] < 0xa0) ||
	    (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
	    (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static size_t
utf8_write(char *out, unsigned code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 0x3f));
	out[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

/*
 * At a backslash.  Control characters are in nothing that a policy says, and a
 * surrogate pair can be written as itself; so neither may be escaped.
 */
static size_t
read_escape(struct crb_reader *reader, char out[4])
{
	const char *p = reader->p + 1;
	size_t left = (size_t)(reader->end - p);
	unsigned code = 0;

	if (left > 0 && (*p == '"' || *p == '\\' || *p == '/')) {
		reader->p += 2;
		out[0] = *p;
		return 1;
	}
	if (left < 5 || *p != 'u')
		return 0;
	for (size_t i = 1; i < 5; i++) {
		int digit = crb_text_hex_value(p[i]);

		if (digit < 0)
			return 0;
		code = code << 4 | (unsigned)digit;
	}
	if (code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	reader->p += 6;
	return utf8_write(out, code);
}

/* The next character of a text, as 1 to 4 bytes; 0: none that may be there. */
static size_t
read_character(struct crb_reader *reader, char out[4])
{
	size_t len;

	if (*reader->p == '\\')
		return read_escape(reader, out);
	if ((unsigned char)*reader->p < 0x20 || *reader->p == 0x7f)
		return 0;
	len = utf8_length((const unsigned char *)reader->p,
	    (size_t)(reader->end - reader->p));
	memcpy(out, reader->p, len);
	reader->p += len;
	return len;
}

/* The bytes up to the closing quote: what a text comes to has no more. */
static size_t
text_room(const struct crb_reader *reader)
{
	const char *p = reader->p;

	while (p < reader->end && *p != '"')
		p += *p == '\\' && reader->end - p > 1 ? 2 : 1;
	return (size_t)(p - reader->p);
}

enum crb_status
crb_reader_text(struct crb_reader *reader, size_t most, const char **out,
    struct crb_err *err)
{
	size_t room, len = 0, one;
	char *text;

	if (crb_reader_kind(reader) != CRB_READER_TEXT)
		return wanted(reader, "text", err);
	reader->p++;
	room = text_room(reader);
	if (room > 6 * most)
		return crb_reader_fail(reader, reader->line, err,
		    CRB_ERR_TOO_LARGE, "a text of more than %zu bytes", most);
	if ((text = crb_arena_alloc(reader->arena, room + 4)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	while (reader->p < reader->end && *reader->p != '"') {
		if ((one = read_character(reader, text + len)) == 0)
			return crb_reader_fail(reader, reader->line, err,
			    CRB_ERR_INVALID,
			    "a text that is not UTF-8, or has a control "
			    "character or an unknown escape in it");
		if ((len += one) > most)
			return crb_reader_fail(reader, reader->line, err,
			    CRB_ERR_TOO_LARGE, "a text of more than %zu bytes",
			    most);
	}
	if (!take(reader, '"'))
		return syntax(reader, err);
	text[len] = '\0';
	*out = text;
	return CRB_OK;
}

enum crb_status
crb_reader_integer(struct crb_reader *reader, int64_t *out, struct crb_err *err)
{
	int64_t number = 0;
	size_t digits = 0;

	if (crb_reader_kind(reader) != CRB_READER_NUMBER || *reader->p == '-')
		return wanted(reader, "a whole number, 0 or more", err);
	for (;
	     reader->p < reader->end && *reader->p >= '0' && *reader->p <= '9';
	     reader->p++, digits++) {
		if (digits == 15)
			return crb_reader_fail(reader, reader->line, err,
			    CRB_ERR_INVALID, "a number of more than 15 digits");
		if (digits > 0 && number == 0)
			return syntax(reader, err);
		number = number * 10 + (*reader->p - '0');
	}
	if (reader->p < reader->end && strchr(".eE", *reader->p) != NULL)
		return wanted(reader, "a whole number", err);
	*out = number;
	return CRB_OK;
}

enum crb_status
crb_reader_flag(struct crb_reader *reader, bool *out, struct crb_err *err)
{
	static const char *const words[] = { "false", "true" };

	if (crb_reader_kind(reader) != CRB_READER_FLAG)
		return wanted(reader, "true or false", err);
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(words[i]);

		if ((size_t)(reader->end - reader->p) >= len &&
		    memcmp(reader->p, words[i], len) == 0) {
			reader->p += len;
			*out = i == 1;
			return CRB_OK;
		}
	}
	return syntax(reader, err);
}

enum crb_status
crb_reader_end(struct crb_reader *reader, struct crb_err *err)
{
	skip_space(reader);
	if (reader->p < reader->end)
		return crb_reader_fail(reader, reader->line, err,
		    CRB_ERR_INVALID, "something behind the value");
	return CRB_OK;
}
