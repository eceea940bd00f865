#include "policy/scope.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "policy/pattern.h"

#define SHOWN_MAX 64 /* bytes of the input in a message */
#define TEXT_MAX (1u << 20)

/* Make what somebody typed fit for a message. */
static const char *
shown(struct crb_buf *buf, struct crb_slice text)
{
	crb_text_escape(buf, text.p, text.len, SHOWN_MAX);
	return crb_buf_text(buf);
}

/* "fetch, push" */
static void
list_choices(struct crb_buf *buf, const char *const *choices)
{
	for (size_t i = 0; choices[i] != NULL; i++) {
		if (i > 0)
			crb_buf_str(buf, ", ");
		crb_buf_str(buf, choices[i]);
	}
}

static enum crb_status
unknown_attribute(struct crb_slice name, const struct crb_attribute *table,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf typed = CRB_BUF_INIT(4 * SHOWN_MAX + 8);
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(1024);
	const char *names[CRB_SCOPE_MAX + 1] = { NULL };
	const char *nearest;
	size_t count = 0;

	for (; count < CRB_SCOPE_MAX && table[count].name != NULL; count++)
		names[count] = table[count].name;
	list_choices(&known, names);
	nearest = crb_text_nearest(shown(&typed, name), names, count);
	if (count == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "no scope \"%s\": this backend has none",
		    crb_buf_text(&typed));
	if (nearest == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "no scope \"%s\"; known: %s", crb_buf_text(&typed),
		    crb_buf_text(&known));
	return crb_err_set(err, CRB_ERR_INVALID,
	    "no scope \"%s\"; did you mean \"%s\"?", crb_buf_text(&typed),
	    nearest);
}

static struct crb_scope_attribute *
find_attribute(struct crb_scope *scope, struct crb_slice name)
{
	for (size_t i = 0; i < scope->count; i++) {
		if (crb_slice_is(name, scope->at[i].attribute->name))
			return &scope->at[i];
	}
	return NULL;
}

/* %2B, %2C and %25, which the grammar needs, and no other escape. */
static enum crb_status
decode_value(struct crb_slice text, struct crb_buf *out, struct crb_err *err)
{
	static const char *const escapes[] = { "2B+", "2b+", "2C,", "2c,",
		"25%" };

	for (size_t i = 0; i < text.len; i++) {
		const char *found = NULL;

		if (text.p[i] != '%') {
			crb_buf_char(out, text.p[i]);
			continue;
		}
		for (size_t k = 0;
		     k < sizeof(escapes) / sizeof(*escapes) && i + 2 < text.len;
		     k++) {
			if (memcmp(&text.p[i + 1], escapes[k], 2) == 0)
				found = escapes[k];
		}
		if (found == NULL)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "\"%%\" is written %%25, \"+\" %%2B and \",\" "
			    "%%2C; there is no other escape");
		crb_buf_char(out, found[2]);
		i += 2;
	}
	return crb_buf_check(out, "a value", err);
}

static size_t
choice_index(const struct crb_attribute *attribute, const char *value)
{
	size_t i = 0;

	while (attribute->choices[i] != NULL &&
	    strcmp(attribute->choices[i], value) != 0)
		i++;
	return i;
}

static enum crb_status
check_value(const struct crb_attribute *attribute, const char *value,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf typed = CRB_BUF_INIT(4 * SHOWN_MAX + 8);
	CRB_AUTO_BUF struct crb_buf known = CRB_BUF_INIT(1024);

	if (*value == '\0')
		return crb_err_set(err, CRB_ERR_INVALID, "an empty value");
	if (attribute->type == CRB_ATTRIBUTE_PATTERN)
		return crb_pattern_check(value, attribute->separator, err);
	if (attribute->type == CRB_ATTRIBUTE_TEXT)
		return CRB_OK; /* its own check has written it */
	if (attribute->choices[choice_index(attribute, value)] != NULL)
		return CRB_OK;
	list_choices(&known, attribute->choices);
	return crb_err_set(err, CRB_ERR_INVALID, "\"%s\" is not one of %s",
	    shown(&typed, CRB_SLICE(value)), crb_buf_text(&known));
}

