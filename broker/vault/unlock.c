#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "broker/vault/impl.h"

/* A walk over the store, with what is found on the way. */
struct walk {
	const struct crb_vault *vault;
	struct crb_unlocked *into;
	struct crb_head seen;
	bool behind; /* the generation's copy */
};

static enum crb_status
name_record(
    enum crb_kind kind, const struct crb_record_id *id, struct crb_err *err)
{
	char hex[2 * CRB_RECORD_ID_BYTES + 1];

	(void)sodium_bin2hex(hex, sizeof(hex), id->bytes, sizeof(id->bytes));
	return crb_err_context(err, "%s: %s record %.8s", CRB_STORE_FILE,
	    crb_kind_name(kind), hex);
}

static enum crb_status
open_record(const struct crb_unlocked *keys, const struct crb_seal_label *label,
    const void *value, size_t len, struct crb_secret **plain,
    struct crb_err *err)
{
	enum crb_status status;
	uint32_t epoch;

	if ((status = crb_seal_epoch(value, len, &epoch, err)) != CRB_OK)
		return status;
	if (epoch != keys->head.epoch)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "sealed in key epoch %" PRIu32 "; the vault is in %" PRIu32,
		    epoch, keys->head.epoch);
	return crb_seal_open(value, len, keys->record, label, plain, err);
}

/* The first record opened: it says by which key the others open. */
static enum crb_status
read_head(void *ctx, enum crb_kind kind, const struct crb_record_id *id,
    uint64_t revision, const void *value, size_t len, struct crb_err *err)
{
	struct walk *walk = ctx;
	struct crb_unlocked *into = walk->into;
	const struct crb_seal_label label = { walk->vault->header.vault_id,
		kind, *id, revision };
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;
	enum crb_status status;
	uint32_t epoch;

	if ((status = crb_seal_epoch(value, len, &epoch, err)) != CRB_OK ||
	    (status = crb_unlocked_derive(
		 into, CRB_STEAL(into->root), epoch, err)) != CRB_OK ||
	    (status = crb_seal_open(
		 value, len, into->record, &label, &plain, err)) != CRB_OK ||
	    (status = crb_head_decode(crb_secret_bytes(plain),
		 crb_secret_len(plain), &into->head, err)) != CRB_OK)
		return status;
	if (into->head.generation != revision || into->head.epoch != epoch)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "it is not what it was sealed as");
	return CRB_OK;
}

static enum crb_status
load_head(struct walk *walk, struct crb_err *err)
{
	struct crb_store *store = walk->vault->store;
	enum crb_status status;

	status = store->ops->get(
	    store, CRB_KIND_HEAD, &crb_head_id, read_head, walk, err);
	if (status == CRB_ERR_NOT_FOUND)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "%s: the head record is missing", CRB_STORE_FILE);
	if (status == CRB_ERR_CORRUPT)
		return crb_err_context(err,
		    "%s: the head record, or the store is another vault's",
		    CRB_STORE_FILE);
	return status;
}

static enum crb_status
check_record(void *ctx, enum crb_kind kind, const struct crb_record_id *id,
    uint64_t revision, const void *value, size_t len, struct crb_err *err)
{
	struct walk *walk = ctx;
	struct crb_unlocked *into = walk->into;
	const struct crb_seal_label label = { walk->vault->header.vault_id,
		kind, *id, revision };
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;

	if (kind == CRB_KIND_HEAD && memcmp(id, &crb_head_id, sizeof(*id)) == 0)
		return CRB_OK;
	if (open_record(into, &label, value, len, &plain, err) != CRB_OK)
		return name_record(kind, id, err);
	if (crb_index_reserve(&into->index, 1, err) != CRB_OK)
		return err->status;
	crb_index_set(&into->index, kind, id, revision);
	crb_head_add(&walk->seen, into->sum, kind, id, revision);
	return CRB_OK;
}

static enum crb_status
load_records(struct walk *walk, struct crb_err *err)
{
	struct crb_store *store = walk->vault->store;
	const struct crb_head *head = &walk->into->head;
	enum crb_status status;

	status = store->ops->list(store, 0, check_record, walk, err);
	if (status != CRB_OK)
		return status;
	if (walk->seen.count != head->count)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "%s holds %" PRIu64 " records and should hold %" PRIu64
		    ": some were %s behind the broker's back",
		    CRB_STORE_FILE, walk->seen.count, head->count,
		    walk->seen.count < head->count ? "removed" : "added");
	if (sodium_memcmp(walk->seen.sum, head->sum, sizeof(head->sum)) != 0)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "%s: a record was put back from an older copy",
		    CRB_STORE_FILE);
	return CRB_OK;
}

