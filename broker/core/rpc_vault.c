#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/change.h"
#include "broker/core/exchange.h"
#include "broker/core/keep.h"
#include "broker/core/lease.h"
#include "broker/core/lease_record.h"
#include "broker/core/policies.h"
#include "broker/core/rpc.h"
#include "broker/core/session.h"
#include "broker/core/unlock.h"
#include "broker/kdf/wire.h"

/* Unlocked without a record of it: not for long. */
static void
settle_unlock(void *ctx, bool durable)
{
	struct crb_core *core = ctx;

	core->lock_due = !durable;
}

/* Once the policies were looked at: before that nothing is allowed. */
static void
answer(struct crb_call *call, unsigned slot)
{
	const struct crb_audit_event event = { .event = "unlock" };
	struct crb_ending *ending = NULL;
	struct crb_err err;

	if (crb_ending_new(NULL, NULL, &ending, &err) == CRB_OK)
		crb_policies_await(call->core->policies, ending);
	crb_change_commit(&(const struct crb_change){
	    .call = call,
	    .event = &event,
	    .result = json_pack("{s:i}", "slot", (int)slot),
	    .settle = settle_unlock,
	    .ctx = call->core,
	    .ending = ending,
	});
}

static void
unlocked(void *ctx, unsigned slot, const struct crb_err *why)
{
	struct crb_err plainer;

	if (why == NULL) {
		answer(ctx, slot);
		return;
	}
	plainer = *why;
	if (why->status == CRB_ERR_DENIED)
		(void)crb_err_set(
		    &plainer, CRB_ERR_DENIED, "the passphrase is wrong");
	crb_call_fail(ctx, &plainer);
}

struct how {
	struct crb_secret *passphrase;
	const char *key_file;
	int64_t slot;
};

static enum crb_status
read_how(struct crb_call *call, struct how *how, struct crb_err *err)
{
	enum crb_status status;

	if ((status = crb_call_secret(
		 call, "passphrase", &how->passphrase, err)) ||
	    (status = crb_call_text(call, "key_file", &how->key_file, err)) ||
	    (status = crb_call_number(call, "slot", 1, 255, &how->slot, err)))
		return status;
	if ((how->passphrase != NULL) == (how->key_file != NULL))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "unlock: give one of passphrase and key_file");
	if (how->passphrase != NULL &&
	    crb_secret_len(how->passphrase) > CRB_PASSPHRASE_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a passphrase has at most %d bytes", CRB_PASSPHRASE_MAX);
	return CRB_OK;
}

static void
how_clear(struct how *how)
{
	crb_secret_free(how->passphrase);
}

void
crb_rpc_unlock(struct crb_call *call)
{
	__attribute__((cleanup(how_clear))) struct how how = { 0 };
	struct crb_core *core = call->core;
	enum crb_status status;
	struct crb_err err;
	unsigned used = 0;

	status = read_how(call, &how, &err);
	if (status == CRB_OK && crb_core_unlocked(core)) {
		crb_call_reply(call, json_pack("{s:i}", "slot", 0));
		return;
	}
	if (status == CRB_OK && how.passphrase != NULL) {
		status = crb_unlock_passphrase(core, &how.passphrase,
		    (unsigned)how.slot, unlocked, call, &err);
		if (status == CRB_OK)
			return;
	} else if (status == CRB_OK && core->unlocking != NULL)
		status = crb_err_set(&err, CRB_ERR_LIMIT,
		    "somebody is unlocking already; try again");
	else if (status == CRB_OK)
		status = crb_unlock_key_file(
		    core, how.key_file, (unsigned)how.slot, &used, &err);
	if (status == CRB_OK)
		answer(call, used);
	else
		crb_call_fail(call, &err);
}

static void
send_locked(struct crb_core *core, const char *id, struct crb_ending *ending)
{
	struct crb_msg_session_end end = {
		.session = CRB_SLICE(id),
		.code = CRB_SLICE("broker_locked"),
		.detail = CRB_SLICE("the credential broker is locked"),
	};
	struct crb_err err;

	crb_ending_expect(ending);
	if (crb_link_request(&core->gateway, CRB_MSG_SESSION_END, &end,
		&end.request, crb_ending_acknowledged, ending, &err) != CRB_OK)
		crb_ending_settle(ending, NULL);
}

static void
send_drop(struct crb_core *core, const char *id, struct crb_ending *ending)
{
	struct crb_msg_session_drop drop = { .session = CRB_SLICE(id) };
	struct crb_err err;

	crb_ending_expect(ending);
	if (crb_link_request(&core->egress, CRB_MSG_SESSION_DROP, &drop,
		&drop.request, crb_ending_acknowledged, ending, &err) != CRB_OK)
		crb_ending_settle(ending, NULL);
}

/*
 * Sessions stay in the store, and their sockets with the gateway, where they
 * say that the broker is locked; an unlock opens them anew.  With that the
 * gateway forgets the keys that it hands out, which `ending` waits for.
 */
static void
shut_sessions(struct crb_core *core, struct crb_ending *ending)
{
	struct crb_session *session;
	struct crb_err why;

	(void)crb_err_set(&why, CRB_ERR_LOCKED, "the broker was locked");
	json_decref(core->locked_ids);
	core->locked_ids = json_array();
	TAILQ_FOREACH(session, &core->list, link)
	{
		(void)crb_exchange_cut(
		    session, 0, NULL, "the broker was locked");
		crb_leases_end(session, &why);
		crb_exchange_forget(session);
		(void)json_array_append_new(
		    core->locked_ids, json_string(session->id));
		if (session->announced)
			send_locked(core, session->id, ending);
		send_drop(core, session->id, ending);
	}
}

static void
locked(void *ctx, bool durable)
{
	struct crb_core *core = ctx;

	/* Not from within the commit, which goes too. */
	core->locking = core->lock_due = durable;
	if (durable)
		crb_ending_expect(core->lock_ending);
	else
		core->lock_ending = NULL;
}

void
crb_rpc_lock(struct crb_call *call)
{
	const struct crb_audit_event event = { .event = "lock" };
	struct crb_core *core = call->core;
	struct crb_err err;

	if (core->issuing > 0 || core->reopening > 0) {
		(void)crb_err_set(&err, CRB_ERR_LIMIT,
		    "a session is being opened; try again");
		crb_call_fail(call, &err);
		return;
	}
	if (crb_ending_new(NULL, NULL, &core->lock_ending, &err) != CRB_OK) {
		crb_call_fail(call, &err);
		return;
	}
	crb_keep_counts(core);
	crb_lease_records_keep(core);
	core->locking = true;
	crb_change_commit(&(const struct crb_change){
	    .call = call,
	    .event = &event,
	    .settle = locked,
	    .ctx = core,
	    .ending = core->lock_ending,
	});
}

void
crb_rpc_lock_due(struct crb_core *core)
{
	struct crb_ending *ending = core->lock_ending;

	core->lock_due = false;
	core->lock_ending = NULL;
	if (core->commit != NULL) {
		shut_sessions(core, ending);
		crb_lock(core);
	}
	crb_ending_settle(ending, NULL);
}
