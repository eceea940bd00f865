#ifndef CRB_VAULT_STORE_H
#define CRB_VAULT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "broker/vault/vault.h"

/*
 * Where sealed records are kept: a key-value store with a revision a row.  It
 * knows kinds, ids, revisions and sizes, never a plain value.  Narrow on
 * purpose: a distributed engine will implement it too.
 *
 * Put and delete come as a batch only, since every change of ours goes with
 * its audit record and the head record.  There is no watch yet: with one
 * process there is nobody else whose changes could be watched.
 *
 * One thread at a time may use a store; which one does not matter.
 */
struct crb_store;

/* `value` is borrowed until the callback returns.  Stops when fn fails. */
typedef enum crb_status crb_store_fn(void *ctx, enum crb_kind kind,
    const struct crb_record_id *id, uint64_t revision, const void *value,
    size_t len, struct crb_err *err);

/* One change: `expected` is the revision that is there, 0 for none. */
struct crb_store_change {
	enum crb_kind kind;
	struct crb_record_id id;
	uint64_t expected;
	uint64_t revision;    /* the new one; 0 deletes */
	const uint8_t *value; /* borrowed; NULL deletes */
	size_t len;
};

struct crb_store_ops {
	const char *name; /* "sqlite" */
	/* fn is called once, or not at all: then it is CRB_ERR_NOT_FOUND. */
	enum crb_status (*get)(struct crb_store *store, enum crb_kind kind,
	    const struct crb_record_id *id, crb_store_fn *fn, void *ctx,
	    struct crb_err *err);
	/* All of one kind, or of every kind when it is 0, by kind and id. */
	enum crb_status (*list)(struct crb_store *store, unsigned kind,
	    crb_store_fn *fn, void *ctx, struct crb_err *err);
	/*
	 * All of them, durable, or none.  CRB_ERR_CORRUPT when a row is not at
	 * the revision that is expected; CRB_ERR_SYSTEM with the engine's own
	 * words when it could not be written.
	 */
	enum crb_status (*batch)(struct crb_store *store,
	    const struct crb_store_change *changes, size_t count,
	    struct crb_err *err);
	void (*close)(struct crb_store *store);
};

/* An implementation's struct begins with this. */
struct crb_store {
	const struct crb_store_ops *ops;
};

/*
 * The embedded default: one SQLite database in WAL mode, opened by nobody
 * else.  `path` has no symbolic link in it.  Opening one that is truncated,
 * of another format, of an edited schema, or is not ours is CRB_ERR_CORRUPT
 * and leaves every byte as it was; CRB_ERR_EXISTS when it is in use.
 */
CRB_NODISCARD enum crb_status crb_store_sqlite_create(
    const char *path, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_store_sqlite_open(
    const char *path, struct crb_store **out, struct crb_err *err);

static inline void
crb_store_close(struct crb_store *store)
{
	if (store != NULL)
		store->ops->close(store);
}

#define CRB_AUTO_STORE __attribute__((cleanup(crb_store_cleanup)))
static inline void
crb_store_cleanup(struct crb_store **store)
{
	crb_store_close(*store);
}

#endif /* !CRB_VAULT_STORE_H */
