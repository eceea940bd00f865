#include "backends/static.h"

#include <stddef.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/header.h"
#include "backends/route.h"
#include "base/text.h"
#include "policy/attribute.h"

#define WHERE "backend static"
#define SECRET_MAX (16u << 10)
#define USERNAME_MAX 256u
#define PREFIX_MAX 64u
#define VALUE_MAX (4 * SECRET_MAX)
#define NAME_SIZE sizeof(((struct crb_injection *)NULL)->name)

struct static_params {
	struct crb_list hosts;
	const char *auth;
	const char *username;
	const char *header;
	const char *prefix;
	const char *parameter;
	const char *network;
	const char *ca;
};

static const char *const auth_choices[] = { "basic", "bearer", "header",
	"query", NULL };
static const char *const git_choices[] = { "fetch", "push", "push-options",
	"push-signed", NULL };
static const char *const change_choices[] = { "create", "update", "delete",
	NULL };

#define AT(member) offsetof(struct static_params, member)

static const struct crb_option static_table[] = {
	{ .name = "hosts",
	    .type = CRB_OPTION_LIST,
	    .offset = AT(hosts),
	    .required = true,
	    .value = "HOST[:PORT],...",
	    .help = "where the secret may be sent, and nowhere else" },
	{ .name = "auth",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(auth),
	    .preset = "bearer",
	    .choices = auth_choices,
	    .value = "WAY",
	    .help = "how the secret goes into a request" },
	{ .name = "username",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(username),
	    .value = "NAME",
	    .help = "the user name that goes with it (auth=basic)" },
	{ .name = "header",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(header),
	    .value = "NAME",
	    .help = "the header that carries it (auth=header)" },
	{ .name = "prefix",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(prefix),
	    .value = "TEXT",
	    .help = "what stands before it, a space at the end included "
		    "(auth=header)" },
	{ .name = "parameter",
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(parameter),
	    .value = "NAME",
	    .help = "the query parameter that carries it (auth=query)" },
	CRB_ROUTE_OPTIONS(struct static_params, network, ca),
	CRB_OPTION_END,
};

static const struct crb_attribute static_attributes[] = {
	{ .name = "repository",
	    .type = CRB_ATTRIBUTE_PATTERN,
	    .separator = '/',
	    .required = true,
	    .strip = ".git",
	    .help = "repositories by path, as in acme/api or acme/*" },
	{ .name = "git",
	    .type = CRB_ATTRIBUTE_CHOICE,
	    .choices = git_choices,
	    .preset = "fetch",
	    .help = "what may be done to them" },
	{ .name = "ref",
	    .type = CRB_ATTRIBUTE_PATTERN,
	    .separator = '/',
	    .help = "refs that may be pushed to, as in refs/heads/agent/**" },
	{ .name = "change",
	    .type = CRB_ATTRIBUTE_CHOICE,
	    .choices = change_choices,
	    .help = "what a push may do to them" },
	CRB_ATTRIBUTE_END,
};

#define AUTO_PARAMS __attribute__((cleanup(params_clear)))
static void
params_clear(struct static_params *params)
{
	crb_options_clear(static_table, params);
}

/* Printable ASCII, `least` to `most` bytes of it. */
static bool
is_printable(const char *text, size_t least, size_t most)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return len >= least && len <= most;
}

static enum crb_status
check_username(const char *username, struct crb_err *err)
{
	if (!is_printable(username, 1, USERNAME_MAX) ||
	    strchr(username, ':') != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": username must be 1 to %u printable ASCII "
			  "characters without \":\"",
		    USERNAME_MAX);
	return CRB_OK;
}

static enum crb_status
check_header(const char *name, struct crb_err *err)
{
	char folded[NAME_SIZE];
	enum crb_status status;

	status = crb_header_name(name, folded, sizeof(folded), err);
	return status == CRB_OK ? CRB_OK : crb_err_context(err, WHERE);
}

static enum crb_status
check_prefix(const char *prefix, struct crb_err *err)
{
	if (!is_printable(prefix, 1, PREFIX_MAX) || prefix[0] == ' ')
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": prefix must be 1 to %u printable ASCII "
			  "characters, no space first",
		    PREFIX_MAX);
	return CRB_OK;
}

/* RFC 3986 2.3: what needs no encoding. */
static enum crb_status
check_parameter(const char *name, struct crb_err *err)
{
	size_t len = strlen(name);
	size_t unreserved = strspn(name, CRB_LOWER CRB_UPPER CRB_DIGITS "-._~");

	if (len == 0 || len >= NAME_SIZE || unreserved != len)
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": parameter must consist of 1 to %zu letters, "
			  "digits and \"-._~\"",
		    NAME_SIZE - 1);
	return CRB_OK;
}

