#include "broker/core/lease_mint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/core/lease_impl.h"

/* The egress bounds one itself, at 30 s. */
#define MINT_MS 40000
/* Under way at once: in all, of one session, of one credential; and waiting. */
#define RUNNING_MOST 6
#define SESSION_MOST 3
#define CREDENTIAL_MOST 3
#define WAITING_MOST 1024
/* For its turn, since those before it wait for an upstream. */
#define TURN_MS 30000
/* No upstream makes keys that last longer. */
#define LONGEST_S (37 * 60 * 60)
#define SCOPES_MAX 8192
/* Of what the egress tells, escaped. */
#define TEXT_MAX 4096

enum mint_step {
	MINT_WAITING,   /* for its turn */
	MINT_RECORDING, /* the intent */
	MINT_ASKED,     /* the egress has it */
	MINT_KEEPING,   /* what came of it is being recorded */
};

struct crb_mint {
	TAILQ_ENTRY(crb_mint) link;
	struct crb_core *core;
	enum mint_step step;
	struct crb_lease *lease;         /* NULL: it is gone */
	struct crb_lease_record *record; /* NULL: not in memory */
	struct crb_record_id id;         /* of the record */
	struct crb_timer turn;           /* the end of its patience */
	char session[CRB_SESSION_ID_MAX + 1];
	char credential[CRB_NAME_MAX + 1];

	/* What came of it. */
	struct crb_err why; /* CRB_OK: it was minted */
	bool passes;        /* what went wrong may be over soon */
	struct crb_secret *keys;
	int64_t expires;
};

static void
leave(struct crb_mint *mint)
{
	struct crb_mints *mints = &mint->core->mints;

	crb_timer_clear(mint->core->loop, &mint->turn);
	TAILQ_REMOVE(&mints->list, mint, link);
	mints->count--;
	if (mint->step != MINT_WAITING)
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

/* It is over; the lease, if there still is one, hears how. */
static void
finish(struct crb_mint *mint)
{
	struct crb_lease *lease = mint->lease;
	struct crb_core *core = mint->core;

	leave(mint);
	if (core->mints.count > 0 && !core->stopping)
		start_soon(core);
	if (lease != NULL && mint->why.status == CRB_OK)
		crb_lease_minted(lease, CRB_STEAL(mint->keys), mint->expires);
	else if (lease != NULL)
		crb_lease_failed(lease, &mint->why, mint->passes);
	crb_secret_free(mint->keys);
	free(mint);
}

static void
fail(struct crb_mint *mint, const struct crb_err *why)
{
	mint->why = *why;
	finish(mint);
}

void
crb_mint_orphan(struct crb_mint *mint)
{
	mint->lease->mint = NULL;
	mint->lease = NULL;
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
	fail(mint, &why);
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
	crb_timer_init(&mint->turn, waited, mint);
	if (crb_timer_set(core->loop, &mint->turn, TURN_MS, err) != CRB_OK) {
		free(mint);
		return err->status;
	}
	mint->core = core;
	mint->lease = lease;
	lease->mint = mint;
	memcpy(mint->session, lease->session->id, sizeof(mint->session));
	memcpy(mint->credential, lease->credential, sizeof(mint->credential));
	TAILQ_INSERT_TAIL(&core->mints.list, mint, link);
	core->mints.count++;
	start_soon(core);
	return CRB_OK;
}

/* The lines of the audit log that are about it have the same frame. */
static enum crb_status
record_event(
    struct crb_mint *mint, struct crb_audit_event *event, struct crb_err *err)
{
	event->who = "broker";
	event->session = mint->session;
	event->credential = mint->credential;
	event->task = mint->record != NULL ? mint->record->task : NULL;
	event->tier = "session";
	return crb_commit_event(mint->core->commit, event, err);
}

/* What was asked for was not minted, or nobody knows, or was. */
static enum crb_status
collect_outcome(struct crb_mint *mint, bool minted, bool known, unsigned status,
    const char *detail, struct crb_err *err)
{
	struct crb_core *core = mint->core;
	struct crb_audit_event event = {
		.event = "lease.mint",
		.decision = "allow",
		.outcome = crb_status_info(mint->why.status)->code,
		.status = status,
		.detail = detail,
	};
	enum crb_status result = record_event(mint, &event, err);

	if (result != CRB_OK || mint->record == NULL)
		return result;
	if (!minted && known)
		return crb_lease_record_delete(core, mint->record, err);
	if (!minted)
		return crb_lease_record_unknown(core, mint->record, err);
	return crb_lease_record_put(core, mint->record, err);
}

static void
kept(void *ctx, const struct crb_err *why)
{
	struct crb_mint *mint = ctx;

	crb_core_committed(mint->core, why);
	if (why == NULL) {
		finish(mint);
		return;
	}
	/* Issued, and given to nobody: it stays in memory until it expires. */
	mint->passes = true;
	fail(mint, why);
}

static void
conclude(struct crb_mint *mint, bool known, unsigned status, const char *detail)
{
	bool minted = mint->why.status == CRB_OK;
	struct crb_core *core = mint->core;
	struct crb_err err;

	mint->step = MINT_KEEPING;
	if (collect_outcome(mint, minted, known, status, detail, &err) ==
		CRB_OK &&
	    crb_commit_then(core->commit, kept, mint, &err) == CRB_OK)
		return;
	mint->passes = true;
	fail(mint, &err);
}

static enum crb_status
check_minted(const struct crb_msg_minted *msg, struct crb_err *err)
{
	int64_t now = crb_wall_seconds();

	if (msg->keys.len == 0)
		return crb_err_set(
		    err, CRB_ERR_UPSTREAM, "the service gave no keys");
	if (msg->expires <= (uint64_t)now ||
	    msg->expires > (uint64_t)(now + LONGEST_S))
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "the service gave keys that end in the past, or too late");
	return CRB_OK;
}

