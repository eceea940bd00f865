#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "broker/core/lease_mint_impl.h"
#include "broker/core/tiers.h"

#define SUMMARY_MAX 1024

/* What is asked of the upstream, and how it is bound. */
struct order {
	struct crb_approval_asked asked;
	struct crb_buf summary;
};

static void
order_clear(struct order *order)
{
	json_decref(order->asked.details);
	crb_buf_clear(&order->summary);
}
#define AUTO_ORDER __attribute__((cleanup(order_clear)))

/* "keys of aws for 15m: actions=s3:GetObject,resources=..." */
static void
add_summary(const struct crb_session *session, const char *credential,
    int64_t seconds, struct crb_buf *out)
{
	char lasts[CRB_DURATION_TEXT];
	bool any = false;

	crb_duration_text(seconds, lasts);
	crb_buf_printf(out, "keys of %s for %s", credential, lasts);
	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];
		const char *scope = at->grant->scope_text;

		if (at->pending ||
		    strcmp(at->grant->credential, credential) != 0 ||
		    out->len + strlen(scope) + 4 > SUMMARY_MAX)
			continue;
		crb_buf_printf(out, "%s%s", any ? "; " : ": ", scope);
		any = true;
	}
}

static enum crb_status
describe(struct crb_session *session, const char *credential, json_t *json,
    const struct crb_verdict *verdict, struct order *out, struct crb_err *err)
{
	int64_t seconds = json_integer_value(json_object_get(json, "duration"));

	*out = (struct order){ .summary = CRB_BUF_INIT(SUMMARY_MAX) };
	add_summary(session, credential, seconds, &out->summary);
	out->asked = (struct crb_approval_asked){
		.session = session,
		.kind = "mint",
		.credential = credential,
		.summary = crb_buf_text(&out->summary),
		.details = json_pack("{s:O}", "order", json),
		.seconds = seconds,
		.verdict = verdict,
	};
	if (out->asked.details == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	return crb_approval_bind(&out->asked, err);
}

/* Approved, it is decided about once more when its turn comes. */
static void
answered(void *ctx, const struct crb_err *why)
{
	struct crb_mint *mint = ctx;
	struct crb_err err;

	if (why == NULL && crb_mint_queue(mint, &err) == CRB_OK)
		return;
	mint->refused = why != NULL;
	mint->passes = why == NULL;
	crb_mint_fail(mint, why != NULL ? why : &err);
}

enum crb_status
crb_mint_ask(struct crb_mint *mint, json_t *order,
    const struct crb_verdict *verdict, struct crb_err *err)
{
	AUTO_ORDER struct order described = { 0 };
	struct crb_session *session = mint->lease->session;
	enum crb_status status;

	status = describe(
	    session, mint->credential, order, verdict, &described, err);
	if (status != CRB_OK)
		return status;
	if (crb_approval_take(&described.asked, mint->approval))
		return CRB_OK;
	status = crb_approval_hold(&described.asked, answered, mint, err);
	if (status == CRB_OK)
		crb_mint_hold(mint);
	else
		mint->refused = status == CRB_ERR_DECLINED;
	return status;
}

/* What a mint of it would be asked about: *asks, unless this fails. */
static enum crb_status
look(const struct crb_session *session, const char *credential, json_t **order,
    struct crb_verdict *verdict, struct crb_err *err)
{
	enum crb_status status;

	status = crb_lease_order(session, credential, false, order, err);
	if (status == CRB_OK)
		crb_tiers_mint(session, credential,
		    json_integer_value(json_object_get(*order, "duration")),
		    verdict);
	return status;
}

bool
crb_lease_asks(const struct crb_session *session, const char *credential)
{
	CRB_AUTO_JSON json_t *order = NULL;
	struct crb_verdict verdict;
	struct crb_err err;

	return crb_lease_handed_out(session, credential) &&
	    look(session, credential, &order, &verdict, &err) == CRB_OK &&
	    verdict.effect == CRB_EFFECT_ASK;
}

bool
crb_mint_unapproved(struct crb_session *session, const char *credential)
{
	AUTO_ORDER struct order described = { 0 };
	CRB_AUTO_JSON json_t *order = NULL;
	struct crb_verdict verdict;
	struct crb_err err;

	if (!crb_lease_handed_out(session, credential) ||
	    look(session, credential, &order, &verdict, &err) != CRB_OK ||
	    verdict.effect != CRB_EFFECT_ASK)
		return false;
	return describe(session, credential, order, &verdict, &described,
		   &err) != CRB_OK ||
	    !crb_approval_given(&described.asked);
}
