#include "broker/core/unlock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/approval.h"
#include "broker/core/credential.h"
#include "broker/core/lease_mint.h"
#include "broker/core/load.h"
#include "broker/core/policies.h"
#include "broker/core/session_open.h"
#include "broker/core/work.h"
#include "broker/kdf/wire.h"

/* Argon2id is tuned to a second; a loaded machine takes longer. */
#define KDF_MS 120000
#define ANSWER_MS 1000

/* Derived from the root key, for the audit log's signatures. */
static const char audit_context[] = "crbaudit";

static enum crb_status
open_log(struct crb_core *core, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	enum crb_status status;

	status = crb_vault_subkey(core->vault, audit_context, &key, err);
	if (status == CRB_OK)
		status = crb_audit_open(
		    core->state_folder, key, core->loop, &core->audit, err);
	if (status == CRB_OK)
		status = crb_commit_new(
		    core->loop, core->vault, core->audit, &core->commit, err);
	return status;
}

/* What the gateway answers for as locked comes anew. */
static void
close_locked(struct crb_core *core)
{
	struct crb_msg_session_close close_it = { 0 };
	struct crb_err err;
	const json_t *id;
	size_t i;

	json_array_foreach(core->locked_ids, i, id)
	{
		close_it.session = CRB_SLICE(json_string_value(id));
		(void)!crb_link_send(
		    &core->gateway, CRB_MSG_SESSION_CLOSE, &close_it, -1, &err);
	}
	json_decref(core->locked_ids);
	core->locked_ids = NULL;
}

/* After the vault opened: everything else, or locked again. */
static enum crb_status
bring_up(struct crb_core *core, struct crb_err *err)
{
	enum crb_status status;

	if ((status = open_log(core, err)) != CRB_OK ||
	    (status = crb_load_all(core, err)) != CRB_OK) {
		crb_lock(core);
		return status;
	}
	crb_core_committed(core, NULL);
	crb_log(CRB_LOG_INFO, "unlocked", CRB_LOG_COUNT,
	    (int64_t)core->sessions.count, CRB_LOG_END);
	close_locked(core);
	/* First, so that what waits for an endpoint finds them there. */
	crb_policies_read(core->policies, NULL);
	crb_session_reopen_all(core);
	return CRB_OK;
}

void
crb_lock(struct crb_core *core)
{
	crb_policies_lock(core->policies);
	crb_work_finish(core);
	crb_commit_free(core->commit);
	core->commit = NULL;
	crb_approvals_clear(core);
	crb_mints_lock(core);
	crb_load_wipe(core);
	crb_audit_free(core->audit);
	core->audit = NULL;
	if (core->vault != NULL)
		crb_vault_lock(core->vault);
	core->locking = false;
}

/* The slot with this number, or the next of this kind behind *at. */
static const struct crb_slot *
next_slot(const struct crb_core *core, enum crb_slot_kind kind, unsigned number,
    size_t *at)
{
	const struct crb_slot *slots;
	size_t count = crb_vault_slots(core->vault, &slots);

	for (; *at < count; (*at)++) {
		const struct crb_slot *slot = &slots[*at];

		if (slot->kind == kind &&
		    (number == 0 || slot->number == number)) {
			(*at)++;
			return slot;
		}
	}
	return NULL;
}

static enum crb_status
no_slot(enum crb_slot_kind kind, unsigned number, struct crb_err *err)
{
	const char *what = kind == CRB_SLOT_PASSPHRASE ? "a passphrase"
						       : "a key file";

	if (number != 0)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "key slot %u of the vault is not one for %s", number, what);
	return crb_err_set(
	    err, CRB_ERR_NOT_FOUND, "the vault has no key slot for %s", what);
}

/* One slot after the other, until the key fits. */
static enum crb_status
try_key(struct crb_core *core, const struct crb_key *key, unsigned slot,
    unsigned *used, struct crb_err *err)
{
	const struct crb_slot *at;
	enum crb_status status;
	size_t next = 0;

	if ((at = next_slot(core, CRB_SLOT_KEY_FILE, slot, &next)) == NULL)
		return no_slot(CRB_SLOT_KEY_FILE, slot, err);
	do {
		*used = at->number;
		status = crb_vault_unlock(core->vault, at->number, key, err);
	} while (status == CRB_ERR_DENIED &&
	    (at = next_slot(core, CRB_SLOT_KEY_FILE, slot, &next)) != NULL);
	return status == CRB_OK ? bring_up(core, err) : status;
}

enum crb_status
crb_unlock_key_file(struct crb_core *core, const char *path, unsigned slot,
    unsigned *used, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	enum crb_status status;

	if ((status = crb_vault_read_key_file(path, &key, err)) != CRB_OK)
		return status;
	return try_key(core, key, slot, used, err);
}

enum crb_status
crb_unlock_key_fd(
    struct crb_core *core, int fd, const char *path, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	enum crb_status status;
	unsigned used;

	if ((status = crb_vault_read_key_fd(fd, path, &key, err)) != CRB_OK)
		return status;
	return try_key(core, key, 0, &used, err);
}

/* By passphrase: one child after the other, until one's key fits. */
struct crb_unlocking {
	struct crb_core *core;
	struct crb_secret *passphrase;
	unsigned number; /* the one slot that was asked for; or 0 */
	size_t next;     /* where to look for another */
	const struct crb_slot *slot;
	int fd; /* to the child; -1: not there yet */
	struct crb_timer deadline;
	crb_unlock_fn *fn;
	void *ctx;
};

