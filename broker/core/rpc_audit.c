#include "broker/core/rpc.h"

#define SHOWN_USUALLY 100
#define SHOWN_MOST 10000

static enum crb_status
read_filter(const struct crb_call *call, struct crb_audit_filter *filter,
    struct crb_err *err)
{
	int64_t after = 0, most = SHOWN_USUALLY;
	enum crb_status status;

	*filter = (struct crb_audit_filter){ 0 };
	if ((status = crb_call_text(call, "session", &filter->session, err)) ||
	    (status = crb_call_text(call, "task", &filter->task, err)) ||
	    (status = crb_call_text(
		 call, "credential", &filter->credential, err)) ||
	    (status = crb_call_text(call, "event", &filter->event, err)) ||
	    (status = crb_call_text(
		 call, "decision", &filter->decision, err)) ||
	    (status = crb_call_number(
		 call, "since", 0, INT64_MAX, &filter->since, err)) ||
	    (status = crb_call_number(
		 call, "after", 0, INT64_MAX, &after, err)) ||
	    (status = crb_call_number(
		 call, "most", 1, SHOWN_MOST, &most, err)) ||
	    (status = crb_call_flag(call, "newest", &filter->newest, err)))
		return status;
	filter->after = (uint64_t)after;
	filter->most = (unsigned)most;
	return CRB_OK;
}

void
crb_rpc_audit_show(struct crb_call *call)
{
	struct crb_audit_filter filter;
	json_t *events = NULL;
	struct crb_err err;

	if (read_filter(call, &filter, &err) != CRB_OK ||
	    crb_audit_read(call->core->audit, &filter, &events, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call, json_pack("{s:o}", "events", events));
}

void
crb_rpc_audit_verify(struct crb_call *call)
{
	struct crb_audit_verdict verdict;
	struct crb_err err;

	if (crb_audit_verify(call->core->state_folder,
		crb_audit_public(call->core->audit), &verdict, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call,
		    json_pack("{s:I, s:I, s:I}", "lines",
			(json_int_t)verdict.lines, "checkpoints",
			(json_int_t)verdict.checkpoints, "unsigned",
			(json_int_t)verdict.unsigned_lines));
}