static int
compare_values(
    const struct crb_attribute *attribute, const char *a, const char *b)
{
	size_t left, right;

	if (attribute->type != CRB_ATTRIBUTE_CHOICE)
		return strcmp(a, b);
	left = choice_index(attribute, a);
	right = choice_index(attribute, b);
	return left < right ? -1 : left > right;
}

/* Values are kept sorted, so that a scope has one text. */
static enum crb_status
insert_value(struct crb_scope_attribute *at, char *value, struct crb_err *err)
{
	size_t place = 0;
	int order = 1;

	if (at->count == CRB_SCOPE_VALUES_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT, "more than %d values",
		    CRB_SCOPE_VALUES_MAX);
	while (place < at->count &&
	    (order = compare_values(at->attribute, at->value[place], value)) <
		0)
		place++;
	if (place < at->count && order == 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the same value twice");
	memmove(&at->value[place + 1], &at->value[place],
	    (at->count - place) * sizeof(*at->value));
	at->value[place] = value;
	at->count++;
	return CRB_OK;
}

static bool
ends_in(const char *value, size_t len, const char *ending)
{
	size_t cut = strlen(ending);

	return len > cut && memcmp(&value[len - cut], ending, cut) == 0;
}

static enum crb_status
strip_ending(char *value, const char *ending, struct crb_err *err)
{
	size_t len = strlen(value);

	if (ending == NULL || !ends_in(value, len, ending))
		return CRB_OK;
	len -= strlen(ending);
	if (ends_in(value, len, ending))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "\"%s\" twice at the end matches nothing", ending);
	value[len] = '\0';
	return CRB_OK;
}

/* As it is given, or in the form that the attribute's check writes. */
static enum crb_status
read_value(const struct crb_attribute *attribute, struct crb_slice text,
    struct crb_buf *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf given = CRB_BUF_INIT(CRB_SCOPE_TEXT_MAX);
	enum crb_status status;

	if (attribute->type != CRB_ATTRIBUTE_TEXT)
		return decode_value(text, out, err);
	if ((status = decode_value(text, &given, err)) != CRB_OK)
		return status;
	if (given.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "an empty value");
	status = attribute->check(crb_buf_text(&given), out, err);
	return status != CRB_OK ? status : crb_buf_check(out, "a value", err);
}

static enum crb_status
add_value(
    struct crb_scope_attribute *at, struct crb_slice text, struct crb_err *err)
{
	bool is_text = at->attribute->type == CRB_ATTRIBUTE_TEXT;
	CRB_AUTO_BUF struct crb_buf read = CRB_BUF_INIT(
	    is_text ? CRB_SCOPE_TEXT_MAX : CRB_PATTERN_MAX);
	CRB_AUTO_FREE char *value = NULL;
	enum crb_status status;

