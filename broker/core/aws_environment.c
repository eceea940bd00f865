#include "broker/core/aws_environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/token.h"
#include "broker/core/credential.h"
#include "broker/core/environment.h"
#include "broker/core/lease.h"

#define GRANT_MAX 16384
#define CONFIG_MAX 65536
#define VALUE_MAX 1024
/* What the SDKs want to see before they sign; the broker signs again. */
#define NO_KEY_ID "credbroker0injected"
#define NO_SECRET "not-a-secret"
/* Of a provider that is not AWS, which names no region. */
#define OTHER_REGION "us-east-1"
#define CONFIG_FILE CRB_ENDPOINT_FOLDER "/aws-config"
#define NO_PROXIES "127.0.0.1,localhost,::1,[::1],169.254.169.254,169.254.170.2"

enum crb_status
crb_aws_wish(struct crb_session *session, const struct crb_aws_wish *wish,
    struct crb_err *err)
{
	session->aws = wish->offline ? CRB_AWS_INJECT : CRB_AWS_NONE;
	if (wish->mode == NULL)
		return CRB_OK;
	return crb_aws_mode_parse(wish->mode, &session->aws, err);
}

/* Values hold no comma as it is, so this is the attribute and nothing else. */
static bool
says_delivery(const char *scope)
{
	static const char name[] = "delivery=";

	for (; scope != NULL; scope = strchr(scope, ',')) {
		scope += *scope == ',';
		if (strncmp(scope, name, sizeof(name) - 1) == 0)
			return true;
	}
	return false;
}

static enum crb_status
resolve(struct crb_session *session, const char *text, struct crb_grant **out,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf more = CRB_BUF_INIT(GRANT_MAX);
	CRB_AUTO_FREE char *name = NULL, *scope = NULL;
	struct crb_core *core = session->core;
	const struct crb_credential *credential;
	enum crb_status status;

	if ((status = crb_grant_split(text, &name, &scope, err)) != CRB_OK)
		return status;
	credential = crb_map_text(&core->credentials, name);
	if (session->aws == CRB_AWS_INJECT && credential != NULL &&
	    strcmp(credential->backend->form, CRB_AWS_FORM) == 0 &&
	    !says_delivery(scope)) {
		crb_buf_printf(&more, "%s:%s%sdelivery=inject", name, scope,
		    *scope != '\0' ? "," : "");
		if ((status = crb_buf_check(&more, "a grant", err)) != CRB_OK)
			return status;
		text = crb_buf_text(&more);
	}
	return crb_grant_resolve(
	    &core->grants, &core->credentials, text, out, err);
}

enum crb_status
crb_aws_add_grant(
    struct crb_session *session, const char *text, struct crb_err *err)
{
	struct crb_grant *grant;
	enum crb_status status;

	if ((status = resolve(session, text, &grant, err)) != CRB_OK)
		return status;
	status = crb_session_add_grant(
	    session, session->last_grant + 1, grant, err);
	if (status != CRB_OK)
		crb_grant_release(grant);
	return status;
}

/* Credentials of AWS besides the session's first; `fn` for each. */
static void
for_others(const struct crb_session *session,
    void (*fn)(void *ctx, const struct crb_grant *grant), void *ctx)
{
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;

		if (strcmp(grant->backend->form, CRB_AWS_FORM) == 0 &&
		    strcmp(grant->credential, session->aws_credential) != 0 &&
		    crb_lease_first_grant(session, i))
			fn(ctx, grant);
	}
}

static void
note_other(void *ctx, const struct crb_grant *grant)
{
	(void)json_array_append_new(ctx,
	    json_sprintf("%s is a profile of AWS's tools there: --profile %s",
		grant->credential, grant->credential));
}

static void
add_notes(const struct crb_session *session, const struct crb_aws_wish *wish,
    json_t *notes)
{
	const char *name = session->aws_credential;

	if (wish->offline && session->aws != CRB_AWS_INJECT)
		(void)json_array_append_new(notes,
		    json_sprintf(
			"%s: keys are handed out, but the sandbox has no "
			"network to use them on: --network host gives it one, "
			"and with --aws inject the broker sends the requests",
			name));
	else if (wish->offline && wish->mode == NULL)
		(void)json_array_append_new(notes,
		    json_sprintf(
			"%s: the broker signs and sends the requests (--aws "
			"inject), since the sandbox has no network; with "
			"--network host keys are handed out",
			name));
	for_others(session, note_other, notes);
}

static enum crb_status
missing(const struct crb_aws_wish *wish, bool any, struct crb_err *err)
{
	if (!any)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws %s: the session has no grant of AWS keys", wish->mode);
	if (strcmp(wish->mode, "inject") == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "aws inject hands no keys out, and each grant of AWS keys "
		    "says delivery=mint: leave out one of the two");
	return crb_err_set(err, CRB_ERR_INVALID,
	    "aws %s hands keys out, and each grant of AWS keys says "
	    "delivery=inject: leave out one of the two",
	    wish->mode);
}

