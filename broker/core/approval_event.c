#include <stdio.h>

#include <sodium.h>

#include "broker/core/approval_impl.h"

void
crb_approval_event(const struct crb_approval *approval, const char *name,
    struct crb_audit_event *out)
{
	*out = (struct crb_audit_event){
		.event = name,
		.who = "broker",
		.task = crb_approval_text(approval, "task"),
		.session = approval->session,
		.credential = crb_approval_text(approval, "credential"),
		.request = crb_approval_text(approval, "summary"),
		.rule = crb_approval_text(approval, "rule"),
		.tier = crb_approval_text(approval, "tier"),
	};
}

void
crb_approval_bound(
    const struct crb_approval *approval, char out[CRB_APPROVAL_BOUND_TEXT])
{
	char hex[2 * CRB_APPROVAL_DIGEST + 1];

	(void)sodium_bin2hex(
	    hex, sizeof(hex), approval->digest, sizeof(approval->digest));
	(void)snprintf(out, CRB_APPROVAL_BOUND_TEXT,
	    "approval %s of a %s, bound to %s", approval->id,
	    crb_approval_text(approval, "kind"), hex);
}

enum crb_status
crb_approval_record(const struct crb_approval *approval, const char *name,
    const char *outcome, struct crb_err *err)
{
	struct crb_core *core = approval->approvals->core;
	struct crb_audit_event event;
	char detail[CRB_APPROVAL_BOUND_TEXT];

	if (core->audit == NULL)
		return crb_core_need_unlocked(core, err);
	crb_approval_event(approval, name, &event);
	crb_approval_bound(approval, detail);
	event.detail = detail;
	event.outcome = outcome;
	return crb_audit_record(core->audit, &event, err);
}

void
crb_approval_pending(const struct crb_approval *approval, struct crb_err *out)
{
	(void)crb_err_set(out, CRB_ERR_PENDING,
	    "%.160s has to be approved, as rule %.64s says, and nobody has "
	    "yet. Once somebody has (on the host: credbroker approve %s), "
	    "send the same request again",
	    crb_approval_text(approval, "summary"),
	    crb_approval_text(approval, "rule"), approval->id);
}

void
crb_approval_declined(const struct crb_approval *approval, struct crb_err *out)
{
	(void)crb_err_set(out, CRB_ERR_DECLINED,
	    "%.160s was denied (approval %s)%s%s",
	    crb_approval_text(approval, "summary"), approval->id,
	    approval->reason[0] != '\0' ? ": " : "", approval->reason);
}