	if ((status = read_value(at->attribute, text, &read, err)) != CRB_OK)
		return status;
	if ((value = strdup(crb_buf_text(&read))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if ((status = strip_ending(value, at->attribute->strip, err)) !=
		CRB_OK ||
	    (status = check_value(at->attribute, value, err)) != CRB_OK)
		return status;
	if ((status = insert_value(at, value, err)) == CRB_OK)
		value = NULL;
	return status;
}

static enum crb_status
add_values(struct crb_scope_attribute *at, struct crb_slice values,
    struct crb_err *err)
{
	struct crb_slice piece;

	while (crb_slice_cut(&values, '+', &piece)) {
		if (add_value(at, piece, err) != CRB_OK)
			return crb_err_context(err, "%s", at->attribute->name);
	}
	return CRB_OK;
}

/* "git=fetch+push" */
static enum crb_status
add_attribute(struct crb_scope *scope, const struct crb_attribute *table,
    struct crb_slice text, struct crb_err *err)
{
	struct crb_scope_attribute *at;
	struct crb_slice name;

	if (memchr(text.p, '=', text.len) == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a scope is written attribute=value");
	(void)crb_slice_cut(&text, '=', &name);
	if ((at = find_attribute(scope, name)) == NULL)
		return unknown_attribute(name, table, err);
	if (at->count > 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s is there twice; several values are joined by \"+\"",
		    at->attribute->name);
	return add_values(at, text, err);
}

/* Fill in presets, and drop the attributes that nothing was said about. */
static enum crb_status
complete(struct crb_scope *scope, struct crb_err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < scope->count; i++) {
		struct crb_scope_attribute *at = &scope->at[i];
		const struct crb_attribute *attribute = at->attribute;
		enum crb_status status;

		if (at->count > 0)
			continue;
		if (attribute->required)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the scope needs %s=...: %s", attribute->name,
			    attribute->help);
		if (attribute->preset != NULL &&
		    (status = add_values(
			 at, CRB_SLICE(attribute->preset), err)) != CRB_OK)
			return status;
	}
	for (size_t i = 0; i < scope->count; i++) {
		if (scope->at[i].count > 0)
			scope->at[kept++] = scope->at[i];
	}
	scope->count = kept;
	return CRB_OK;
}

enum crb_status
crb_scope_parse(const char *text, const struct crb_attribute *table,
    struct crb_scope *out, struct crb_err *err)
{
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	struct crb_slice rest = CRB_SLICE(text);
	struct crb_slice piece;
	enum crb_status status;

	for (; scope.count < CRB_SCOPE_MAX && table[scope.count].name != NULL;
	     scope.count++)
		scope.at[scope.count].attribute = &table[scope.count];
	while (*text != '\0' && crb_slice_cut(&rest, ',', &piece)) {
		status = add_attribute(&scope, table, piece, err);
		if (status != CRB_OK)
			return status;
	}
	if ((status = complete(&scope, err)) != CRB_OK)
		return status;
	*out = scope;
	scope.count = 0;
	return CRB_OK;
}

void
crb_scope_clear(struct crb_scope *scope)
{
	for (size_t i = 0; i < scope->count; i++) {
		for (size_t k = 0; k < scope->at[i].count; k++)
			free(scope->at[i].value[k]);
	}
	memset(scope, 0, sizeof(*scope));
}

void
crb_scope_encode(struct crb_buf *out, const char *value)
{
	for (; *value != '\0'; value++) {
		switch (*value) {
		case '+':
			crb_buf_str(out, "%2B");
			break;
		case ',':
			crb_buf_str(out, "%2C");
			break;
		case '%':
			crb_buf_str(out, "%25");
			break;
		default:
			crb_buf_char(out, *value);
		}
	}
}

char *
crb_scope_text(const struct crb_scope *scope)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(TEXT_MAX);

	crb_buf_str(&out, "");
	for (size_t i = 0; i < scope->count; i++) {
		const struct crb_scope_attribute *at = &scope->at[i];

		if (i > 0)
			crb_buf_char(&out, ',');
		crb_buf_str(&out, at->attribute->name);
		for (size_t k = 0; k < at->count; k++) {
			crb_buf_char(&out, k == 0 ? '=' : '+');
			crb_scope_encode(&out, at->value[k]);
		}
	}
	if (out.failed)
		return NULL;
	return out.len > 0 ? crb_buf_steal(&out) : strdup("");
}

enum crb_status
crb_grant_split(
    const char *text, char **name, char **scope, struct crb_err *err)
{
	CRB_AUTO_FREE char *head = NULL;
	CRB_AUTO_FREE char *tail = NULL;
	struct crb_slice rest = CRB_SLICE(text);
	struct crb_slice piece;

	(void)crb_slice_cut(&rest, ':', &piece);
	if ((head = crb_slice_dup(piece)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (!crb_name_ok(head))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a grant is written NAME:attribute=value,... and this one "
		    "does not start with the name of a credential");
	if (strchr(text, ':') != NULL && rest.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "nothing is behind \":\" in the grant of %s", head);
	tail = strdup(rest.len > 0 ? &text[piece.len + 1] : "");
	if (tail == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*name = CRB_STEAL(head);
	*scope = CRB_STEAL(tail);
	return CRB_OK;
}
