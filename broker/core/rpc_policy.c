#include "broker/core/policies.h"

#include <string.h>

#include "broker/core/rpc.h"
#include "policy/signature.h"

void
crb_rpc_policy_show(struct crb_call *call)
{
	crb_call_reply(call, crb_policies_shown(call->core->policies));
}

static void
reloaded(void *ctx, const struct crb_err *why)
{
	struct crb_call *call = ctx;

	if (why != NULL)
		crb_call_fail(call, why);
	else
		crb_call_reply(call, crb_policies_shown(call->core->policies));
}

/* Each change is recorded by itself, before it is in force. */
void
crb_rpc_policy_reload(struct crb_call *call)
{
	struct crb_ending *ending;
	struct crb_err err;

	if (crb_core_need_record(call->core, &err) != CRB_OK ||
	    crb_ending_new(reloaded, call, &ending, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	crb_policies_read_for(call->core->policies, call->who, ending);
	crb_ending_ready(ending);
}

/* By its line and its id the key that was asked for is told. */
static bool
is_sealed(const struct crb_call *call, char id[CRB_KEY_ID_TEXT])
{
	const char *line = crb_policies_sealed(call->core->policies);
	struct crb_public_key key, sealed;
	const char *text;
	struct crb_err err;

	if (crb_call_need_text(call, "key", &text, &err) != CRB_OK ||
	    crb_public_key_parse(text, strlen(text), &key, &err) != CRB_OK ||
	    crb_public_key_parse(line, strlen(line), &sealed, &err) != CRB_OK)
		return false;
	crb_key_id_text(key.id, id);
	return crb_public_key_same(&key, &sealed);
}

/* A policy that it has not signed is no reason to say that it failed. */
static void
trusted(void *ctx, const struct crb_err *why)
{
	struct crb_call *call = ctx;
	char id[CRB_KEY_ID_TEXT];
	struct crb_err err;
	json_t *shown;

	if (!is_sealed(call, id)) {
		(void)crb_err_set(
		    &err, CRB_ERR_UNRECORDED, "the key could not be sealed");
		crb_call_fail(call, why != NULL ? why : &err);
		return;
	}
	if ((shown = crb_policies_shown(call->core->policies)) != NULL)
		(void)json_object_set_new(shown, "trusted", json_string(id));
	crb_call_reply(call, shown);
}

void
crb_rpc_policy_trust(struct crb_call *call)
{
	const char *key, *replaces = NULL;
	struct crb_ending *ending = NULL;
	struct crb_err err;

	if (crb_call_need_text(call, "key", &key, &err) != CRB_OK ||
	    crb_call_text(call, "replaces", &replaces, &err) != CRB_OK ||
	    crb_core_need_record(call->core, &err) != CRB_OK ||
	    crb_ending_new(trusted, call, &ending, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	if (crb_policies_trust(call->core->policies, key, replaces, call->who,
		ending, &err) != CRB_OK) {
		crb_ending_then(ending, NULL, NULL);
		crb_call_fail(call, &err);
	}
	crb_ending_ready(ending);
}
