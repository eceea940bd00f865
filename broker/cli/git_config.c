#include "broker/cli/git_config.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECTION_MAX 128
#define VALUE_MAX 4096

struct reader {
	const char *at, *end;
	char section[SECTION_MAX];
	char name[SECTION_MAX];
	char value[VALUE_MAX];
	size_t len;     /* of the value */
	size_t trimmed; /* of it, without blanks at its end */
};

static int
peek(const struct reader *reader)
{
	return reader->at < reader->end ? (unsigned char)*reader->at : -1;
}

static void
skip_line(struct reader *reader)
{
	while (peek(reader) != -1 && *reader->at != '\n')
		reader->at++;
}

static void
skip_blanks(struct reader *reader)
{
	while (peek(reader) == ' ' || peek(reader) == '\t')
		reader->at++;
}

/* Letters, digits, '-' and '.', in lower case. */
static void
read_word(struct reader *reader, char out[SECTION_MAX])
{
	size_t len = 0;

	while (peek(reader) != -1 &&
	    (isalnum(peek(reader)) || peek(reader) == '-' ||
		peek(reader) == '.')) {
		if (len < SECTION_MAX - 1)
			out[len++] = (char)tolower(peek(reader));
		reader->at++;
	}
	out[len] = '\0';
}

/* [section], [section "sub"] or the old [section.sub]. */
static void
read_section(struct reader *reader)
{
	bool quoted = false;

	reader->at++;
	read_word(reader, reader->section);
	reader->section[strcspn(reader->section, ".")] = '\0';
	for (; peek(reader) != -1 && *reader->at != '\n'; reader->at++) {
		if (*reader->at == '\\' && reader->at + 1 < reader->end)
			reader->at++;
		else if (*reader->at == '"')
			quoted = !quoted;
		else if (*reader->at == ']' && !quoted)
			break;
	}
	if (peek(reader) == ']')
		reader->at++;
}

static void
put(struct reader *reader, int c, bool blank)
{
	if (reader->len < VALUE_MAX - 1)
		reader->value[reader->len++] = (char)c;
	if (!blank)
		reader->trimmed = reader->len;
}

/* Behind a backslash; false when the value ends. */
static void
read_escaped(struct reader *reader)
{
	static const char from[] = "nbt", to[] = "\n\b\t";
	const char *found;
	int c = peek(reader);

	if (c == -1)
		return;
	reader->at++;
	if (c == '\n')
		return;
	found = strchr(from, c);
	put(reader, found != NULL && c != '\0' ? to[found - from] : c, false);
}

static void
read_value(struct reader *reader)
{
	bool quoted = false;

	reader->len = reader->trimmed = 0;
	skip_blanks(reader);
	while (peek(reader) != -1 && *reader->at != '\n') {
		int c = (unsigned char)*reader->at++;

		if (c == '\\') {
			read_escaped(reader);
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '#' || c == ';')) {
			skip_line(reader);
		} else if (c != '\0' && c != '\r') {
			put(reader, c, !quoted && (c == ' ' || c == '\t'));
		}
	}
	reader->value[reader->trimmed] = '\0';
}

static void
read_variable(struct reader *reader, crb_git_config_fn *fn, void *ctx)
{
	char key[2 * SECTION_MAX + 1];

	read_word(reader, reader->name);
	skip_blanks(reader);
	if (reader->name[0] == '\0') {
		skip_line(reader);
		return;
	}
	if (peek(reader) == '=') {
		reader->at++;
		read_value(reader);
	} else {
		skip_line(reader);
		memcpy(reader->value, "true", sizeof("true"));
	}
	(void)snprintf(
	    key, sizeof(key), "%s.%s", reader->section, reader->name);
	fn(ctx, key, reader->value);
}

void
crb_git_config_read(
    const char *text, size_t len, crb_git_config_fn *fn, void *ctx)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct reader reader = { .at = text, .end = text + len };
	int c;

	if (len >= 3 && memcmp(text, mark, 3) == 0)
		reader.at += 3;
	while ((c = peek(&reader)) != -1) {
		if (isspace(c) || c == '\0')
			reader.at++;
		else if (c == '#' || c == ';')
			skip_line(&reader);
		else if (c == '[')
			read_section(&reader);
		else
			read_variable(&reader, fn, ctx);
	}
}
