#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/cleanup.h"
#include "broker/vault/store.h"
#include "broker/vault/store_check.h"

/* Compared with what a database says of itself, byte for byte. */
#define SCHEMA                                                           \
	"CREATE TABLE record (kind INTEGER NOT NULL, id BLOB NOT NULL, " \
	"revision INTEGER NOT NULL, value BLOB NOT NULL, "               \
	"PRIMARY KEY (kind, id)) WITHOUT ROWID"

/* The names of SQLite's columns in what is selected below. */
enum { KIND, ID, REVISION, VALUE };

enum statement { GET, LIST, LIST_KIND, INSERT, UPDATE, DELETE, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[GET] = "SELECT kind, id, revision, value FROM record"
		" WHERE kind = ?1 AND id = ?2",
	[LIST] = "SELECT kind, id, revision, value FROM record"
		 " ORDER BY kind, id",
	[LIST_KIND] = "SELECT kind, id, revision, value FROM record"
		      " WHERE kind = ?1 ORDER BY id",
	[INSERT] = "INSERT INTO record (kind, id, revision, value)"
		   " VALUES (?1, ?2, ?4, ?5)",
	[UPDATE] = "UPDATE record SET revision = ?4, value = ?5"
		   " WHERE kind = ?1 AND id = ?2 AND revision = ?3",
	[DELETE] = "DELETE FROM record"
		   " WHERE kind = ?1 AND id = ?2 AND revision = ?3",
};

/* The connection's settings; secure_delete zeroes what a delete frees. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA synchronous = FULL;"
			       "PRAGMA secure_delete = ON;"
			       "PRAGMA cell_size_check = ON;"
			       "PRAGMA journal_size_limit = 16777216;";

struct sqlite_store {
	struct crb_store base;
	sqlite3 *db;
	sqlite3_stmt *statement[STATEMENTS];
	bool keep_log; /* do not let a close write to the file */
};

/* In SQLite's words, and the kernel's when it had any. */
static enum crb_status
say(sqlite3 *db, struct crb_err *err)
{
	const int code = sqlite3_errcode(db) & 0xff;
	const int system = sqlite3_system_errno(db);
	enum crb_status status = CRB_ERR_SYSTEM;

	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		status = CRB_ERR_CORRUPT;
	else if (code == SQLITE_NOMEM)
		status = CRB_ERR_NOMEM;
	else if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "in use by another program: %s", sqlite3_errmsg(db));
	/* Otherwise errno is of something else, long ago. */
	if (system != 0 &&
	    (code == SQLITE_FULL || code == SQLITE_IOERR ||
		code == SQLITE_CANTOPEN))
		return crb_err_set(err, status, "%s: %s", sqlite3_errmsg(db),
		    strerror(system));
	return crb_err_set(err, status, "%s", sqlite3_errmsg(db));
}

static enum crb_status
say_file(sqlite3 *db, struct crb_err *err)
{
	return crb_err_context(err, "%s", sqlite3_db_filename(db, "main"));
}

/* Rows have the types that we wrote, whatever an editor made of them. */
static enum crb_status
row(sqlite3_stmt *st, crb_store_fn *fn, void *ctx, struct crb_err *err)
{
	struct crb_record_id id;
	sqlite3_int64 kind, revision;
	const void *value;

	kind = sqlite3_column_int64(st, KIND);
	revision = sqlite3_column_int64(st, REVISION);
	if (sqlite3_column_type(st, KIND) != SQLITE_INTEGER ||
	    sqlite3_column_type(st, ID) != SQLITE_BLOB ||
	    sqlite3_column_type(st, REVISION) != SQLITE_INTEGER ||
	    sqlite3_column_type(st, VALUE) != SQLITE_BLOB ||
	    sqlite3_column_bytes(st, ID) != CRB_RECORD_ID_BYTES || kind < 1 ||
	    kind > INT_MAX || revision < 1) {
		(void)crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited: a row is not one of credbroker's");
		return say_file(sqlite3_db_handle(st), err);
	}
	memcpy(id.bytes, sqlite3_column_blob(st, ID), CRB_RECORD_ID_BYTES);
	if ((value = sqlite3_column_blob(st, VALUE)) == NULL)
		value = "";
	return fn(ctx, (enum crb_kind)kind, &id, (uint64_t)revision, value,
	    (size_t)sqlite3_column_bytes(st, VALUE), err);
}

