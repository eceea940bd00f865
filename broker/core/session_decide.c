#include "broker/core/session_decide.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/tiers.h"

#define WORDS_MAX 1024

/* Where it cannot be recorded the answer is no as well. */
static void
record(const struct crb_call *call, const struct crb_session *session,
    const struct crb_grant *grant, const struct crb_verdict *verdict,
    const struct crb_err *why)
{
	CRB_AUTO_BUF struct crb_buf asked = CRB_BUF_INIT(CRB_AUDIT_ASKED_MAX);
	struct crb_audit_event event = {
		.event = call->method->name,
		.who = call->who,
		.task = session->task,
		.session = session->state == CRB_SESSION_LIVE ? session->id
							      : NULL,
		.credential = grant->credential,
		.scope = grant->scope_text,
		.decision = "deny",
		.outcome = crb_status_info(why->status)->code,
		.tier = verdict->tier,
		.rule = verdict->rule,
		.detail = why->msg,
	};
	struct crb_err err;

	crb_tiers_grant_text(session, grant, &asked);
	event.asked = asked.len > 0 ? crb_buf_text(&asked) : NULL;
	if (crb_audit_record(call->core->audit, &event, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "refusal not recorded", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

static void
note(const struct crb_grant *grant, const struct crb_verdict *verdict,
    json_t *notes)
{
	CRB_AUTO_BUF struct crb_buf words = CRB_BUF_INIT(WORDS_MAX);

	if (notes == NULL || verdict->effect != CRB_EFFECT_ASK)
		return;
	crb_tiers_words(verdict, &words);
	(void)json_array_append_new(notes,
	    json_sprintf("credential %s: each %s has %s", grant->credential,
		crb_grant_mints(grant) ? "mint" : "request",
		crb_buf_text(&words)));
}

enum crb_status
crb_session_decide(const struct crb_call *call,
    const struct crb_session *session, size_t first, json_t *notes,
    char next[CRB_DECIDE_NEXT], struct crb_err *err)
{
	for (size_t i = first; i < session->grant_count; i++) {
		const struct crb_grant *grant = session->grants[i].grant;
		CRB_AUTO_BUF struct crb_buf see = CRB_BUF_INIT(CRB_DECIDE_NEXT);
		struct crb_verdict verdict;

		if (crb_tiers_grant(session, grant, &verdict, err) == CRB_OK) {
			note(grant, &verdict, notes);
			continue;
		}
		record(call, session, grant, &verdict, err);
		crb_tiers_see(session, &verdict, NULL, grant, &see);
		(void)snprintf(next, CRB_DECIDE_NEXT, "%s", crb_buf_text(&see));
		return err->status;
	}
	return CRB_OK;
}
