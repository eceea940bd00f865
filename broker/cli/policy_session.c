#include "broker/cli/policy_session.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "broker/cli/client.h"
#include "broker/cli/output.h"
#include "broker/cli/policy_grant.h"

void
crb_policy_session_clear(struct crb_policy_session *session)
{
	for (size_t i = 0; i < CRB_POLICY_GRANTS_MAX; i++)
		crb_scope_clear(&session->scope[i]);
	json_decref(session->shown);
	*session = (struct crb_policy_session){ 0 };
}

static enum crb_status
add_grant(struct crb_policy_session *session, const json_t *grant,
    const json_t *credentials, struct crb_err *err)
{
	const char *name = crb_member(grant, "credential");
	const char *scope = crb_member(grant, "scope");
	const struct crb_backend_ops *backend;
	const json_t *shown;
	size_t at = session->tier.count;

	/* Of a credential that is no more nothing can be asked. */
	if (name == NULL || at == CRB_POLICY_GRANTS_MAX ||
	    (backend = crb_policy_backend(credentials, name, &shown)) == NULL)
		return CRB_OK;
	if (crb_scope_parse(scope != NULL ? scope : "", backend->attributes,
		&session->scope[at], err) != CRB_OK)
		return crb_err_context(err, "the session's grant of %s", name);
	(void)snprintf(session->id[at], sizeof(session->id[at]), "grant %lld",
	    crb_member_number(grant, "number"));
	session->rule[at] = (struct crb_rule){ .id = session->id[at],
		.effect = CRB_EFFECT_ALLOW,
		.credential = name,
		.scope = &session->scope[at] };
	session->tier.count++;
	return CRB_OK;
}

enum crb_status
crb_policy_session_read(struct crb_cli *cli, const char *id,
    const json_t *credentials, struct crb_policy_session *out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const json_t *grant;
	size_t i;

	if (crb_cli_call(cli, "session.show", json_pack("{s:s}", "session", id),
		&result, err) != CRB_OK)
		return err->status;
	out->shown = json_incref(json_object_get(result, "session"));
	out->tier = (struct crb_tier){ .name = "session", .rule = out->rule };
	json_array_foreach(json_object_get(out->shown, "grants"), i, grant)
	{
		if (add_grant(out, grant, credentials, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}
