#include "broker/core/exchange_refuse.h"

#include <string.h>

#include "base/log.h"
#include "broker/core/exchange_record.h"

/* Refusals of a session in the log: so many at once, and one each so often. */
#define REFUSALS_MOST 100
#define REFUSAL_US 200000

static struct crb_slice
refused_refs(const struct crb_judgement *judgement)
{
	const struct crb_buf *refs = judgement->refs;

	if (refs == NULL || refs->len == 0 ||
	    judgement->verdict.effect != CRB_EFFECT_DENY)
		return CRB_SLICE("");
	return (struct crb_slice){ refs->data, refs->len };
}

static void
send_refusal(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement)
{
	const struct crb_denial *denial = &judgement->denial;
	const struct crb_msg_verdict verdict = {
		.exchange = msg->exchange,
		.status = (uint16_t)denial->http,
		.code = CRB_SLICE(denial->code),
		.title = CRB_SLICE(denial->title),
		.detail = CRB_SLICE(denial->detail),
		.rule = CRB_SLICE(denial->rule),
		.tier = CRB_SLICE(denial->tier),
		.next = CRB_SLICE(denial->next),
		.retry = (uint16_t)denial->retry,
		.operation = (uint8_t)judgement->request.operation,
		.origin = CRB_SLICE(""),
		.refs = refused_refs(judgement),
	};
	struct crb_err err;

	if (crb_link_send(
		&core->gateway, CRB_MSG_VERDICT, &verdict, -1, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "verdict not sent", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

/*
 * A sandbox that asks for what it may not have, again and again, must not
 * fill the disk: beyond a rate its refusals are counted, and the count is in
 * the next line.
 */
static bool
record_each(struct crb_core *core, struct crb_session *session)
{
	if (crb_rate_take(&session->refusals, crb_loop_now(core->loop),
		REFUSAL_US, REFUSALS_MOST))
		return true;
	session->unrecorded++;
	return false;
}

static enum crb_status
record_refusal(struct crb_core *core, const struct crb_msg_exchange *msg,
    const struct crb_judgement *judgement, struct crb_err *err)
{
	const struct crb_exchange_line what = {
		.event = "exchange.refused",
		.decision = "deny",
		.outcome = judgement->denial.code,
		.more = judgement->session != NULL
		    ? judgement->session->unrecorded
		    : 0,
	};
	enum crb_status status;

	if (judgement->session != NULL &&
	    !record_each(core, judgement->session))
		return CRB_OK;
	status = crb_exchange_record(core, msg, judgement, &what, err);
	if (status == CRB_OK && judgement->session != NULL)
		judgement->session->unrecorded = 0;
	return status;
}

void
crb_exchange_refuse(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement)
{
	struct crb_err err;

	if (judgement->session != NULL) {
		judgement->session->requests++;
		judgement->session->refused++;
	}
	if (crb_core_unlocked(core) &&
	    record_refusal(core, msg, judgement, &err) != CRB_OK)
		crb_denial_error(&judgement->denial, &err);
	send_refusal(core, msg, judgement);
}

void
crb_exchange_refuse_for(struct crb_core *core,
    const struct crb_msg_exchange *msg, struct crb_judgement *judgement,
    const struct crb_err *why)
{
	crb_denial_error(&judgement->denial, why);
	/* What was to be approved, and was not, is refused by who asks. */
	if (judgement->verdict.effect == CRB_EFFECT_ASK)
		crb_denial_rule(&judgement->denial, &judgement->verdict);
	crb_exchange_refuse(core, msg, judgement);
}