enum crb_status
crb_aws_settle(struct crb_session *session, const struct crb_aws_wish *wish,
    json_t *notes, struct crb_err *err)
{
	const struct crb_grant *minted = crb_aws_grant(session, true);
	const struct crb_grant *injected = crb_aws_grant(session, false);
	const struct crb_grant *grant;

	if (wish->mode == NULL)
		session->aws = injected != NULL &&
			(wish->offline || minted == NULL)
		    ? CRB_AWS_INJECT
		    : minted != NULL ? CRB_AWS_CONTAINER
				     : CRB_AWS_NONE;
	if (session->aws == CRB_AWS_NONE)
		return CRB_OK;
	grant = session->aws == CRB_AWS_INJECT ? injected : minted;
	if (grant == NULL)
		return missing(wish, minted != NULL || injected != NULL, err);
	if ((session->aws_credential = strdup(grant->credential)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	add_notes(session, wish, notes);
	return CRB_OK;
}

/* A parameter of the credential; "" without one. */
static const char *
param(const struct crb_session *session, const char *name, const char *key)
{
	const struct crb_credential *credential = crb_map_text(
	    &session->core->credentials, name);
	const char *value = credential != NULL
	    ? json_string_value(json_object_get(credential->params, key))
	    : NULL;

	return value != NULL ? value : "";
}

static const char *
region_of(const struct crb_session *session, const char *name)
{
	const char *region = param(session, name, "region");

	if (*region == '\0' && *param(session, name, "endpoint-url") != '\0')
		return OTHER_REGION;
	return region;
}

/* What goes into a file in which a line is a setting. */
struct config {
	const struct crb_session *session;
	const char *endpoint;
	struct crb_buf text;
	bool broken; /* a value would be more than its line */
};

static void
add_line(struct config *config, const char *key, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
		config->broken |= (unsigned char)*c < ' ' || *c == 0x7f;
	if (*value != '\0')
		crb_buf_printf(&config->text, "%s = %s\n", key, value);
}

static void
url_of(const struct config *config, const char *name, char url[VALUE_MAX])
{
	(void)snprintf(url, VALUE_MAX, "%s/http/%s", config->endpoint, name);
}

static void
add_injected(struct config *config, const char *name)
{
	char url[VALUE_MAX];

	url_of(config, name, url);
	add_line(config, "endpoint_url", url);
	add_line(config, "aws_access_key_id", NO_KEY_ID);
	add_line(config, "aws_secret_access_key", NO_SECRET);
	add_line(config, "request_checksum_calculation", "when_required");
	crb_buf_str(&config->text, "s3 =\n    addressing_style = path\n");
}

/* How keys of one credential are had; `process` for the first, in its mode. */
static void
add_settings(struct config *config, const char *name, bool minted, bool process)
{
	add_line(config, "region", region_of(config->session, name));
	if (!minted) {
		add_injected(config, name);
		return;
	}
	if (process)
		crb_buf_printf(&config->text,
		    "credential_process = sh -c 'PATH=$PATH:" CRB_ENDPOINT_PROGRAMS
		    " exec credbroker-aws %s'\n",
		    name);
	add_line(config, "endpoint_url",
	    param(config->session, name, "endpoint-url"));
}

static void
add_profile(void *ctx, const struct crb_grant *grant)
{
	struct config *config = ctx;

	crb_buf_printf(&config->text, "\n[profile %s]\n", grant->credential);
	add_settings(config, grant->credential, crb_grant_mints(grant), true);
}

static void
count_one(void *ctx, const struct crb_grant *grant)
{
	(void)grant;
	++*(size_t *)ctx;
}

static enum crb_status
make_config(struct config *config, char **out, struct crb_err *err)
{
	const struct crb_session *session = config->session;

	crb_buf_str(&config->text, "[default]\n");
	add_settings(config, session->aws_credential,
	    session->aws != CRB_AWS_INJECT, session->aws == CRB_AWS_PROCESS);
	for_others(session, add_profile, config);
	if (config->broken)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "credential %s: a parameter holds a control character",
		    session->aws_credential);
	if ((*out = crb_buf_steal(&config->text)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "aws-config: too long");
	return CRB_OK;
}

struct variable {
	const char *name, *value;
};

static enum crb_status
set_all(json_t *environment, const struct variable *variables, size_t count,
    struct crb_err *err)
{
	for (size_t i = 0; i < count; i++)
		if (*variables[i].value != '\0' &&
		    json_object_set_new(environment, variables[i].name,
			json_string(variables[i].value)) != 0)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}
#define SET_ALL(environment, variables, err) \
	set_all(environment, variables,      \
	    sizeof(variables) / sizeof((variables)[0]), err)

/* The one mechanism of this mode. */
static enum crb_status
set_mode(const struct crb_session *session, const struct config *config,
    json_t *environment, struct crb_err *err)
{
	bool imds = session->aws == CRB_AWS_IMDS;
	char uri[VALUE_MAX] = "", service[VALUE_MAX] = "";

	if (session->aws == CRB_AWS_CONTAINER)
		(void)snprintf(uri, sizeof(uri), "%s/v1/aws/%s",
		    config->endpoint, session->aws_credential);
	/* Debian 12's aws puts the path behind it as it is. */
	if (imds)
		(void)snprintf(
		    service, sizeof(service), "%s/", config->endpoint);
	const struct variable variables[] = {
		{ "AWS_CONTAINER_CREDENTIALS_FULL_URI", uri },
		{ "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		    *uri != '\0' ? CRB_ENDPOINT_FOLDER "/token" : "" },
		/* Debian 12's clients know no file. */
		{ "AWS_CONTAINER_AUTHORIZATION_TOKEN",
		    *uri != '\0' ? CRB_TOKEN_NONE : "" },
		{ "AWS_EC2_METADATA_SERVICE_ENDPOINT", service },
		{ "AWS_EC2_METADATA_V1_DISABLED", imds ? "true" : "" },
		{ "AWS_EC2_METADATA_DISABLED", imds ? "" : "true" },
	};
	return SET_ALL(environment, variables, err);
}

/*
 * With one credential these are enough.  They win over a profile, so with
 * more of them the file says it all.
 */
static enum crb_status
set_only(const struct crb_session *session, const struct config *config,
    json_t *environment, struct crb_err *err)
{
	bool inject = session->aws == CRB_AWS_INJECT;
	char url[VALUE_MAX];

	if (inject)
		url_of(config, session->aws_credential, url);
	else
		(void)snprintf(url, sizeof(url), "%s",
		    param(session, session->aws_credential, "endpoint-url"));
	const struct variable variables[] = {
		{ "AWS_ENDPOINT_URL", url },
		{ "AWS_ACCESS_KEY_ID", inject ? NO_KEY_ID : "" },
		{ "AWS_SECRET_ACCESS_KEY", inject ? NO_SECRET : "" },
		{ "AWS_REQUEST_CHECKSUM_CALCULATION",
		    inject ? "when_required" : "" },
	};
	return SET_ALL(environment, variables, err);
}

static enum crb_status
set_common(const struct crb_session *session, bool file, json_t *environment,
    struct crb_err *err)
{
	const char *region = region_of(session, session->aws_credential);
	const struct variable variables[] = {
		{ "AWS_REGION", region },
		{ "AWS_DEFAULT_REGION", region },
		{ "AWS_CONFIG_FILE", file ? CONFIG_FILE : "/dev/null" },
		{ "AWS_SHARED_CREDENTIALS_FILE", "/dev/null" },
		{ "NO_PROXY", NO_PROXIES },
		{ "no_proxy", NO_PROXIES },
	};

	return SET_ALL(environment, variables, err);
}

enum crb_status
crb_aws_environment(const struct crb_session *session, const char *endpoint,
    json_t *environment, char **config, struct crb_err *err)
{
	struct config file = { .session = session,
		.endpoint = endpoint,
		.text = CRB_BUF_INIT(CONFIG_MAX) };
	enum crb_status status = CRB_OK;
	size_t others = 0;
	bool wanted;

	if (session->aws == CRB_AWS_NONE)
		return CRB_OK;
	for_others(session, count_one, &others);
	wanted = others > 0 || session->aws == CRB_AWS_PROCESS ||
	    session->aws == CRB_AWS_INJECT;
	if ((status = set_common(session, wanted, environment, err)) ||
	    (status = set_mode(session, &file, environment, err)))
		return status;
	if (others == 0)
		status = set_only(session, &file, environment, err);
	if (status == CRB_OK && wanted)
		status = make_config(&file, config, err);
	crb_buf_clear(&file.text);
	return status;
}

/* "arn:aws:iam::123456789012:role/agent" */
static void
read_account(const char *arn, char out[17])
{
	size_t len;

	for (int i = 0; i < 4 && arn != NULL; i++)
		if ((arn = strchr(arn, ':')) != NULL)
			arn++;
	out[0] = '\0';
	if (arn == NULL)
		return;
	len = strspn(arn, "0123456789");
	if (len > 0 && len <= 16 && arn[len] == ':') {
		memcpy(out, arn, len);
		out[len] = '\0';
	}
}

bool
crb_aws_imds(const struct crb_session *session, struct crb_aws_imds *out)
{
	if (session->aws != CRB_AWS_IMDS)
		return false;
	out->credential = session->aws_credential;
	out->region = region_of(session, session->aws_credential);
	read_account(
	    param(session, session->aws_credential, "role-arn"), out->account);
	return true;
}
