#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "broker/vault/impl.h"
#include "broker/vault/key_file.h"

#define FIRST_EPOCH 1u

/* A vault in the making, and what is to be undone when it fails. */
struct draft {
	const char *folder;
	const struct crb_vault_init *init;
	struct crb_header header;
	struct crb_key *key; /* the slot's */
	struct crb_unlocked fresh;
	char store_new[CRB_PATH_MAX]; /* store.db.new */
	char store[CRB_PATH_MAX];
	char generation[CRB_PATH_MAX];
	char vault[CRB_PATH_MAX];
	bool made_key_file, made_generation, made_store;
};

static enum crb_status
set_names(struct draft *draft, struct crb_err *err)
{
	const char *folder = draft->folder;
	enum crb_status status;

	if ((status = crb_path_join(draft->store_new, folder,
		 CRB_STORE_FILE ".new", err)) != CRB_OK ||
	    (status = crb_path_join(
		 draft->store, folder, CRB_STORE_FILE, err)) != CRB_OK ||
	    (status = crb_path_join(draft->generation, folder,
		 CRB_GENERATION_FILE, err)) != CRB_OK)
		return status;
	return crb_path_join(draft->vault, folder, CRB_VAULT_FILE, err);
}

/*
 * Never over a vault, nor over what is left of one: SQLite would play an old
 * log into a new store.
 */
static enum crb_status
check_absent(const struct draft *draft, struct crb_err *err)
{
	static const char *const names[] = { CRB_VAULT_FILE, CRB_STORE_FILE,
		CRB_GENERATION_FILE, CRB_STORE_FILE "-wal",
		CRB_STORE_FILE "-journal" };
	char path[CRB_PATH_MAX];
	enum crb_status status;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		status = crb_path_join(path, draft->folder, names[i], err);
		if (status != CRB_OK)
			return status;
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return crb_err_set(err, CRB_ERR_EXISTS,
			    i == 0 ? "%s: there is a vault already; it was "
				     "not touched"
				   : "%s: a part of a vault is there already; "
				     "it was not touched: move it away first",
			    path);
		if (errno != ENOENT)
			return crb_err_errno(err, "%s", path);
	}
	return CRB_OK;
}

/* What an interrupted init left behind was never anybody's. */
static enum crb_status
remove_new(const struct draft *draft, struct crb_err *err)
{
	static const char *const names[] = { CRB_STORE_FILE ".new",
		CRB_STORE_FILE ".new-wal", CRB_STORE_FILE ".new-journal" };
	char path[CRB_PATH_MAX];
	enum crb_status status;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		status = crb_path_join(path, draft->folder, names[i], err);
		if (status != CRB_OK)
			return status;
		if (unlink(path) == -1 && errno != ENOENT)
			return crb_err_errno(err, "%s", path);
	}
	return CRB_OK;
}

static enum crb_status
make_key(struct draft *draft, struct crb_err *err)
{
	const struct crb_vault_init *init = draft->init;
	struct crb_slot *slot = &draft->header.slot[0];

	slot->number = 1;
	if (init->passphrase == NULL) {
		slot->kind = CRB_SLOT_KEY_FILE;
		return crb_key_file_have(
		    init->key_file, &draft->made_key_file, &draft->key, err);
	}
	slot->kind = CRB_SLOT_PASSPHRASE;
	slot->kdf.cost = init->cost;
	randombytes_buf(slot->kdf.salt, sizeof(slot->kdf.salt));
	return crb_vault_kdf(&slot->kdf, init->passphrase, &draft->key, err);
}

static enum crb_status
make_root(struct draft *draft, struct crb_err *err)
{
	struct crb_key *root = NULL;
	enum crb_status status;

	if ((status = crb_key_random(&root, err)) != CRB_OK)
		return status;
	status = crb_unlocked_derive(&draft->fresh, root, FIRST_EPOCH, err);
	if (status != CRB_OK)
		return status;
	randombytes_buf(draft->header.vault_id, CRB_VAULT_ID_BYTES);
	draft->header.wrapped[0].created = (uint64_t)time(NULL);
	draft->header.count = 1;
	crb_header_wrap(&draft->header, 0, draft->key, draft->fresh.root);
	draft->fresh.head.generation = 1;
	draft->fresh.head.epoch = FIRST_EPOCH;
	return CRB_OK;
}