/* Which parameter belongs to which way of authentication. */
static const struct belonging {
	const char *name;
	const char *auth;
	size_t offset;
	bool required;
	enum crb_status (*check)(const char *, struct crb_err *);
} belongings[] = {
	{ "username", "basic", AT(username), true, check_username },
	{ "header", "header", AT(header), true, check_header },
	{ "prefix", "header", AT(prefix), false, check_prefix },
	{ "parameter", "query", AT(parameter), true, check_parameter },
};

static enum crb_status
check_belongings(const struct static_params *params, struct crb_err *err)
{
	for (size_t i = 0; i < sizeof(belongings) / sizeof(*belongings); i++) {
		const struct belonging *at = &belongings[i];
		bool fits = strcmp(params->auth, at->auth) == 0;
		enum crb_status status;
		const char *value;

		memcpy(
		    &value, (const char *)params + at->offset, sizeof(value));
		if (value == NULL && at->required && fits)
			return crb_err_set(err, CRB_ERR_INVALID,
			    WHERE ": auth=%s needs %s", at->auth, at->name);
		if (value == NULL)
			continue;
		if (!fits)
			return crb_err_set(err, CRB_ERR_INVALID,
			    WHERE ": %s is only for auth=%s", at->name,
			    at->auth);
		if ((status = at->check(value, err)) != CRB_OK)
			return status;
	}
	return CRB_OK;
}

static enum crb_status
make_route(const struct static_params *params, struct crb_route *route,
    struct crb_err *err)
{
	if (crb_route_begin(params->network, params->ca, route, err) != CRB_OK)
		return crb_err_context(err, WHERE);
	if (params->hosts.count == 0 || params->hosts.count > CRB_ORIGINS_MAX)
		return crb_err_set(err, CRB_ERR_INVALID,
		    WHERE ": hosts must have 1 to %d items", CRB_ORIGINS_MAX);
	for (size_t i = 0; i < params->hosts.count; i++) {
		if (crb_route_add(route, params->hosts.item[i], err) != CRB_OK)
			return crb_err_context(
			    err, WHERE ": hosts, item %zu", i + 1);
	}
	return CRB_OK;
}

static enum crb_status
params_read(const json_t *json, struct static_params *params,
    struct crb_route *route, struct crb_err *err)
{
	enum crb_status status;

	if ((status = crb_options_json(
		 static_table, json, WHERE, params, err)) != CRB_OK)
		return status;
	if ((status = check_belongings(params, err)) != CRB_OK)
		return status;
	return make_route(params, route, err);
}

static enum crb_status
static_route(const json_t *json, struct crb_route *out, struct crb_err *err)
{
	AUTO_PARAMS struct static_params params = { 0 };
	struct crb_route route = { 0 };
	enum crb_status status;

	if ((status = params_read(json, &params, &route, err)) == CRB_OK)
		*out = route;
	return status;
}

static enum crb_status
static_check(const json_t *json, struct crb_err *err)
{
	struct crb_route route;

	return static_route(json, &route, err);
}

static bool
is_push(const struct crb_scope_attribute *git)
{
	for (size_t i = 0; i < git->count; i++) {
		if (strncmp(git->value[i], "push", strlen("push")) != 0)
			return false;
	}
	return true;
}

static enum crb_status
check_refs(const struct crb_scope_attribute *refs, struct crb_err *err)
{
	const struct crb_policy_attribute *ref =
	    &crb_policy_attributes[crb_policy_attribute_find("ref")];
	enum crb_status status;

	for (size_t i = 0; i < refs->count; i++) {
		status = crb_policy_value_check(ref, refs->value[i], err);
		if (status != CRB_OK)
			return crb_err_context(err, "ref");
	}
	return CRB_OK;
}

/* A fetch changes no ref: such a grant would not allow what it seems to. */
static enum crb_status
static_check_scope(
    const json_t *json, const struct crb_scope *scope, struct crb_err *err)
{
	const char *narrowed = NULL;
	enum crb_status status;

	(void)json;
	for (size_t i = 0; i < scope->count; i++) {
		const struct crb_scope_attribute *at = &scope->at[i];
		const char *name = at->attribute->name;

		if (strcmp(name, "ref") == 0 &&
		    (status = check_refs(at, err)) != CRB_OK)
			return status;
		if (strcmp(name, "ref") == 0 || strcmp(name, "change") == 0)
			narrowed = name;
	}
	for (size_t i = 0; narrowed != NULL && i < scope->count; i++) {
		if (strcmp(scope->at[i].attribute->name, "git") == 0 &&
		    !is_push(&scope->at[i]))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "%s is about pushes alone: give git=push with it, "
			    "and what may be fetched in a grant of its own",
			    narrowed);
	}
	return CRB_OK;
}

