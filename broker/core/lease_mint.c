#include "broker/core/lease_mint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/core/keep.h"
#include "broker/core/lease_mint_impl.h"
#include "broker/core/limits.h"
#include "broker/core/tiers.h"

/* The egress bounds one itself, at 30 s. */
#define MINT_MS 40000
/* Under way at once: in all, of one session, of one credential; and waiting. */
#define RUNNING_MOST 6
#define SESSION_MOST 3
#define CREDENTIAL_MOST 3
#define WAITING_MOST 1024
/* For its turn, since those before it wait for an upstream. */
#define TURN_MS 30000
#define SCOPES_MAX 8192

/* It has had its turn. */
static bool
runs(const struct crb_mint *mint)
{
	return mint->step != MINT_WAITING && mint->step != MINT_HELD;
}

static void
leave(struct crb_mint *mint)
{
	struct crb_mints *mints = &mint->core->mints;

	crb_timer_clear(mint->core->loop, &mint->turn);
	TAILQ_REMOVE(&mints->list, mint, link);
	mints->count--;
	if (runs(mint))
		mints->running--;
	if (mint->lease != NULL)
		mint->lease->mint = NULL;
	if (mint->record != NULL)
		mint->record->mint = NULL;
}

static void
start_soon(struct crb_core *core)
{
	struct crb_err err;

	if (crb_timer_set(core->loop, &core->mints.timer, 0, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

void
crb_mint_finish(struct crb_mint *mint)
{
	struct crb_lease *lease = mint->lease;
	struct crb_core *core = mint->core;

	leave(mint);
	if (core->mints.count > 0 && !core->stopping)
		start_soon(core);
	if (lease != NULL && mint->why.status == CRB_OK)
		crb_lease_minted(lease, CRB_STEAL(mint->keys), mint->expires);
	else if (lease != NULL && mint->refused)
		crb_lease_refused(lease, &mint->why);
	else if (lease != NULL)
		crb_lease_failed(lease, &mint->why, mint->passes);
	crb_secret_free(mint->keys);
	free(mint);
}

void
crb_mint_fail(struct crb_mint *mint, const struct crb_err *why)
{
	mint->why = *why;
	crb_mint_finish(mint);
}

void
crb_mint_orphan(struct crb_mint *mint)
{
	mint->lease->mint = NULL;
	mint->lease = NULL;
	if (mint->step != MINT_HELD)
		return;
	crb_approval_leave(mint->core, mint);
	leave(mint);
	free(mint);
}

void
crb_mint_unrecord(struct crb_mint *mint)
{
	mint->record->mint = NULL;
	mint->record = NULL;
}

static void
waited(void *ctx)
{
	struct crb_mint *mint = ctx;
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_TIMEOUT,
	    "minting of %s: other requests wait for the service before this "
	    "one; try again",
	    mint->credential);
	mint->passes = true;
	crb_mint_fail(mint, &why);
}

enum crb_status
crb_mint_queue(struct crb_mint *mint, struct crb_err *err)
{
	struct crb_loop *loop = mint->core->loop;

	if (crb_timer_set(loop, &mint->turn, TURN_MS, err) != CRB_OK)
		return err->status;
	mint->step = MINT_WAITING;
	start_soon(mint->core);
	return CRB_OK;
}

void
crb_mint_hold(struct crb_mint *mint)
{
	mint->step = MINT_HELD;
	mint->core->mints.running--;
}

enum crb_status
crb_mint_begin(struct crb_lease *lease, struct crb_err *err)
{
	struct crb_core *core = lease->session->core;
	struct crb_mint *mint;

	if (core->mints.count >= WAITING_MOST)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d leases are being minted already; try again",
		    WAITING_MOST);
	if ((mint = calloc(1, sizeof(*mint))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	mint->core = core;
	crb_timer_init(&mint->turn, waited, mint);
	if (crb_mint_queue(mint, err) != CRB_OK) {
		free(mint);
		return err->status;
	}
	mint->lease = lease;
	lease->mint = mint;
	memcpy(mint->session, lease->session->id, sizeof(mint->session));
	memcpy(mint->credential, lease->credential, sizeof(mint->credential));
	TAILQ_INSERT_TAIL(&core->mints.list, mint, link);
	core->mints.count++;
	return CRB_OK;
}

static enum crb_status
ask(struct crb_mint *mint, struct crb_err *err)
{
	struct crb_core *core = mint->core;
	const struct crb_credential *credential = crb_map_text(
	    &core->credentials, mint->credential);
	const char *ca, *proxy = core->config.proxy;
	struct crb_msg_mint msg;

	if (mint->lease == NULL || mint->record == NULL || credential == NULL)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "what is granted of %s has just changed; try again",
		    mint->credential);
	if (!crb_core_unlocked(core))
		return crb_core_need_unlocked(core, err);
	ca = credential->route.ca != NULL ? credential->route.ca : core->ca;
	msg = (struct crb_msg_mint){
		.session = CRB_SLICE(mint->session),
		.backend = CRB_SLICE(credential->backend->kind),
		.params = CRB_SLICE(credential->job_params),
		.secret = { crb_secret_bytes(credential->secret),
		    crb_secret_len(credential->secret) },
		.order = CRB_SLICE(mint->record->order),
		.ca = CRB_SLICE(ca != NULL ? ca : ""),
		.proxy = CRB_SLICE(proxy != NULL ? proxy : ""),
	};
	return crb_link_request_long(&core->egress, MINT_MS, CRB_MSG_MINT, &msg,
	    &msg.request, crb_mint_answered, mint, err);
}

/* The intent is durable: from here on the upstream may be asked. */
static void
recorded(void *ctx, const struct crb_err *why)
{
	struct crb_mint *mint = ctx;
	struct crb_credential *credential;
	enum crb_status status;

	crb_core_committed(mint->core, why);
	if (why != NULL) {
		mint->passes = true;
		crb_approval_settle(mint->core, mint->approval, why);
		crb_lease_record_free(mint->record);
		crb_mint_fail(mint, why);
		return;
	}
	mint->step = MINT_ASKED;
	status = ask(mint, &mint->why);
	crb_approval_settle(
	    mint->core, mint->approval, status != CRB_OK ? &mint->why : NULL);
	if (status != CRB_OK) {
		mint->passes = true;
		crb_mint_conclude(mint, true, 0, mint->why.msg);
		return;
	}
	credential = crb_map_text(&mint->core->credentials, mint->credential);
	if (credential != NULL)
		credential->used = crb_wall_seconds();
}

/* The scopes of the grants that it is for. */
static void
scopes_text(const struct crb_mint *mint, struct crb_buf *out)
{
	const struct crb_session *session = mint->lease->session;

	for (size_t i = 0; i < session->grant_count; i++) {
		const struct crb_session_grant *at = &session->grants[i];

		if (at->pending ||
		    strcmp(at->grant->credential, mint->credential) != 0)
			continue;
		if (out->len > 0)
			crb_buf_str(out, "; ");
		crb_buf_str(out, at->grant->scope_text);
	}
}

/* What the tiers were asked, and said, is in a line of the log. */
static void
add_verdict(const struct crb_mint *mint, const struct crb_verdict *verdict,
    int64_t seconds, struct crb_buf *asked, struct crb_audit_event *event)
{
	crb_tiers_mint_text(
	    mint->lease->session, mint->credential, seconds, asked);
	event->tier = verdict->tier;
	event->rule = verdict->rule;
	event->asked = asked->len > 0 ? crb_buf_text(asked) : NULL;
}

static enum crb_status
collect_intent(struct crb_mint *mint, const struct crb_verdict *verdict,
    int64_t seconds, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf scopes = CRB_BUF_INIT(SCOPES_MAX * 32);
	CRB_AUTO_BUF struct crb_buf asked = CRB_BUF_INIT(CRB_AUDIT_ASKED_MAX);
	struct crb_core *core = mint->core;
	char detail[sizeof(mint->approval) + 16];
	struct crb_audit_event event = {
		.event = "lease.mint.begin",
		.decision = "allow",
		.order = mint->record->order,
		.detail = mint->approval[0] != '\0' ? detail : NULL,
	};
	enum crb_status status;

	(void)snprintf(detail, sizeof(detail), "approval %s", mint->approval);
	scopes_text(mint, &scopes);
	event.scope = crb_buf_text(&scopes);
	add_verdict(mint, verdict, seconds, &asked, &event);
	if ((status = crb_mint_event(mint, &event, err)) != CRB_OK ||
	    (status = crb_lease_record_put(core, mint->record, err)) ||
	    (status = crb_keep_session(mint->lease->session, err)))
		return status;
	return crb_commit_then(core->commit, recorded, mint, err);
}

/* One that is refused is recorded as one that failed is. */
static void
record_refusal(const struct crb_mint *mint, const struct crb_verdict *verdict,
    int64_t seconds, const struct crb_err *why)
{
	CRB_AUTO_BUF struct crb_buf asked = CRB_BUF_INIT(CRB_AUDIT_ASKED_MAX);
	const struct crb_session *session = mint->lease->session;
	struct crb_audit_event event = {
		.event = "lease.mint",
		.who = "broker",
		.task = session->task,
		.session = session->id,
		.credential = mint->credential,
		.decision = "deny",
		.outcome = crb_status_info(why->status)->code,
		.detail = why->msg,
	};
	struct crb_err err;

	add_verdict(mint, verdict, seconds, &asked, &event);
	if (crb_audit_record(mint->core->audit, &event, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "refusal not recorded", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

/*
 * What limits and tiers say of an order.  Keys that nobody is handed are asked
 * about with each request that uses them.
 */
static enum crb_status
decide(struct crb_mint *mint, json_t *order, int64_t seconds,
    struct crb_verdict *verdict, struct crb_err *err)
{
	const struct crb_session *session = mint->lease->session;

	if (crb_limits_mint(session, verdict, err) != CRB_OK) {
		record_refusal(mint, verdict, seconds, err);
		return err->status;
	}
	crb_tiers_mint(session, mint->credential, seconds, verdict);
	if (verdict->effect == CRB_EFFECT_ALLOW)
		return CRB_OK;
	if (verdict->effect == CRB_EFFECT_ASK &&
	    !crb_lease_handed_out(session, mint->credential))
		return CRB_OK;
	if (verdict->effect == CRB_EFFECT_ASK)
		return crb_mint_ask(mint, order, verdict, err);
	(void)!crb_tiers_refuse(mint->core, verdict, err);
	record_refusal(mint, verdict, seconds, err);
	return err->status;
}

static enum crb_status
begin(struct crb_mint *mint, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *order = NULL;
	struct crb_verdict verdict;
	int64_t seconds;
	const struct crb_credential *credential;
	struct crb_session *session = mint->lease->session;
	struct crb_core *core = mint->core;
	enum crb_status status;

	if ((status = crb_core_need_record(core, err)) ||
	    (status = crb_core_need_unlocked(core, err)) ||
	    (status = crb_lease_order(
		 session, mint->credential, false, &order, err)))
		return status;
	seconds = json_integer_value(json_object_get(order, "duration"));
	status = decide(mint, order, seconds, &verdict, err);
	if (status != CRB_OK || mint->step == MINT_HELD)
		return status;
	credential = crb_map_text(&core->credentials, mint->credential);
	status = crb_lease_record_new(
	    session, credential, order, &mint->record, err);
	if (status != CRB_OK)
		return status;
	mint->record->mint = mint;
	mint->id = mint->record->record;
	session->mints++;
	status = collect_intent(mint, &verdict, seconds, err);
	if (status != CRB_OK) {
		session->mints--;
		crb_lease_record_free(mint->record);
	}
	return status;
}

static bool
has_turn(const struct crb_mint *mint)
{
	const struct crb_mint *at;
	unsigned session = 0, credential = 0;

	if (mint->core->mints.running >= RUNNING_MOST)
		return false;
	TAILQ_FOREACH(at, &mint->core->mints.list, link)
	{
		if (!runs(at))
			continue;
		session += strcmp(at->session, mint->session) == 0;
		credential += strcmp(at->credential, mint->credential) == 0;
	}
	return session < SESSION_MOST && credential < CREDENTIAL_MOST;
}

static void
start(struct crb_mint *mint)
{
	struct crb_err err;

	crb_timer_clear(mint->core->loop, &mint->turn);
	mint->step = MINT_RECORDING;
	mint->core->mints.running++;
	if (mint->lease == NULL) {
		crb_mint_finish(mint);
		return;
	}
	if (begin(mint, &err) == CRB_OK)
		return;
	crb_approval_settle(mint->core, mint->approval, &err);
	mint->passes = err.status != CRB_ERR_INVALID &&
	    err.status != CRB_ERR_TOO_LARGE && err.status != CRB_ERR_DENIED;
	crb_mint_fail(mint, &err);
}

/* One at a time: whoever is told may change the list. */
void
crb_mints_start(void *ctx)
{
	struct crb_core *core = ctx;
	struct crb_mint *mint;

	do {
		TAILQ_FOREACH(mint, &core->mints.list, link)
		if (mint->step == MINT_WAITING && has_turn(mint))
			break;
		if (mint != NULL)
			start(mint);
	} while (mint != NULL);
}

void
crb_mints_lock(struct crb_core *core)
{
	struct crb_mint *mint, *next;

	crb_timer_clear(core->loop, &core->mints.timer);
	for (mint = TAILQ_FIRST(&core->mints.list); mint != NULL; mint = next) {
		next = TAILQ_NEXT(mint, link);
		if (mint->step == MINT_ASKED)
			continue;
		leave(mint);
		crb_secret_free(mint->keys);
		free(mint);
	}
}
