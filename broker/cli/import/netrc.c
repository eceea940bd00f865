#include <string.h>

#include "base/buf.h"
#include "broker/cli/import/parsers.h"

#define TOKEN_MAX (16u << 10)

struct cursor {
	const char *text;
	size_t len, at;
	unsigned line;
};

/* One token; quoted ones are unquoted into wiped memory. */
struct token {
	struct crb_buf text;
	size_t from, to;
	bool quoted;
	unsigned line;
};
#define AUTO_TOKEN __attribute__((cleanup(token_clear)))
#define TOKEN_INIT                                    \
	{                                             \
		.text = CRB_BUF_INIT_WIPED(TOKEN_MAX) \
	}

static void
token_clear(struct token *token)
{
	crb_buf_clear(&token->text);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_space(struct cursor *cursor)
{
	for (; cursor->at < cursor->len && is_space(cursor->text[cursor->at]);
	     cursor->at++)
		cursor->line += cursor->text[cursor->at] == '\n';
}

static void
skip_line(struct cursor *cursor)
{
	while (cursor->at < cursor->len && cursor->text[cursor->at] != '\n')
		cursor->at++;
}

/* "a \"quoted\" one": curl and Python read them, with these escapes. */
static enum crb_status
read_quoted(struct cursor *cursor, struct token *token, struct crb_err *err)
{
	token->quoted = true;
	for (cursor->at++; cursor->at < cursor->len; cursor->at++) {
		char c = cursor->text[cursor->at];

		if (c == '"') {
			cursor->at++;
			return CRB_OK;
		}
		if (c == '\n')
			break;
		if (c == '\\' && cursor->at + 1 < cursor->len)
			c = cursor->text[++cursor->at];
		crb_buf_char(&token->text, c);
	}
	return crb_err_set(err, CRB_ERR_INVALID,
	    "line %u: a quoted text does not end", token->line);
}

/* *end when there is none. */
static enum crb_status
next_token(
    struct cursor *cursor, struct token *token, bool *end, struct crb_err *err)
{
	skip_space(cursor);
	*end = cursor->at == cursor->len;
	if (*end)
		return CRB_OK;
	crb_buf_reset(&token->text);
	token->from = cursor->at;
	token->line = cursor->line;
	token->quoted = false;
	if (cursor->text[cursor->at] == '"') {
		if (read_quoted(cursor, token, err) != CRB_OK)
			return err->status;
	} else {
		while (cursor->at < cursor->len &&
		    !is_space(cursor->text[cursor->at]))
			crb_buf_char(&token->text, cursor->text[cursor->at++]);
	}
	token->to = cursor->at;
	if (token->text.failed)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "line %u: longer than any secret", token->line);
	return CRB_OK;
}

static bool
token_is(const struct token *token, const char *word)
{
	return !token->quoted && strcmp(crb_buf_text(&token->text), word) == 0;
}

static struct crb_slice
token_slice(const struct token *token)
{
	return (
	    struct crb_slice){ crb_buf_text(&token->text), token->text.len };
}

/* A macro's body ends with an empty line. */
static void
skip_macro(struct cursor *cursor)
{
	while (cursor->at < cursor->len) {
		size_t from;

		skip_line(cursor);
		if (cursor->at == cursor->len)
			return;
		cursor->at++;
		cursor->line++;
		from = cursor->at;
		while (from < cursor->len &&
		    (cursor->text[from] == ' ' || cursor->text[from] == '\t' ||
			cursor->text[from] == '\r'))
			from++;
		if (from == cursor->len || cursor->text[from] == '\n')
			return;
	}
}

/* What stands under one "machine" or "default". */
struct entry {
	struct token host, login, password;
	bool open, any, macro;
	size_t from, to;
	unsigned line;
};
#define AUTO_ENTRY __attribute__((cleanup(entry_clear)))

static void
entry_clear(struct entry *entry)
{
	token_clear(&entry->host);
	token_clear(&entry->login);
	token_clear(&entry->password);
}

