#include "shim/inventory_git.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The longest value that is looked at: git has no such limit. */
#define VALUE_MAX 4096

struct reader {
	struct crb_span rest;
	unsigned line;
	struct crb_span section; /* without the subsection */
	char value[VALUE_MAX];
	size_t value_len;
};

#define AUTO_READER __attribute__((cleanup(reader_clear)))
static void
reader_clear(struct reader *reader)
{
	explicit_bzero(reader->value, sizeof(reader->value));
}

static int
peek(const struct reader *reader)
{
	return reader->rest.len > 0 ? (unsigned char)reader->rest.p[0] : -1;
}

static int
take(struct reader *reader)
{
	int c = peek(reader);

	if (c == -1)
		return -1;
	reader->rest.p++;
	reader->rest.len--;
	if (c == '\n')
		reader->line++;
	return c;
}

static void
skip_line(struct reader *reader)
{
	int c;

	while ((c = take(reader)) != -1 && c != '\n')
		continue;
}

static struct crb_span
take_word(struct reader *reader)
{
	struct crb_span word = { reader->rest.p, 0 };

	while (isalnum(peek(reader)) || peek(reader) == '-' ||
	    peek(reader) == '.' || peek(reader) == '_') {
		word.len++;
		(void)take(reader);
	}
	return word;
}

static void
skip_blanks(struct reader *reader)
{
	while (
	    peek(reader) == ' ' || peek(reader) == '\t' || peek(reader) == '\r')
		(void)take(reader);
}

static void
keep(struct reader *reader, int c)
{
	if (reader->value_len < VALUE_MAX)
		reader->value[reader->value_len++] = (char)c;
}

/* A value without quotes, comments, and what backslashes hide. */
static void
take_value(struct reader *reader)
{
	bool quoted = false;
	int c;

	reader->value_len = 0;
	while ((c = take(reader)) != -1 && c != '\n') {
		if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '#' || c == ';')) {
			skip_line(reader);
			return;
		} else if (c == '\\') {
			/* Before a newline: the value goes on. */
			if ((c = take(reader)) == -1)
				return;
			if (c == '\r' && peek(reader) == '\n')
				c = take(reader);
			if (c != '\n')
				keep(reader, c);
		} else if (c != '\r') {
			keep(reader, c);
		}
	}
}

/* [section "subsection"]: the URL of an http or url section may be secret. */
static const char *
take_section(struct reader *reader)
{
	const char *start, *found;

	(void)take(reader);
	skip_blanks(reader);
	reader->section = take_word(reader);
	start = reader->rest.p;
	while (
	    peek(reader) != -1 && peek(reader) != '\n' && peek(reader) != ']') {
		if (peek(reader) == '\\')
			(void)take(reader);
		(void)take(reader);
	}
	found = crb_format_find(start, (size_t)(reader->rest.p - start));
	if (peek(reader) == ']')
		(void)take(reader);
	return found;
}

static bool
is_word(struct crb_span span, const char *word)
{
	return span.len == strlen(word) &&
	    strncasecmp(span.p, word, span.len) == 0;
}

/* The section may be written the old way, [includeIf.gitdir:x]. */
static bool
is_include(const struct reader *reader, struct crb_span key)
{
	return is_word(key, "path") && reader->section.len >= 7 &&
	    strncasecmp(reader->section.p, "include", 7) == 0;
}

static void
split_header(struct crb_span *name, struct crb_span *value)
{
	const char *colon = memchr(value->p, ':', value->len);

	/* The form of an Authorization header is known as a whole. */
	if (colon == NULL || crb_format_find(value->p, value->len) != NULL)
		return;
	*name = (struct crb_span){ value->p, (size_t)(colon - value->p) };
	*value = (struct crb_span){ colon + 1, value->len - name->len - 1 };
}

static const char *
judge(const struct reader *reader, struct crb_span key)
{
	struct crb_span value = { reader->value, reader->value_len };
	enum crb_severity severity;
	const char *reason = NULL;

	/* What is sent with each request is a setting, with a colon. */
	if (is_word(key, "extraheader"))
		split_header(&key, &value);
	if (is_word(key, "helper") &&
	    crb_format_has(value.p, value.len, "password="))
		return "a credential helper that has a password in it";
	if (crb_setting_judge(key, value, &severity, &reason) !=
	    CRB_SETTING_SECRET)
		return NULL;
	return reason;
}

/* One "key = value". */
static const char *
take_setting(struct reader *reader, crb_git_include_fn *include, void *ctx)
{
	struct crb_span key = take_word(reader);

	skip_blanks(reader);
	if (key.len == 0 || peek(reader) != '=') {
		skip_line(reader);
		return NULL;
	}
	(void)take(reader);
	skip_blanks(reader);
	take_value(reader);
	if (include != NULL && is_include(reader, key)) {
		while (reader->value_len > 0 &&
		    isspace(
			(unsigned char)reader->value[reader->value_len - 1]))
			reader->value_len--;
		include(
		    ctx, (struct crb_span){ reader->value, reader->value_len });
	}
	return judge(reader, key);
}

const char *
crb_git_config_find(struct crb_span text, unsigned *line,
    crb_git_include_fn *include, void *ctx)
{
	AUTO_READER struct reader reader = { .rest = text, .line = 1 };
	const char *first = NULL;

	while (reader.rest.len > 0) {
		unsigned at = reader.line;
		const char *found = NULL;
		int c = peek(&reader);

		if (c == '\n' || c == ' ' || c == '\t' || c == '\r')
			(void)take(&reader);
		else if (c == '#' || c == ';')
			skip_line(&reader);
		else if (c == '[')
			found = take_section(&reader);
		else
			found = take_setting(&reader, include, ctx);
		if (found != NULL && first == NULL) {
			first = found;
			*line = at;
		}
	}
	return first;
}
