#include <string.h>

#include "broker/cli/import/aws.h"
#include "broker/cli/import/parsers.h"

#define AZURE "needs backend oauth2, not in this version"

/*
 * Names that tools read, the host they send it to, and how.  Neither username
 * nor header: as "Authorization: Bearer".  Sources: each service's own API
 * reference, "authentication".
 */
static const struct variable {
	const char *name;
	const char *host;
	const char *username;
	const char *header;
	const char *why_not;
	bool git;
} variables[] = {
	{ .name = "GH_TOKEN", .host = "github.com", .git = true },
	{ .name = "GITHUB_TOKEN", .host = "github.com", .git = true },
	{ .name = "GITLAB_TOKEN", .host = "gitlab.com", .git = true },
	{ .name = "GITLAB_ACCESS_TOKEN", .host = "gitlab.com", .git = true },
	{ .name = "ANTHROPIC_API_KEY",
	    .host = "api.anthropic.com",
	    .header = "x-api-key" },
	{ .name = "ANTHROPIC_AUTH_TOKEN", .host = "api.anthropic.com" },
	{ .name = "CLAUDE_CODE_OAUTH_TOKEN", .host = "api.anthropic.com" },
	{ .name = "OPENAI_API_KEY", .host = "api.openai.com" },
	{ .name = "GEMINI_API_KEY",
	    .host = "generativelanguage.googleapis.com",
	    .header = "x-goog-api-key" },
	{ .name = "GOOGLE_API_KEY",
	    .host = "generativelanguage.googleapis.com",
	    .header = "x-goog-api-key" },
	{ .name = "MISTRAL_API_KEY", .host = "api.mistral.ai" },
	{ .name = "GROQ_API_KEY", .host = "api.groq.com" },
	{ .name = "OPENROUTER_API_KEY", .host = "openrouter.ai" },
	{ .name = "DEEPSEEK_API_KEY", .host = "api.deepseek.com" },
	{ .name = "XAI_API_KEY", .host = "api.x.ai" },
	{ .name = "HF_TOKEN", .host = "huggingface.co" },
	{ .name = "NPM_TOKEN", .host = "registry.npmjs.org" },
	{ .name = "NODE_AUTH_TOKEN", .host = "registry.npmjs.org" },
	{ .name = "CARGO_REGISTRY_TOKEN",
	    .host = "crates.io",
	    .header = "authorization" },
	{ .name = "TWINE_PASSWORD",
	    .host = "upload.pypi.org",
	    .username = "__token__" },
	{ .name = "CLOUDFLARE_API_TOKEN", .host = "api.cloudflare.com" },
	{ .name = "DIGITALOCEAN_ACCESS_TOKEN", .host = "api.digitalocean.com" },
	{ .name = "HEROKU_API_KEY", .host = "api.heroku.com" },
	{ .name = "VERCEL_TOKEN", .host = "api.vercel.com" },
	{ .name = "LINEAR_API_KEY",
	    .host = "api.linear.app",
	    .header = "authorization" },
	{ .name = "SENTRY_AUTH_TOKEN", .host = "sentry.io" },
	{ .name = "SLACK_BOT_TOKEN", .host = "slack.com" },
	{ .name = "STRIPE_API_KEY", .host = "api.stripe.com" },
	{ .name = "AZURE_CLIENT_SECRET", .why_not = AZURE },
	{ .name = "GH_ENTERPRISE_TOKEN",
	    .why_not = "is for a host of your own: use credential add" },
	{ .name = "VAULT_TOKEN",
	    .why_not = "is for a host of your own: use credential add" },
};

static enum crb_status
add(const struct variable *variable, const char *value,
    struct crb_found_list *out, struct crb_err *err)
{
	const struct crb_finding finding = {
		.kind = "token",
		.host = variable->host != NULL ? CRB_SLICE(variable->host)
					       : (struct crb_slice){ "", 0 },
		.username = variable->username,
		.header = variable->header,
		.later = !variable->git,
		.secret = CRB_SLICE(value),
	};
	struct crb_found *added;
	enum crb_status status;

	status = variable->why_not != NULL
	    ? crb_found_add_other(out, &finding, variable->why_not, &added, err)
	    : crb_found_add(out, &finding, &added, err);
	if (status != CRB_OK)
		return status;
	if ((added->variable = strdup(variable->name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

static struct crb_slice
slice_of(crb_import_getenv_fn *get, const char *name)
{
	const char *value = get(name);

	return value != NULL ? CRB_SLICE(value) : (struct crb_slice){ "", 0 };
}

static enum crb_status
add_aws(
    crb_import_getenv_fn *get, struct crb_found_list *out, struct crb_err *err)
{
	static const char name[] = "AWS_SECRET_ACCESS_KEY";
	struct crb_aws_finding finding = {
		.account = CRB_SLICE("env"),
		.id = slice_of(get, "AWS_ACCESS_KEY_ID"),
		.secret = slice_of(get, name),
		.token = slice_of(get, "AWS_SESSION_TOKEN"),
		.region = slice_of(get, "AWS_REGION"),
	};
	struct crb_found *added;

	if (finding.secret.len == 0)
		return CRB_OK;
	if (finding.region.len == 0)
		finding.region = slice_of(get, "AWS_DEFAULT_REGION");
	if (crb_aws_found_add(out, &finding, &added, err) != CRB_OK)
		return err->status;
	if ((added->variable = strdup(name)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return CRB_OK;
}

enum crb_status
crb_import_environment(
    crb_import_getenv_fn *get, struct crb_found_list *out, struct crb_err *err)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
		const char *value = get(variables[i].name);

		if (value != NULL && value[0] != '\0' &&
		    add(&variables[i], value, out, err) != CRB_OK)
			return err->status;
	}
	return add_aws(get, out, err);
}