static enum crb_status
rows(struct sqlite_store *store, enum statement which, crb_store_fn *fn,
    void *ctx, size_t *seen, struct crb_err *err)
{
	sqlite3_stmt *st = store->statement[which];
	enum crb_status status = CRB_OK;
	int code;

	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		*seen += 1;
		if ((status = row(st, fn, ctx, err)) != CRB_OK)
			break;
	}
	if (status == CRB_OK && code != SQLITE_DONE) {
		(void)say(store->db, err);
		status = say_file(store->db, err);
	}
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return status;
}

static enum crb_status
store_get(struct crb_store *base, enum crb_kind kind,
    const struct crb_record_id *id, crb_store_fn *fn, void *ctx,
    struct crb_err *err)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	enum crb_status status;
	size_t seen = 0;

	if (sqlite3_bind_int64(store->statement[GET], 1, (int)kind) !=
		SQLITE_OK ||
	    sqlite3_bind_blob(store->statement[GET], 2, id->bytes,
		CRB_RECORD_ID_BYTES, SQLITE_STATIC) != SQLITE_OK)
		return say(store->db, err);
	status = rows(store, GET, fn, ctx, &seen, err);
	if (status == CRB_OK && seen == 0)
		return crb_err_set(err, CRB_ERR_NOT_FOUND, "no such record");
	return status;
}

static enum crb_status
store_list(struct crb_store *base, unsigned kind, crb_store_fn *fn, void *ctx,
    struct crb_err *err)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	size_t seen = 0;

	if (kind == 0)
		return rows(store, LIST, fn, ctx, &seen, err);
	if (sqlite3_bind_int64(store->statement[LIST_KIND], 1, kind) !=
	    SQLITE_OK)
		return say(store->db, err);
	return rows(store, LIST_KIND, fn, ctx, &seen, err);
}

static enum statement
statement_of(const struct crb_store_change *change)
{
	if (change->value == NULL)
		return DELETE;
	return change->expected == 0 ? INSERT : UPDATE;
}

static bool
bind_change(sqlite3_stmt *st, const struct crb_store_change *change)
{
	return sqlite3_bind_int64(st, 1, (int)change->kind) == SQLITE_OK &&
	    sqlite3_bind_blob(st, 2, change->id.bytes, CRB_RECORD_ID_BYTES,
		SQLITE_STATIC) == SQLITE_OK &&
	    (sqlite3_bind_parameter_count(st) < 3 ||
		sqlite3_bind_int64(st, 3, (sqlite3_int64)change->expected) ==
		    SQLITE_OK) &&
	    (change->value == NULL ||
		(sqlite3_bind_int64(st, 4, (sqlite3_int64)change->revision) ==
			SQLITE_OK &&
		    sqlite3_bind_blob64(st, 5, change->value, change->len,
			SQLITE_STATIC) == SQLITE_OK));
}

static enum crb_status
apply(struct sqlite_store *store, const struct crb_store_change *change,
    struct crb_err *err)
{
	sqlite3_stmt *st = store->statement[statement_of(change)];
	enum crb_status status = CRB_OK;
	bool fits;

	if (!bind_change(st, change))
		status = say(store->db, err);
	else if (sqlite3_step(st) != SQLITE_DONE &&
	    sqlite3_errcode(store->db) != SQLITE_CONSTRAINT)
		status = say(store->db, err);
	/* A key that is taken already fails the step and changes nothing. */
	fits = sqlite3_errcode(store->db) != SQLITE_CONSTRAINT &&
	    sqlite3_changes(store->db) == 1;
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	if (status == CRB_OK && !fits)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "a record is not at the revision it was left at");
	return status;
}

