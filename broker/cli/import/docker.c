#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "broker/cli/import/parsers.h"

#define PART_MAX (16u << 10)
#define KEY_MAX 1024u

/*
 * The text has been parsed strictly before, so this walk meets no surprises;
 * it is here for the places of the members, which a parser does not keep.
 */
struct walk {
	const char *text;
	size_t len, at;
	unsigned line;
};

static char
peek(const struct walk *walk)
{
	return walk->at < walk->len ? walk->text[walk->at] : '\0';
}

static void
skip_space(struct walk *walk)
{
	for (; walk->at < walk->len &&
	     strchr(" \t\r\n", walk->text[walk->at]) != NULL;
	     walk->at++)
		walk->line += walk->text[walk->at] == '\n';
}

static void
skip_string(struct walk *walk)
{
	for (walk->at++; walk->at < walk->len && peek(walk) != '"'; walk->at++)
		walk->at += peek(walk) == '\\';
	walk->at++;
}

/* A value of any kind: up to where its brackets are closed. */
static void
skip_value(struct walk *walk)
{
	size_t depth = 0;

	skip_space(walk);
	while (walk->at < walk->len) {
		char c = peek(walk);

		if (c == '"') {
			skip_string(walk);
		} else if (c == '{' || c == '[') {
			depth++;
			walk->at++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				return;
			depth--;
			walk->at++;
		} else if (depth == 0 && c == ',') {
			return;
		} else {
			walk->line += c == '\n';
			walk->at++;
			if (depth > 0 || strchr(" \t\r\n", peek(walk)) == NULL)
				continue;
		}
		if (depth == 0)
			return;
	}
}

/* A member of an object; `from` and `to` are what cutting it removes. */
struct member {
	struct crb_slice key; /* with its quotes */
	struct crb_slice value;
	size_t from, to;
	unsigned line;
	size_t comma; /* where the one before it stands; 0: it is the first */
};

/* At "{" or behind a value: the next member, or false at "}". */
static bool
next_member(struct walk *walk, struct member *out)
{
	skip_space(walk);
	if (peek(walk) != '{' && peek(walk) != ',')
		return false;
	*out = (struct member){ .comma = peek(walk) == ',' ? walk->at : 0 };
	out->from = ++walk->at;
	skip_space(walk);
	if (peek(walk) != '"')
		return false;
	out->line = walk->line;
	out->key.p = walk->text + walk->at;
	if (out->comma != 0)
		out->from = walk->at;
	skip_string(walk);
	out->key.len = (size_t)(walk->text + walk->at - out->key.p);
	skip_space(walk);
	walk->at++; /* the colon */
	skip_space(walk);
	out->value.p = walk->text + walk->at;
	skip_value(walk);
	out->value.len = (size_t)(walk->text + walk->at - out->value.p);
	out->to = walk->at;
	return true;
}

/* With the comma behind it, else with the one before. */
static void
find_cut(const struct walk *after, struct member *member)
{
	struct walk walk = *after;

	skip_space(&walk);
	if (peek(&walk) == ',') {
		walk.at++;
		skip_space(&walk);
		member->from = (size_t)(member->key.p - walk.text);
		member->to = walk.at;
	} else if (member->comma != 0) {
		member->from = member->comma;
	} else {
		member->to = walk.at;
	}
}

static bool
parse_key(struct crb_slice key, json_t **out)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(KEY_MAX);
	struct crb_err ignored;

	crb_buf_char(&text, '[');
	crb_buf_add(&text, key.p, key.len);
	crb_buf_char(&text, ']');
	return !text.failed &&
	    crb_json_parse(text.data, text.len, "key", out, &ignored) == CRB_OK;
}

static enum crb_status
add_auth(struct crb_finding *finding, const char *auth,
    struct crb_found_list *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf pair = CRB_BUF_INIT_WIPED(PART_MAX);
	CRB_AUTO_BUF struct crb_buf name = CRB_BUF_INIT_WIPED(PART_MAX);
	struct crb_slice rest, user;

	if (!crb_import_base64(CRB_SLICE(auth), &pair))
		return crb_found_add_other(
		    out, finding, "is not base64", NULL, err);
	rest = (struct crb_slice){ crb_buf_text(&pair), pair.len };
	if (rest.len == 0 || !crb_slice_cut(&rest, ':', &user) ||
	    rest.p == NULL)
		return crb_found_add_other(out, finding,
		    "is not a user name and a password", NULL, err);
	crb_buf_add(&name, user.p, user.len);
	finding->username = crb_buf_text(&name);
	finding->secret = rest;
	return crb_found_add(out, finding, NULL, err);
}

static enum crb_status
add_registry(const struct member *member, struct crb_found_list *out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *key = NULL;
	CRB_AUTO_JSON json_t *value = NULL;
	struct crb_finding finding = { .kind = "registry password",
		.later = true,
		.bare = true,
		.line = member->line,
		.from = member->from,
		.to = member->to };
	struct crb_err ignored;
	const char *auth;

	if (!parse_key(member->key, &key) ||
	    crb_json_parse(member->value.p, member->value.len, "auths", &value,
		&ignored) != CRB_OK)
		return CRB_OK;
	finding.host = CRB_SLICE(json_string_value(json_array_get(key, 0)));
	auth = json_string_value(json_object_get(value, "auth"));
	if (json_object_get(value, "identitytoken") != NULL)
		return crb_found_add_other(out, &finding,
		    "needs backend oauth2, not in this version", NULL, err);
	if (auth != NULL && auth[0] != '\0')
		return add_auth(&finding, auth, out, err);
	return crb_found_add_other(out, &finding,
	    "is kept in a credential store, which is not read", NULL, err);
}

static enum crb_status
add_registries(
    struct walk *walk, struct crb_found_list *out, struct crb_err *err)
{
	struct member member;

	while (next_member(walk, &member)) {
		find_cut(walk, &member);
		if (add_registry(&member, out, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

/* It is named, so that nobody believes that nothing was left. */
static enum crb_status
add_store(const struct member *member, struct crb_found_list *out,
    struct crb_err *err)
{
	const struct crb_finding finding = { .kind = "credential store",
		.line = member->line };

	return crb_found_add_other(out, &finding,
	    "is a helper program's store, which is not read", NULL, err);
}

enum crb_status
crb_import_docker(const char *text, size_t len, struct crb_found_list *out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *json = NULL;
	struct walk walk = { text, len, 0, 1 };
	struct member member;

	if (crb_json_parse(text, len, "config.json", &json, err) != CRB_OK)
		return err->status;
	if (!json_is_object(json))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "config.json: not an object");
	while (next_member(&walk, &member)) {
		struct walk inner = walk;

		inner.at = (size_t)(member.value.p - text);
		inner.line = member.line;
		if (crb_slice_is(member.key, "\"auths\"") &&
		    member.value.p[0] == '{' &&
		    add_registries(&inner, out, err) != CRB_OK)
			return err->status;
		if ((crb_slice_is(member.key, "\"credsStore\"") ||
			crb_slice_is(member.key, "\"credHelpers\"")) &&
		    add_store(&member, out, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}