/*
 * What goes into a header as it is must survive a header: no controls, and no
 * space at its ends, which a server would cut off.  Base64 and percent-encoding
 * carry anything, but line breaks and NUL are never meant.
 */
static enum crb_status
check_secret(
    const struct crb_secret *secret, bool verbatim, struct crb_err *err)
{
	const char *bytes = crb_secret_bytes(secret);
	size_t len = crb_secret_len(secret);

	if (len == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "the secret is empty");
	if (len > SECRET_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the secret is longer than %u bytes", SECRET_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\r' || c == '\n' || c == '\0')
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the secret has a line break or a NUL in it");
		if (verbatim && (c < ' ' || c > '~'))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the secret has a character that no header can "
			    "carry");
	}
	if (verbatim && (bytes[0] == ' ' || bytes[len - 1] == ' '))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the secret starts or ends with a space");
	return CRB_OK;
}

static void
encode_basic(const struct static_params *params,
    const struct crb_secret *secret, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf pair = CRB_BUF_INIT_WIPED(
	    USERNAME_MAX + 1 + SECRET_MAX);

	crb_buf_str(&pair, params->username);
	crb_buf_char(&pair, ':');
	crb_buf_add(&pair, crb_secret_bytes(secret), crb_secret_len(secret));
	crb_buf_str(out, "Basic ");
	crb_text_base64(out, crb_buf_text(&pair), pair.len);
	out->failed = out->failed || pair.failed;
}

static void
encode_bearer(const struct static_params *params,
    const struct crb_secret *secret, struct crb_buf *out)
{
	(void)params;
	crb_buf_str(out, "Bearer ");
	crb_buf_add(out, crb_secret_bytes(secret), crb_secret_len(secret));
}

static void
encode_header(const struct static_params *params,
    const struct crb_secret *secret, struct crb_buf *out)
{
	if (params->prefix != NULL)
		crb_buf_str(out, params->prefix);
	crb_buf_add(out, crb_secret_bytes(secret), crb_secret_len(secret));
}

static void
encode_query(const struct static_params *params,
    const struct crb_secret *secret, struct crb_buf *out)
{
	(void)params;
	crb_text_percent_encode(
	    out, crb_secret_bytes(secret), crb_secret_len(secret));
}

static const struct way {
	const char *auth;
	bool verbatim; /* the secret goes into the header as it is */
	bool query;
	void (*encode)(const struct static_params *, const struct crb_secret *,
	    struct crb_buf *);
} ways[] = {
	{ "basic", false, false, encode_basic },
	{ "bearer", true, false, encode_bearer },
	{ "header", true, false, encode_header },
	{ "query", false, true, encode_query },
};

static enum crb_status
name_injection(struct crb_injection *out, const struct way *way,
    const struct static_params *params, struct crb_err *err)
{
	const char *header = params->header;

	out->query = way->query;
	if (!way->query)
		return crb_header_name(
		    header != NULL ? header : "authorization", out->name,
		    sizeof(out->name), err);
	memcpy(out->name, params->parameter, strlen(params->parameter) + 1);
	return CRB_OK;
}

static enum crb_status
static_inject(const json_t *json, const struct crb_secret *secret,
    struct crb_injection *out, struct crb_err *err)
{
	AUTO_PARAMS struct static_params params = { 0 };
	CRB_AUTO_BUF struct crb_buf value = CRB_BUF_INIT_WIPED(VALUE_MAX);
	struct crb_injection injection = { 0 };
	struct crb_route route;
	const struct way *way = ways;
	enum crb_status status;

	if ((status = params_read(json, &params, &route, err)) != CRB_OK)
		return status;
	while (strcmp(way->auth, params.auth) != 0)
		way++;
	if ((status = check_secret(secret, way->verbatim, err)) != CRB_OK)
		return status;
	way->encode(&params, secret, &value);
	if ((status = crb_buf_check(&value, "the secret, encoded", err)) !=
	    CRB_OK)
		return status;
	if ((status = name_injection(&injection, way, &params, err)) !=
		CRB_OK ||
	    (status = crb_secret_take(
		 value.data, value.len, &injection.value, err)) != CRB_OK)
		return status;
	*out = injection;
	return CRB_OK;
}

const struct crb_backend_ops crb_backend_static = {
	.kind = "static",
	.summary = "a stored token or password, injected into requests",
	.form = "token",
	.mints = false,
	.params = static_table,
	.attributes = static_attributes,
	.check = static_check,
	.route = static_route,
	.check_scope = static_check_scope,
	.inject = static_inject,
};