static enum crb_status
check_generation(struct walk *walk, struct crb_err *err)
{
	const struct crb_unlocked *into = walk->into;
	uint64_t last;

	if (crb_generation_read(walk->vault->generation_fd, into->generation,
		walk->vault->header.vault_id, &last, err) != CRB_OK)
		return crb_err_context(
		    err, "%s/%s", walk->vault->folder, CRB_GENERATION_FILE);
	if (into->head.generation < last)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "%s is older (generation %" PRIu64
		    ") than the last one seen (%" PRIu64
		    "): put the newest one back, or restore the whole folder "
		    "from one backup",
		    CRB_STORE_FILE, into->head.generation, last);
	walk->behind = into->head.generation > last;
	return CRB_OK;
}

/* The last thing, when all else was found good. */
static enum crb_status
catch_up(const struct walk *walk, struct crb_err *err)
{
	const struct crb_unlocked *into = walk->into;
	uint8_t copy[CRB_GENERATION_BYTES];

	if (!walk->behind)
		return CRB_OK;
	crb_generation_encode(copy, into->generation,
	    walk->vault->header.vault_id, into->head.generation);
	if (pwrite(walk->vault->generation_fd, copy, sizeof(copy), 0) !=
	    (ssize_t)sizeof(copy))
		return crb_err_errno(err, CRB_GENERATION_FILE);
	return CRB_OK;
}

enum crb_status
crb_vault_unlock(struct crb_vault *vault, unsigned number,
    const struct crb_key *key, struct crb_err *err)
{
	struct crb_unlocked into = { 0 };
	struct walk walk = { .vault = vault, .into = &into };
	enum crb_status status;
	size_t i = 0;

	if (crb_vault_unlocked(vault))
		return crb_err_set(
		    err, CRB_ERR_EXISTS, "the vault is unlocked already");
	while (
	    i < vault->header.count && vault->header.slot[i].number != number)
		i++;
	if (i == vault->header.count)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "the vault has no key slot %u", number);
	status = crb_header_unwrap(&vault->header, i, key, &into.root, err);
	if (status == CRB_OK && (status = load_head(&walk, err)) == CRB_OK &&
	    (status = check_generation(&walk, err)) == CRB_OK &&
	    (status = load_records(&walk, err)) == CRB_OK)
		status = catch_up(&walk, err);
	if (status != CRB_OK) {
		crb_unlocked_clear(&into);
		return status;
	}
	vault->open = into;
	vault->last_generation = into.head.generation;
	return CRB_OK;
}

struct each {
	const struct crb_vault *vault;
	crb_record_fn *fn;
	void *ctx;
};

static enum crb_status
each_record(void *ctx, enum crb_kind kind, const struct crb_record_id *id,
    uint64_t revision, const void *value, size_t len, struct crb_err *err)
{
	const struct each *each = ctx;
	const struct crb_unlocked *open = &each->vault->open;
	const struct crb_seal_label label = { each->vault->header.vault_id,
		kind, *id, revision };
	const uint64_t *known = crb_index_find(&open->index, kind, id);
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;

	if (known == NULL || *known != revision) {
		(void)crb_err_set(
		    err, CRB_ERR_CORRUPT, "changed behind the broker's back");
		return name_record(kind, id, err);
	}
	if (open_record(open, &label, value, len, &plain, err) != CRB_OK)
		return name_record(kind, id, err);
	return each->fn(each->ctx, id, plain, err);
}

enum crb_status
crb_vault_each(const struct crb_vault *vault, enum crb_kind kind,
    crb_record_fn *fn, void *ctx, struct crb_err *err)
{
	struct each each = { vault, fn, ctx };

	if (!crb_vault_unlocked(vault))
		return crb_err_set(err, CRB_ERR_LOCKED, "the vault is locked");
	if (vault->sealed != NULL)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the store is being written: read it later");
	return vault->store->ops->list(
	    vault->store, (unsigned)kind, each_record, &each, err);
}