/* They exist, whatever is wrong with them. */
static void
take_minted(struct crb_mint *mint, const struct crb_msg_minted *msg)
{
	CRB_AUTO_BUF struct crb_buf id = CRB_BUF_INIT(
	    sizeof(mint->record->id) - 1);
	CRB_AUTO_BUF struct crb_buf more = CRB_BUF_INIT(TEXT_MAX);
	struct crb_lease_record *record = mint->record;
	char until[CRB_TIME_TEXT] = "", detail[1024];

	mint->why.status = check_minted(msg, &mint->why);
	if (mint->why.status == CRB_OK)
		mint->why.status = crb_secret_copy(
		    msg->keys.p, msg->keys.len, &mint->keys, &mint->why);
	if (mint->why.status != CRB_OK) {
		mint->passes = mint->why.status == CRB_ERR_NOMEM;
		conclude(mint, false, msg->status, mint->why.msg);
		return;
	}
	mint->expires = (int64_t)msg->expires;
	crb_text_time(mint->expires, until);
	crb_text_escape(&id, msg->id.p, msg->id.len, msg->id.len);
	crb_text_escape(&more, msg->detail.p, msg->detail.len, 512);
	(void)snprintf(detail, sizeof(detail), "id %s, until %s%s%s%.700s",
	    crb_buf_text(&id), until,
	    msg->unsure != 0 ? ", and maybe others before it" : "",
	    more.len > 0 ? ", " : "", crb_buf_text(&more));
	if (record != NULL) {
		record->state = CRB_LEASE_MINTED;
		record->minted = crb_wall_seconds();
		record->expires = mint->expires;
		(void)snprintf(
		    record->id, sizeof(record->id), "%s", crb_buf_text(&id));
	}
	conclude(mint, true, msg->status, detail);
}

static bool
may_pass(enum crb_status status, unsigned http)
{
	return status == CRB_ERR_TIMEOUT || status == CRB_ERR_LIMIT ||
	    status == CRB_ERR_NOMEM || http >= 500 || http == 429 ||
	    (status == CRB_ERR_UPSTREAM && http == 0);
}

