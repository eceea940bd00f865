#include "broker/core/policies.h"

#include "broker/core/rpc.h"

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
