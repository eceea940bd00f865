#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "broker/core/lease_mint_impl.h"
#include "broker/core/limits.h"

/* No upstream makes keys that last longer. */
#define LONGEST_S (37 * 60 * 60)
/* Of what the egress tells, escaped. */
#define TEXT_MAX 4096

enum crb_status
crb_mint_event(
    struct crb_mint *mint, struct crb_audit_event *event, struct crb_err *err)
{
	event->who = "broker";
	event->session = mint->session;
	event->credential = mint->credential;
	event->task = mint->record != NULL ? mint->record->task : NULL;
	if (event->tier == NULL)
		event->tier = "session";
	return crb_commit_event(mint->core->commit, event, err);
}

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
	enum crb_status result = crb_mint_event(mint, &event, err);

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
		crb_mint_finish(mint);
		return;
	}
	/* Issued, and given to nobody: it stays in memory until it expires. */
	mint->passes = true;
	crb_mint_fail(mint, why);
}

/* It is certain that there are no keys, so none were counted. */
static void
give_back(const struct crb_mint *mint)
{
	struct crb_session *session = crb_map_text(
	    &mint->core->sessions, mint->session);

	if (session != NULL && session->mints > 0)
		session->mints--;
}

void
crb_mint_conclude(
    struct crb_mint *mint, bool known, unsigned status, const char *detail)
{
	bool minted = mint->why.status == CRB_OK;
	struct crb_core *core = mint->core;
	struct crb_err err;

	mint->step = MINT_KEEPING;
	if (!minted && known)
		give_back(mint);
	if (collect_outcome(mint, minted, known, status, detail, &err) ==
		CRB_OK &&
	    crb_commit_then(core->commit, kept, mint, &err) == CRB_OK)
		return;
	mint->passes = true;
	crb_mint_fail(mint, &err);
}

static enum crb_status
check_minted(const struct crb_core *core, const struct crb_msg_minted *msg,
    struct crb_err *err)
{
	int64_t now = crb_wall_seconds();

	if (msg->keys.len == 0)
		return crb_err_set(
		    err, CRB_ERR_UPSTREAM, "the service gave no keys");
	if (msg->expires < (uint64_t)(now + CRB_LEASE_LEAST_S) ||
	    msg->expires > (uint64_t)(now + LONGEST_S))
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "the service gave keys that end in less than a minute, or "
		    "too late");
	if (!crb_limits_lasts(core, (int64_t)msg->expires))
		return crb_err_set(err, CRB_ERR_UPSTREAM,
		    "the service gave keys that last longer than a policy allows");
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

	mint->why.status = check_minted(mint->core, msg, &mint->why);
	if (mint->why.status == CRB_OK)
		mint->why.status = crb_secret_copy(
		    msg->keys.p, msg->keys.len, &mint->keys, &mint->why);
	if (mint->why.status != CRB_OK) {
		mint->passes = mint->why.status == CRB_ERR_NOMEM;
		crb_mint_conclude(mint, false, msg->status, mint->why.msg);
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
	crb_mint_conclude(mint, true, msg->status, detail);
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
	crb_mint_conclude(mint, msg->unsure == 0, msg->status, mint->why.msg);
}

/* After a lock nothing can be recorded; the intent is in the store. */
static void
forget(struct crb_mint *mint)
{
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_LOCKED, "the vault is locked");
	crb_mint_fail(mint, &why);
}

void
crb_mint_answered(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct crb_mint *mint = ctx;

	/* It was locked and unlocked in between. */
	if (mint->record == NULL &&
	    (mint->record = crb_lease_record_find(mint->core, &mint->id)) !=
		NULL)
		mint->record->mint = mint;
	if (mint->core->commit == NULL)
		forget(mint);
	else if (msg == NULL) {
		(void)crb_err_set(
		    &mint->why, CRB_ERR_TIMEOUT, "minting: %s", why->msg);
		mint->passes = true;
		crb_mint_conclude(mint, false, 0, mint->why.msg);
	} else if (crb_slice_is(msg->minted.outcome, "ok"))
		take_minted(mint, &msg->minted);
	else
		take_failure(mint, &msg->minted);
}