/* Whole lines, where nothing else stands on them. */
static void
widen(const char *text, size_t len, size_t *from, size_t *to)
{
	size_t left = *from, right = *to;

	while (left > 0 && (text[left - 1] == ' ' || text[left - 1] == '\t'))
		left--;
	while (right < len &&
	    (text[right] == ' ' || text[right] == '\t' || text[right] == '\r'))
		right++;
	if ((left > 0 && text[left - 1] != '\n') ||
	    (right < len && text[right] != '\n'))
		return;
	*from = left;
	*to = right < len ? right + 1 : right;
}

static enum crb_status
close_entry(struct entry *entry, const struct cursor *cursor,
    struct crb_found_list *out, struct crb_err *err)
{
	const char *login = crb_buf_text(&entry->login.text);
	struct crb_finding finding = {
		.kind = "password",
		.host = entry->any ? (struct crb_slice){ "", 0 }
				   : token_slice(&entry->host),
		.username = login[0] != '\0' ? login : "git",
		.bare = true,
		.secret = token_slice(&entry->password),
		.line = entry->line,
		.from = entry->from,
		.to = entry->to,
	};
	struct crb_found *added;
	enum crb_status status = CRB_OK;

	if (entry->open && entry->password.text.len > 0) {
		widen(cursor->text, cursor->len, &finding.from, &finding.to);
		status = crb_found_add(out, &finding, &added, err);
		if (status == CRB_OK && entry->macro)
			(void)snprintf(added->sticks, sizeof(added->sticks),
			    "a macdef belongs to it");
	}
	entry->open = entry->any = entry->macro = false;
	crb_buf_reset(&entry->host.text);
	crb_buf_reset(&entry->login.text);
	crb_buf_reset(&entry->password.text);
	return status;
}

static void
open_entry(struct entry *entry, const struct token *word, bool any)
{
	entry->open = true;
	entry->any = any;
	entry->from = word->from;
	entry->to = word->to;
	entry->line = word->line;
}

/* The token that has to stand behind a keyword. */
static enum crb_status
value(struct cursor *cursor, struct entry *entry, struct token *into,
    const struct token *word, struct crb_err *err)
{
	bool end;

	if (next_token(cursor, into, &end, err) != CRB_OK)
		return err->status;
	if (end)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line %u: something is missing at the end", word->line);
	entry->to = into->to;
	return CRB_OK;
}

static enum crb_status
keyword(struct cursor *cursor, struct entry *entry, const struct token *word,
    struct crb_found_list *out, struct crb_err *err)
{
	AUTO_TOKEN struct token account = TOKEN_INIT;
	bool machine = token_is(word, "machine");

	if (machine || token_is(word, "default")) {
		if (close_entry(entry, cursor, out, err) != CRB_OK)
			return err->status;
		open_entry(entry, word, !machine);
		return machine ? value(cursor, entry, &entry->host, word, err)
			       : CRB_OK;
	}
	if (token_is(word, "login"))
		return value(cursor, entry, &entry->login, word, err);
	if (token_is(word, "password"))
		return value(cursor, entry, &entry->password, word, err);
	if (token_is(word, "account"))
		return value(cursor, entry, &account, word, err);
	if (token_is(word, "macdef")) {
		entry->macro = true;
		skip_macro(cursor);
		return CRB_OK;
	}
	if (!word->quoted && crb_slice_starts(token_slice(word), "#")) {
		cursor->at = word->from;
		skip_line(cursor);
		return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_INVALID,
	    "line %u: no keyword of a netrc file (not shown)", word->line);
}

enum crb_status
crb_import_netrc(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	struct cursor cursor = { text, len, 0, 1 };
	AUTO_ENTRY struct entry entry = {
		.host = TOKEN_INIT, .login = TOKEN_INIT, .password = TOKEN_INIT
	};
	AUTO_TOKEN struct token word = TOKEN_INIT;
	bool end = false;

	for (;;) {
		if (next_token(&cursor, &word, &end, err) != CRB_OK)
			return err->status;
		if (end)
			return close_entry(&entry, &cursor, out, err);
		if (keyword(&cursor, &entry, &word, out, err) != CRB_OK)
			return err->status;
	}
}
