#ifndef CRB_VAULT_H
#define CRB_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * The vault: a header with key slots (vault.json's place is taken by a binary
 * file, header.h), and a store of sealed records (seal.h, store.h).  Opened,
 * it is locked; unlocked, it holds the root key and what is derived from it.
 *
 * One thread owns a vault.  Only crb_vault_write() may run on another one.
 */
struct crb_vault;

/* In a folder: "vault" (header), "store.db", "generation". */

enum crb_slot_kind { CRB_SLOT_PASSPHRASE = 1, CRB_SLOT_KEY_FILE = 2 };

/* What a passphrase slot costs; crb_vault_kdf_tune() measures about a second.
 */
struct crb_kdf_cost {
	uint64_t operations;
	uint64_t memory; /* bytes */
};
CRB_NODISCARD enum crb_status crb_vault_kdf_tune(
    struct crb_kdf_cost *out, struct crb_err *err);

/* Argon2id of a passphrase: slow, and hungry.  Run by broker/kdf and init. */
#define CRB_KDF_SALT_BYTES 16
struct crb_kdf_request {
	struct crb_kdf_cost cost;
	uint8_t salt[CRB_KDF_SALT_BYTES];
};
CRB_NODISCARD enum crb_status crb_vault_kdf(
    const struct crb_kdf_request *request, const struct crb_secret *passphrase,
    struct crb_key **out, struct crb_err *err);

/*
 * Make a vault in `folder` (which exists).  One of passphrase and key_file is
 * given; the key file is 32 random bytes, made here when it does not exist.
 * CRB_ERR_EXISTS, changing nothing, when there is one.  After a failure
 * nothing is left behind.
 */
struct crb_vault_init {
	const struct crb_secret *passphrase;
	const char *key_file;
	struct crb_kdf_cost cost;
	/* The text of a first record, of kind CRB_KIND_POLICY; or NULL. */
	const char *policy;
};
CRB_NODISCARD enum crb_status crb_vault_create(
    const char *folder, const struct crb_vault_init *init, struct crb_err *err);

/*
 * CRB_ERR_NOT_FOUND when there is none; CRB_ERR_CORRUPT names the file and
 * what is wrong with it; CRB_ERR_EXISTS when another process has it open.
 */
CRB_NODISCARD enum crb_status crb_vault_open(
    const char *folder, struct crb_vault **out, struct crb_err *err);
void crb_vault_free(struct crb_vault *vault);

#define CRB_AUTO_VAULT __attribute__((cleanup(crb_vault_cleanup)))
static inline void
crb_vault_cleanup(struct crb_vault **vault)
{
	crb_vault_free(*vault);
}

struct crb_slot {
	unsigned number; /* from 1 */
	enum crb_slot_kind kind;
	struct crb_kdf_request kdf; /* passphrase */
};
size_t crb_vault_slots(
    const struct crb_vault *vault, const struct crb_slot **out);

/*
 * Unlock slot `number` with its key: crb_vault_kdf()'s, or the key file's
 * bytes.  CRB_ERR_DENIED when the key is wrong; CRB_ERR_CORRUPT when a record,
 * the head record or the generation does not fit, and then it stays locked.
 */
CRB_NODISCARD enum crb_status crb_vault_unlock(struct crb_vault *vault,
    unsigned number, const struct crb_key *key, struct crb_err *err);
/* Read a key file (base/path.h's crb_path_private). */
CRB_NODISCARD enum crb_status crb_vault_read_key_file(
    const char *path, struct crb_key **out, struct crb_err *err);
/* The same from a file that was opened and vetted by somebody else; `path` is
 * what errors call it. */
CRB_NODISCARD enum crb_status crb_vault_read_key_fd(
    int fd, const char *path, struct crb_key **out, struct crb_err *err);
void crb_vault_lock(struct crb_vault *vault);
bool crb_vault_unlocked(const struct crb_vault *vault);
/* A sub-key for another purpose; unlocked only. */
CRB_NODISCARD enum crb_status crb_vault_subkey(const struct crb_vault *vault,
    const char context[8], struct crb_key **out, struct crb_err *err);

/* What is in a record; only the kind shows in the store. */
enum crb_kind {
	CRB_KIND_HEAD = 1,
	CRB_KIND_CREDENTIAL = 2,
	CRB_KIND_PROFILE = 3,
	CRB_KIND_SESSION = 4,
	CRB_KIND_OUTBOX = 5,
	CRB_KIND_SETTING = 6,
	CRB_KIND_LEASE = 7,
	CRB_KIND_POLICY = 8, /* the mark of the policies: one */
};

#define CRB_RECORD_ID_BYTES 16
struct crb_record_id {
	uint8_t bytes[CRB_RECORD_ID_BYTES];
};
void crb_record_id_random(struct crb_record_id *out);

/* Every record of a kind, opened; unlocked only.  Stops when fn fails. */
typedef enum crb_status crb_record_fn(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_vault_each(const struct crb_vault *vault,
    enum crb_kind kind, crb_record_fn *fn, void *ctx, struct crb_err *err);

/*
 * A transaction: puts (insert or replace) and deletes, then crb_txn_seal() on
 * the owner's thread (nonces, revisions, the head record), crb_vault_write() on
 * the writer's (one SQLite transaction, one fsync), crb_vault_written() on the
 * owner's again.  At most one is sealed and not yet written at a time.
 */
struct crb_txn;
CRB_NODISCARD enum crb_status crb_txn_new(
    struct crb_vault *vault, struct crb_txn **out, struct crb_err *err);
void crb_txn_free(struct crb_txn *txn);
CRB_NODISCARD enum crb_status crb_txn_put(struct crb_txn *txn,
    enum crb_kind kind, const struct crb_record_id *id, const void *plain,
    size_t len, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_txn_delete(struct crb_txn *txn,
    enum crb_kind kind, const struct crb_record_id *id, struct crb_err *err);
bool crb_txn_empty(const struct crb_txn *txn);

#define CRB_AUTO_TXN __attribute__((cleanup(crb_txn_cleanup)))
static inline void
crb_txn_cleanup(struct crb_txn **txn)
{
	crb_txn_free(*txn);
}

CRB_NODISCARD enum crb_status crb_txn_seal(
    struct crb_txn *txn, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_vault_write(
    struct crb_vault *vault, struct crb_txn *txn, struct crb_err *err);
/* Take over the outcome: new revisions when `ok`, the old ones otherwise. */
void crb_vault_written(struct crb_vault *vault, struct crb_txn *txn, bool ok);

#endif /* !CRB_VAULT_H */