static enum crb_status
store_batch(struct crb_store *base, const struct crb_store_change *changes,
    size_t count, struct crb_err *err)
{
	struct sqlite_store *store = (struct sqlite_store *)base;
	enum crb_status status = CRB_OK;

	if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return say(store->db, err);
	for (size_t i = 0; i < count && status == CRB_OK; i++)
		status = apply(store, &changes[i], err);
	if (status == CRB_OK &&
	    sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		status = say(store->db, err);
	if (status != CRB_OK && !sqlite3_get_autocommit(store->db))
		(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	if (status == CRB_OK && store->keep_log) {
		/* It was found good, or nobody would write to it. */
		(void)sqlite3_db_config(
		    store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		store->keep_log = false;
	}
	return status;
}

static void
store_close(struct crb_store *base)
{
	struct sqlite_store *store = (struct sqlite_store *)base;

	for (size_t i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize(store->statement[i]);
	(void)sqlite3_close(store->db);
	free(store);
}

static const struct crb_store_ops sqlite_ops = {
	.name = "sqlite",
	.get = store_get,
	.list = store_list,
	.batch = store_batch,
	.close = store_close,
};

static enum crb_status
run(sqlite3 *db, const char *text, struct crb_err *err)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		return say(db, err);
	return CRB_OK;
}

/* Nothing in the file may make the connection do more than it is told. */
static void
distrust(sqlite3 *db)
{
	static const int options[][2] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)sqlite3_db_config(db, options[i][0], options[i][1], NULL);
	(void)sqlite3_extended_result_codes(db, 0);
	(void)sqlite3_busy_timeout(db, 0);
}

/* Also the first read, which takes the lock. */
static enum crb_status
check_schema(sqlite3 *db, struct crb_err *err)
{
	static const char query[] =
	    "SELECT count(*), coalesce(sum(type = 'table' AND name = 'record'"
	    " AND tbl_name = 'record' AND sql = '" SCHEMA "'), 0)"
	    " FROM sqlite_schema";
	sqlite3_stmt *st = NULL;
	enum crb_status status = CRB_OK;

	if (sqlite3_prepare_v2(db, query, -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		status = say(db, err);
	else if (sqlite3_column_int(st, 0) != 1 ||
	    sqlite3_column_int(st, 1) != 1)
		status = crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited: its schema is not the one credbroker made");
	(void)sqlite3_finalize(st);
	return status;
}

static enum crb_status
prepare(struct sqlite_store *store, struct crb_err *err)
{
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(store->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &store->statement[i],
			NULL) != SQLITE_OK)
			return say(store->db, err);
	return CRB_OK;
}

static enum crb_status
start(struct sqlite_store *store, const char *path, struct crb_err *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
	enum crb_status status;

	if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK)
		return store->db == NULL
		    ? crb_err_set(err, CRB_ERR_NOMEM, "no memory for SQLite")
		    : say(store->db, err);
	distrust(store->db);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
	    (int)store->keep_log, NULL);
	if ((status = run(store->db, settings, err)) != CRB_OK ||
	    (status = check_schema(store->db, err)) != CRB_OK)
		return status;
	return prepare(store, err);
}

/*
 * Put back by hand it may have any mode, which SQLite would give to the files
 * that it makes beside it.
 */
static enum crb_status
close_to_others(const char *path, struct crb_err *err)
{
	CRB_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1 ||
	    ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) == -1))
		return crb_err_errno(err, "its mode");
	return CRB_OK;
}

enum crb_status
crb_store_sqlite_open(
    const char *path, struct crb_store **out, struct crb_err *err)
{
	CRB_AUTO_STORE struct crb_store *base = NULL;
	struct sqlite_store *store;
	bool has_log = false;

	if (crb_store_check_file(path, &has_log, err) != CRB_OK ||
	    close_to_others(path, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	if ((store = calloc(1, sizeof(*store))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for the store");
	store->base.ops = &sqlite_ops;
	base = &store->base;
	/* A close would fold the log into a file not yet known to be good. */
	store->keep_log = has_log;
	if (start(store, path, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	*out = CRB_STEAL(base);
	return CRB_OK;
}

static enum crb_status
fill(sqlite3 *db, struct crb_err *err)
{
	char version[128];

	(void)sqlite3_snprintf(sizeof(version), version,
	    "PRAGMA page_size = %d; PRAGMA application_id = %d;"
	    "PRAGMA user_version = %d;",
	    CRB_STORE_PAGE, CRB_STORE_APPLICATION, CRB_STORE_FORMAT);
	if (run(db, version, err) != CRB_OK ||
	    run(db, "PRAGMA journal_mode = WAL", err) != CRB_OK ||
	    run(db, settings, err) != CRB_OK)
		return err->status;
	return run(db, SCHEMA, err);
}

enum crb_status
crb_store_sqlite_create(const char *path, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	sqlite3 *db = NULL;
	enum crb_status status;

	/* Made here, so that its mode is ours whatever the umask is. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 || fchmod(fd, 0600) == -1)
		return crb_err_errno(err, "%s", path);
	if (sqlite3_open_v2(path, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW,
		NULL) != SQLITE_OK)
		status = db == NULL
		    ? crb_err_set(err, CRB_ERR_NOMEM, "no memory for SQLite")
		    : say(db, err);
	else
		status = fill(db, err);
	/* The last connection's close folds the log in and removes it. */
	if (sqlite3_close(db) != SQLITE_OK && status == CRB_OK)
		status = crb_err_set(
		    err, CRB_ERR_SYSTEM, "the new store does not close");
	if (status != CRB_OK) {
		(void)unlink(path);
		return crb_err_context(err, "%s", path);
	}
	return CRB_OK;
}
