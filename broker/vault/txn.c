#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/vault/impl.h"

#define SYNC_EVERY_MS 1000

/* One change: a plain value until sealed; none when it deletes. */
struct op {
	enum crb_kind kind;
	struct crb_record_id id;
	struct crb_secret *plain;
};

struct crb_txn {
	struct crb_vault *vault;
	struct op *op;
	size_t count, cap;
	struct crb_index place; /* of a record's op */

	/* once sealed: */
	struct crb_store_change *change; /* the head record is the last */
	size_t changes;
	struct crb_head head;
	uint8_t generation[CRB_GENERATION_BYTES];
};

enum crb_status
crb_txn_new(struct crb_vault *vault, struct crb_txn **out, struct crb_err *err)
{
	struct crb_txn *txn;

	if (!crb_vault_unlocked(vault))
		return crb_err_set(err, CRB_ERR_LOCKED, "the vault is locked");
	if ((txn = calloc(1, sizeof(*txn))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a transaction");
	txn->vault = vault;
	*out = txn;
	return CRB_OK;
}

static void
free_changes(struct crb_txn *txn)
{
	for (size_t i = 0; i < txn->changes; i++)
		free((void *)(uintptr_t)txn->change[i].value);
	free(txn->change);
	txn->change = NULL;
	txn->changes = 0;
}

void
crb_txn_free(struct crb_txn *txn)
{
	if (txn == NULL)
		return;
	for (size_t i = 0; i < txn->count; i++)
		crb_secret_free(txn->op[i].plain);
	free(txn->op);
	crb_index_clear(&txn->place);
	free_changes(txn);
	free(txn);
}

bool
crb_txn_empty(const struct crb_txn *txn)
{
	return txn->count == 0;
}

static enum crb_status
grow(struct crb_txn *txn, struct crb_err *err)
{
	const size_t cap = txn->cap == 0 ? 8 : txn->cap * 2;
	struct op *op;

	if (txn->count < txn->cap)
		return CRB_OK;
	if ((op = reallocarray(txn->op, cap, sizeof(*op))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a transaction");
	txn->op = op;
	txn->cap = cap;
	return CRB_OK;
}

/* Takes `plain` over; what was said of the same record before is forgotten. */
static enum crb_status
add(struct crb_txn *txn, enum crb_kind kind, const struct crb_record_id *id,
    struct crb_secret *plain, struct crb_err *err)
{
	CRB_AUTO_SECRET struct crb_secret *value = plain;
	const uint64_t *place = crb_index_find(&txn->place, kind, id);

	if (txn->change != NULL || kind == CRB_KIND_HEAD)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "this transaction cannot take that record");
	if (place != NULL) {
		crb_secret_free(txn->op[*place].plain);
		txn->op[*place].plain = CRB_STEAL(value);
		return CRB_OK;
	}
	if (grow(txn, err) != CRB_OK ||
	    crb_index_reserve(&txn->place, 1, err) != CRB_OK)
		return err->status;
	crb_index_set(&txn->place, kind, id, txn->count);
	txn->op[txn->count++] = (struct op){ kind, *id, CRB_STEAL(value) };
	return CRB_OK;
}

enum crb_status
crb_txn_put(struct crb_txn *txn, enum crb_kind kind,
    const struct crb_record_id *id, const void *plain, size_t len,
    struct crb_err *err)
{
	struct crb_secret *copy = NULL;
	enum crb_status status;

	if (len > CRB_RECORD_BYTES_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a record of %zu bytes; %zu are allowed", len,
		    CRB_RECORD_BYTES_MAX);
	if ((status = crb_secret_copy(plain, len, &copy, err)) != CRB_OK)
		return status;
	return add(txn, kind, id, copy, err);
}

enum crb_status
crb_txn_delete(struct crb_txn *txn, enum crb_kind kind,
    const struct crb_record_id *id, struct crb_err *err)
{
	return add(txn, kind, id, NULL, err);
}

/* Append a sealed value of `len` plain bytes. */
static enum crb_status
seal_value(struct crb_txn *txn, struct crb_store_change *change,
    const void *plain, size_t len, struct crb_err *err)
{
	const struct crb_seal_label label = { txn->vault->header.vault_id,
		change->kind, change->id, change->revision };
	uint8_t *value;

	if ((value = malloc(len + CRB_SEAL_OVERHEAD)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a sealed record");
	crb_seal(value, txn->vault->open.record, txn->head.epoch, &label, plain,
	    len);
	change->value = value;
	change->len = len + CRB_SEAL_OVERHEAD;
	txn->change[txn->changes++] = *change;
	return CRB_OK;
}

static enum crb_status
seal_op(struct crb_txn *txn, const struct op *op, struct crb_err *err)
{
	const struct crb_unlocked *open = &txn->vault->open;
	const uint64_t *known = crb_index_find(&open->index, op->kind, &op->id);
	struct crb_store_change change = {
		.kind = op->kind,
		.id = op->id,
		.expected = known == NULL ? 0 : *known,
	};

	if (known != NULL)
		crb_head_remove(
		    &txn->head, open->sum, op->kind, &op->id, *known);
	if (op->plain == NULL) {
		/* What is not there needs no deleting. */
		if (known != NULL)
			txn->change[txn->changes++] = change;
		return CRB_OK;
	}
	change.revision = txn->head.generation;
	crb_head_add(&txn->head, open->sum, op->kind, &op->id, change.revision);
	return seal_value(txn, &change, crb_secret_bytes(op->plain),
	    crb_secret_len(op->plain), err);
}

static enum crb_status
seal_head(struct crb_txn *txn, struct crb_err *err)
{
	const struct crb_vault *vault = txn->vault;
	uint8_t plain[CRB_HEAD_BYTES];
	struct crb_store_change change = {
		.kind = CRB_KIND_HEAD,
		.id = crb_head_id,
		.expected = vault->open.head.generation,
		.revision = txn->head.generation,
	};

	crb_head_encode(&txn->head, plain);
	crb_generation_encode(txn->generation, vault->open.generation,
	    vault->header.vault_id, txn->head.generation);
	return seal_value(txn, &change, plain, sizeof(plain), err);
}

enum crb_status
crb_txn_seal(struct crb_txn *txn, struct crb_err *err)
{
	struct crb_vault *vault = txn->vault;
	enum crb_status status = CRB_OK;

	if (!crb_vault_unlocked(vault))
		return crb_err_set(err, CRB_ERR_LOCKED, "the vault is locked");
	if (vault->sealed != NULL || txn->change != NULL)
		return crb_err_set(
		    err, CRB_ERR_LIMIT, "another transaction is being written");
	/* Room in the index now, so that taking over cannot fail later. */
	if (crb_index_reserve(&vault->open.index, txn->count, err) != CRB_OK)
		return err->status;
	txn->change = calloc(txn->count + 1, sizeof(*txn->change));
	if (txn->change == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a transaction");
	txn->head = vault->open.head;
	txn->head.generation = ++vault->last_generation;
	for (size_t i = 0; i < txn->count && status == CRB_OK; i++)
		status = seal_op(txn, &txn->op[i], err);
	if (status == CRB_OK)
		status = seal_head(txn, err);
	if (status != CRB_OK) {
		free_changes(txn);
		return status;
	}
	vault->sealed = txn;
	return CRB_OK;
}

/*
 * The commit stands whatever becomes of the copy, which may be behind: only
 * the protection against an older store is weaker then.
 */
static void
copy_generation(struct crb_vault *vault, const struct crb_txn *txn)
{
	const ssize_t n = pwrite(
	    vault->generation_fd, txn->generation, sizeof(txn->generation), 0);

	if (n != (ssize_t)sizeof(txn->generation)) {
		crb_log(CRB_LOG_ERROR, "generation not written", CRB_LOG_PATH,
		    CRB_GENERATION_FILE, CRB_LOG_END);
		return;
	}
	if (crb_clock_ms(CLOCK_BOOTTIME) - vault->synced_ms >= SYNC_EVERY_MS) {
		(void)fdatasync(vault->generation_fd);
		vault->synced_ms = crb_clock_ms(CLOCK_BOOTTIME);
	}
}

enum crb_status
crb_vault_write(
    struct crb_vault *vault, struct crb_txn *txn, struct crb_err *err)
{
	struct crb_store *store = vault->store;

	if (vault->sealed != txn)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the transaction is not sealed");
	if (store->ops->batch(store, txn->change, txn->changes, err) != CRB_OK)
		return crb_err_context(err, CRB_STORE_FILE);
	copy_generation(vault, txn);
	return CRB_OK;
}

void
crb_vault_written(struct crb_vault *vault, struct crb_txn *txn, bool ok)
{
	if (vault->sealed != txn)
		return;
	vault->sealed = NULL;
	if (!ok)
		return;
	vault->open.head = txn->head;
	/* All but the last, which is the head record. */
	for (size_t i = 0; i + 1 < txn->changes; i++) {
		const struct crb_store_change *change = &txn->change[i];

		if (change->value == NULL)
			crb_index_remove(
			    &vault->open.index, change->kind, &change->id);
		else
			crb_index_set(&vault->open.index, change->kind,
			    &change->id, change->revision);
	}
}