static void
take_failure(struct crb_mint *mint, const struct crb_msg_minted *msg)
{
	CRB_AUTO_BUF struct crb_buf detail = CRB_BUF_INIT(TEXT_MAX);
	enum crb_status status;
	char code[33];

	(void)snprintf(
	    code, sizeof(code), "%.*s", (int)msg->outcome.len, msg->outcome.p);
	status = crb_status_from_code(code);
	crb_text_escape(&detail, msg->detail.p, msg->detail.len, 512);
	mint->passes = may_pass(status, msg->status);
	/* Whatever the service says is not what this broker's policy says. */
	(void)crb_err_set(&mint->why,
	    msg->status != 0 && status != CRB_ERR_TIMEOUT ? CRB_ERR_UPSTREAM
							  : status,
	    "%s", crb_buf_text(&detail));
	conclude(mint, msg->unsure == 0, msg->status, mint->why.msg);
}

/* After a lock nothing can be recorded; the intent is in the store. */
static void
forget(struct crb_mint *mint)
{
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_LOCKED, "the vault is locked");
	fail(mint, &why);
}

static void
minted(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct crb_mint *mint = ctx;

	/* It was locked and unlocked in between. */
	if (mint->record == NULL)
		mint->record = crb_lease_record_find(mint->core, &mint->id);
	if (mint->core->commit == NULL)
		forget(mint);
	else if (msg == NULL) {
		(void)crb_err_set(
		    &mint->why, CRB_ERR_TIMEOUT, "minting: %s", why->msg);
		mint->passes = true;
		conclude(mint, false, 0, mint->why.msg);
	} else if (crb_slice_is(msg->minted.outcome, "ok"))
		take_minted(mint, &msg->minted);
	else
		take_failure(mint, &msg->minted);
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
	    &msg.request, minted, mint, err);
}

/* The intent is durable: from here on the upstream may be asked. */
static void
recorded(void *ctx, const struct crb_err *why)
{
	struct crb_mint *mint = ctx;
	struct crb_credential *credential;

	crb_core_committed(mint->core, why);
	if (why != NULL) {
		mint->passes = true;
		crb_lease_record_free(mint->record);
		fail(mint, why);
		return;
	}
	mint->step = MINT_ASKED;
	if (ask(mint, &mint->why) != CRB_OK) {
		mint->passes = true;
		conclude(mint, true, 0, mint->why.msg);
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

static enum crb_status
collect_intent(struct crb_mint *mint, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf scopes = CRB_BUF_INIT(SCOPES_MAX * 32);
	struct crb_core *core = mint->core;
	struct crb_audit_event event = {
		.event = "lease.mint.begin",
		.decision = "allow",
		.order = mint->record->order,
	};
	enum crb_status status;

	scopes_text(mint, &scopes);
	event.scope = crb_buf_text(&scopes);
	if ((status = record_event(mint, &event, err)) != CRB_OK ||
	    (status = crb_lease_record_put(core, mint->record, err)) != CRB_OK)
		return status;
	return crb_commit_then(core->commit, recorded, mint, err);
}

static enum crb_status
begin(struct crb_mint *mint, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *order = NULL;
	const struct crb_credential *credential;
	struct crb_session *session = mint->lease->session;
	struct crb_core *core = mint->core;
	enum crb_status status;

	if ((status = crb_core_need_record(core, err)) ||
	    (status = crb_core_need_unlocked(core, err)) ||
	    (status = crb_lease_order(
		 session, mint->credential, false, &order, err)))
		return status;
	credential = crb_map_text(&core->credentials, mint->credential);
	status = crb_lease_record_new(
	    session, credential, order, &mint->record, err);
	if (status != CRB_OK)
		return status;
	mint->record->mint = mint;
	mint->id = mint->record->record;
	if ((status = collect_intent(mint, err)) != CRB_OK)
		crb_lease_record_free(mint->record);
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
		if (at->step == MINT_WAITING)
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
		finish(mint);
		return;
	}
	if (begin(mint, &err) == CRB_OK)
		return;
	mint->passes = err.status != CRB_ERR_INVALID &&
	    err.status != CRB_ERR_TOO_LARGE;
	fail(mint, &err);
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
