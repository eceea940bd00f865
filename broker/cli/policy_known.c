#include "broker/cli/policy_known.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_grant.h"
#include "broker/cli/policy_question.h"
#include "policy/could.h"

struct linting {
	const struct crb_policy_known *known;
	const struct crb_policy *policy;
	void (*each)(void *ctx, const struct crb_lint *finding);
	void *ctx;
};

void
crb_policy_known_clear(struct crb_policy_known *known)
{
	json_decref(known->credentials);
	json_decref(known->profiles);
	*known = (struct crb_policy_known){ 0 };
}

bool
crb_policy_known_read(struct crb_cli *cli, struct crb_policy_known *known)
{
	CRB_AUTO_JSON json_t *result = NULL;
	struct crb_err ignored;

	known->credentials = crb_policy_credentials(cli, NULL);
	if (known->credentials == NULL ||
	    crb_cli_call(cli, "profile.list", NULL, &result, &ignored) !=
		CRB_OK)
		return false;
	known->profiles = json_incref(json_object_get(result, "profiles"));
	return known->profiles != NULL;
}

static void
look_for(void *ctx, unsigned line, const char *rule, const char *credential)
{
	const struct linting *lint = ctx;
	struct crb_lint finding = { .line = line, .rule = rule };
	const json_t *shown;
	const char *name;
	size_t i;

	json_array_foreach(lint->known->credentials, i, shown)
	{
		name = crb_member(shown, "name");
		if (name != NULL && strcmp(name, credential) == 0)
			return;
	}
	(void)snprintf(finding.text, sizeof(finding.text),
	    "rule %s names credential %s, which the broker does not have", rule,
	    credential);
	lint->each(lint->ctx, &finding);
}

/* The question that issue would ask, of anybody; true where it cannot be put.
 */
static bool
could_be(const struct linting *lint, const struct crb_backend_ops *backend,
    const json_t *shown, const char *scope, bool mint)
{
	CRB_AUTO_CASES struct crb_cases *cases = NULL;
	CRB_AUTO_JSON json_t *members = json_pack("{s:s, s:s, s:s}",
	    "credential", crb_member(shown, "name"), "task", "any", "ask",
	    mint ? "mint" : "inject");
	struct crb_question question;
	struct crb_err ignored;

	if (crb_policy_grant_members(
		backend, shown, mint, scope, members, &ignored) != CRB_OK ||
	    crb_question_read(members, NULL, &cases, &question, &ignored) !=
		CRB_OK)
		return true;
	return crb_policy_could_allow(lint->policy, &question);
}

/* Handed out or injected: which, `run` may choose. */
static void
try_grant(const struct linting *lint, const char *profile, const char *grant)
{
	CRB_AUTO_FREE char *name = NULL;
	CRB_AUTO_FREE char *scope = NULL;
	struct crb_lint finding = { .line = 1 };
	const struct crb_backend_ops *backend;
	struct crb_err ignored;
	const json_t *shown;

	if (crb_grant_split(grant, &name, &scope, &ignored) != CRB_OK ||
	    (backend = crb_policy_backend(
		 lint->known->credentials, name, &shown)) == NULL ||
	    could_be(lint, backend, shown, scope, false) ||
	    (backend->mints && could_be(lint, backend, shown, scope, true)))
		return;
	(void)snprintf(finding.text, sizeof(finding.text),
	    "grant %.160s of profile %s can never be allowed", grant, profile);
	lint->each(lint->ctx, &finding);
}

void
crb_policy_known_lint(const struct crb_policy_known *known,
    const struct crb_policy *policy,
    void (*each)(void *ctx, const struct crb_lint *finding), void *ctx)
{
	struct linting lint = { known, policy, each, ctx };
	const json_t *profile, *grant;
	size_t i, k;

	crb_policy_credentials_named(policy, look_for, &lint);
	json_array_foreach(known->profiles, i, profile)
	{
		json_array_foreach(json_object_get(profile, "grants"), k, grant)
		{
			if (json_is_string(grant) &&
			    crb_member(profile, "name") != NULL)
				try_grant(&lint, crb_member(profile, "name"),
				    json_string_value(grant));
		}
	}
}