/* A record of the first generation; the caller frees *value. */
static enum crb_status
seal_first(const struct draft *draft, enum crb_kind kind,
    const struct crb_record_id *id, struct crb_slice plain, uint8_t **value,
    struct crb_store_change *out, struct crb_err *err)
{
	const struct crb_head *head = &draft->fresh.head;
	const struct crb_seal_label label = { draft->header.vault_id, kind, *id,
		head->generation };

	if ((*value = malloc(plain.len + CRB_SEAL_OVERHEAD)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	crb_seal(*value, draft->fresh.record, head->epoch, &label, plain.p,
	    plain.len);
	*out = (struct crb_store_change){ kind, *id, 0, head->generation,
		*value, plain.len + CRB_SEAL_OVERHEAD };
	return CRB_OK;
}

/* The head record, and the one that there may be beside it. */
static enum crb_status
fill_store(struct draft *draft, struct crb_err *err)
{
	CRB_AUTO_STORE struct crb_store *store = NULL;
	CRB_AUTO_FREE uint8_t *policy = NULL, *head = NULL;
	const char *text = draft->init->policy;
	struct crb_store_change change[2];
	uint8_t plain[CRB_HEAD_BYTES];
	struct crb_record_id id;
	size_t count = 0;

	if (text != NULL) {
		crb_record_id_random(&id);
		crb_head_add(&draft->fresh.head, draft->fresh.sum,
		    CRB_KIND_POLICY, &id, draft->fresh.head.generation);
		if (seal_first(draft, CRB_KIND_POLICY, &id, CRB_SLICE(text),
			&policy, &change[count++], err) != CRB_OK)
			return err->status;
	}
	crb_head_encode(&draft->fresh.head, plain);
	if (seal_first(draft, CRB_KIND_HEAD, &crb_head_id,
		(struct crb_slice){ (const char *)plain, sizeof(plain) }, &head,
		&change[count++], err) != CRB_OK ||
	    crb_store_sqlite_open(draft->store_new, &store, err) != CRB_OK)
		return err->status;
	return store->ops->batch(store, change, count, err);
}

static enum crb_status
make_files(struct draft *draft, struct crb_err *err)
{
	uint8_t copy[CRB_GENERATION_BYTES];
	enum crb_status status;

	crb_generation_encode(copy, draft->fresh.generation,
	    draft->header.vault_id, draft->fresh.head.generation);
	if ((status = remove_new(draft, err)) != CRB_OK ||
	    (status = crb_store_sqlite_create(draft->store_new, err)) !=
		CRB_OK ||
	    (status = fill_store(draft, err)) != CRB_OK)
		return status;
	status = crb_io_write_file(
	    draft->generation, copy, sizeof(copy), 0600, err);
	if (status != CRB_OK)
		return status;
	draft->made_generation = true;
	if (rename(draft->store_new, draft->store) == -1)
		return crb_err_errno(err, "%s", draft->store);
	draft->made_store = true;
	/* The last: with it, there is a vault.  Syncs the folder too. */
	return crb_header_write(draft->vault, &draft->header, err);
}

static void
undo(const struct draft *draft)
{
	struct crb_err ignored;

	(void)!remove_new(draft, &ignored);
	if (draft->made_store)
		(void)unlink(draft->store);
	if (draft->made_generation)
		(void)unlink(draft->generation);
	if (draft->made_key_file)
		(void)unlink(draft->init->key_file);
}

enum crb_status
crb_vault_create(
    const char *folder, const struct crb_vault_init *init, struct crb_err *err)
{
	struct draft draft = { .init = init };
	CRB_AUTO_FREE char *real = NULL;
	CRB_AUTO_FD int lock = -1;
	enum crb_status status;

	if (sodium_init() < 0)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libsodium does not start");
	if ((init->passphrase == NULL) == (init->key_file == NULL))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a vault is made with a passphrase or with a key file");
	if ((real = realpath(folder, NULL)) == NULL)
		return crb_err_errno(err, "%s", folder);
	draft.folder = real;
	if ((status = set_names(&draft, err)) != CRB_OK ||
	    (status = crb_vault_lock_folder(real, &lock, err)) != CRB_OK ||
	    (status = check_absent(&draft, err)) != CRB_OK)
		return status;
	if ((status = make_key(&draft, err)) != CRB_OK ||
	    (status = make_root(&draft, err)) != CRB_OK ||
	    (status = make_files(&draft, err)) != CRB_OK)
		undo(&draft);
	crb_key_free(draft.key);
	crb_unlocked_clear(&draft.fresh);
	return status;
}