static enum crb_status try_next(
    struct crb_unlocking *unlocking, struct crb_err *err);

static void
hang_up(struct crb_unlocking *unlocking)
{
	struct crb_loop *loop = unlocking->core->loop;

	crb_timer_clear(loop, &unlocking->deadline);
	if (unlocking->fd == -1)
		return;
	crb_loop_unwatch(loop, unlocking->fd);
	(void)close(unlocking->fd);
	unlocking->fd = -1;
}

static void
finish(struct crb_unlocking *unlocking, const struct crb_err *why)
{
	unsigned number = unlocking->slot != NULL ? unlocking->slot->number : 0;
	crb_unlock_fn *fn = unlocking->fn;
	void *ctx = unlocking->ctx;

	hang_up(unlocking);
	unlocking->core->unlocking = NULL;
	crb_secret_free(unlocking->passphrase);
	free(unlocking);
	fn(ctx, number, why);
}

static void
too_late(void *ctx)
{
	struct crb_err why;

	(void)crb_err_set(
	    &why, CRB_ERR_TIMEOUT, "deriving the key took too long; try again");
	finish(ctx, &why);
}

/* The child's answer, tried on the slot. */
static enum crb_status
use_answer(struct crb_unlocking *unlocking, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct crb_core *core = unlocking->core;
	enum crb_status status;

	status = crb_kdf_answer(unlocking->fd, ANSWER_MS, &key, err);
	hang_up(unlocking);
	if (status != CRB_OK)
		return crb_err_context(err, "deriving the key");
	return crb_vault_unlock(core->vault, unlocking->slot->number, key, err);
}

static void
on_answer(void *ctx, int fd, unsigned events)
{
	struct crb_unlocking *unlocking = ctx;
	enum crb_status status;
	struct crb_err err, other;

	(void)fd;
	(void)events;
	status = use_answer(unlocking, &err);
	if (status == CRB_OK)
		status = bring_up(unlocking->core, &err);
	else if (status == CRB_ERR_DENIED && unlocking->number == 0) {
		const struct crb_slot *tried = unlocking->slot;

		if (try_next(unlocking, &other) == CRB_OK)
			return;
		unlocking->slot = tried;
	}
	finish(unlocking, status == CRB_OK ? NULL : &err);
}

static enum crb_status
ask_child(struct crb_unlocking *unlocking, struct crb_msg *msg,
    const struct crb_err *why, struct crb_err *err)
{
	struct crb_loop *loop = unlocking->core->loop;
	enum crb_status status;

	status = crb_session_reply_fd(msg, why, &unlocking->fd, err);
	if (status != CRB_OK)
		return status;
	status = crb_kdf_ask(
	    unlocking->fd, &unlocking->slot->kdf, unlocking->passphrase, err);
	if (status == CRB_OK)
		status = crb_timer_set(loop, &unlocking->deadline, KDF_MS, err);
	if (status == CRB_OK)
		status = crb_loop_watch(loop, unlocking->fd, CRB_READABLE,
		    on_answer, unlocking, err);
	return status;
}

static void
on_child(void *ctx, struct crb_msg *msg, const struct crb_err *why)
{
	struct crb_core *core = ctx;
	struct crb_err err;

	/* It was given up meanwhile. */
	if (core->unlocking == NULL || core->unlocking->fd != -1)
		return;
	if (ask_child(core->unlocking, msg, why, &err) != CRB_OK)
		finish(core->unlocking, &err);
}

static enum crb_status
try_next(struct crb_unlocking *unlocking, struct crb_err *err)
{
	struct crb_core *core = unlocking->core;
	struct crb_msg_kdf_start start = { 0 };

	unlocking->slot = next_slot(
	    core, CRB_SLOT_PASSPHRASE, unlocking->number, &unlocking->next);
	if (unlocking->slot == NULL)
		return no_slot(CRB_SLOT_PASSPHRASE, unlocking->number, err);
	return crb_link_request(&core->supervisor, CRB_MSG_KDF_START, &start,
	    &start.request, on_child, core, err);
}

enum crb_status
crb_unlock_passphrase(struct crb_core *core, struct crb_secret **passphrase,
    unsigned slot, crb_unlock_fn *fn, void *ctx, struct crb_err *err)
{
	struct crb_unlocking *unlocking;
	enum crb_status status;

	if (core->unlocking != NULL)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "somebody is unlocking already; try again");
	if ((unlocking = calloc(1, sizeof(*unlocking))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	unlocking->core = core;
	unlocking->number = slot;
	unlocking->fd = -1;
	unlocking->fn = fn;
	unlocking->ctx = ctx;
	crb_timer_init(&unlocking->deadline, too_late, unlocking);
	if ((status = try_next(unlocking, err)) != CRB_OK) {
		free(unlocking);
		return status;
	}
	unlocking->passphrase = CRB_STEAL(*passphrase);
	core->unlocking = unlocking;
	return CRB_OK;
}

void
crb_unlock_cancel(struct crb_core *core)
{
	struct crb_err why;

	if (core->unlocking == NULL)
		return;
	(void)crb_err_set(&why, CRB_ERR_LIMIT, "the broker is stopping");
	finish(core->unlocking, &why);
}
