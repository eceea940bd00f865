#ifndef CRB_UNIT_VAULT_H
#define CRB_UNIT_VAULT_H

/* What the tests of the vault and of the records share. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <sodium.h>
#include <sqlite3.h>

#include "base/cleanup.h"
#include "broker/vault/vault.h"
#include "tests/unit/unit.h"

#define UNIT_PATH_MAX 512

static inline void
unit_join(char out[UNIT_PATH_MAX], const char *folder, const char *name)
{
	assert_true(snprintf(out, UNIT_PATH_MAX, "%s/%s", folder, name) <
	    UNIT_PATH_MAX);
}

/* The same, for the statement that it stands in. */
static inline const char *
unit_path(const char *folder, const char *name)
{
	static char path[4][UNIT_PATH_MAX];
	static unsigned next;
	char *out = path[next++ % 4];

	unit_join(out, folder, name);
	return out;
}

/* A vault in folder/state, opened by the key file folder/key. */
static inline void
unit_vault_make(const char *folder)
{
	char key[UNIT_PATH_MAX];
	struct crb_vault_init init = { .key_file = key };
	struct crb_err err;

	unit_join(key, folder, "key");
	(void)mkdir(unit_path(folder, "state"), 0700);
	assert_ok(crb_vault_create(unit_path(folder, "state"), &init, &err));
}

static inline enum crb_status
unit_vault_try(const char *folder, struct crb_vault **out, struct crb_err *err)
{
	CRB_AUTO_VAULT struct crb_vault *vault = NULL;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	enum crb_status status;

	status = crb_vault_read_key_file(unit_path(folder, "key"), &key, err);
	if (status == CRB_OK)
		status = crb_vault_open(
		    unit_path(folder, "state"), &vault, err);
	if (status == CRB_OK)
		status = crb_vault_unlock(vault, 1, key, err);
	if (status == CRB_OK)
		*out = CRB_STEAL(vault);
	return status;
}

static inline struct crb_vault *
unit_vault_open(const char *folder)
{
	struct crb_vault *vault = NULL;
	struct crb_err err;

	assert_ok(unit_vault_try(folder, &vault, &err));
	return vault;
}

static inline enum crb_status
unit_txn_write(
    struct crb_vault *vault, struct crb_txn *txn, struct crb_err *err)
{
	enum crb_status status = crb_txn_seal(txn, err);

	if (status != CRB_OK)
		return status;
	status = crb_vault_write(vault, txn, err);
	crb_vault_written(vault, txn, status == CRB_OK);
	return status;
}

/* One record, in a transaction of its own; NULL deletes. */
static inline void
unit_vault_put(struct crb_vault *vault, enum crb_kind kind,
    const struct crb_record_id *id, const char *text)
{
	CRB_AUTO_TXN struct crb_txn *txn = NULL;
	struct crb_err err;

	assert_ok(crb_txn_new(vault, &txn, &err));
	if (text == NULL)
		assert_ok(crb_txn_delete(txn, kind, id, &err));
	else
		assert_ok(crb_txn_put(txn, kind, id, text, strlen(text), &err));
	assert_ok(unit_txn_write(vault, txn, &err));
}

struct unit_found {
	const struct crb_record_id *id; /* NULL: any */
	unsigned count;
	char text[256];
};

static inline enum crb_status
unit_found_one(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	struct unit_found *found = ctx;

	(void)err;
	if (found->id != NULL && memcmp(id, found->id, sizeof(*id)) != 0)
		return CRB_OK;
	found->count++;
	(void)snprintf(
	    found->text, sizeof(found->text), "%s", crb_secret_bytes(plain));
	return CRB_OK;
}

static inline struct unit_found
unit_vault_find(const struct crb_vault *vault, enum crb_kind kind,
    const struct crb_record_id *id)
{
	struct unit_found found = { .id = id };
	struct crb_err err;

	assert_ok(crb_vault_each(vault, kind, unit_found_one, &found, &err));
	return found;
}

/* A digest of every name and byte in a folder (without folders in it). */
struct unit_digest {
	unsigned char bytes[32];
};

static inline void
unit_digest_file(const char *folder, const char *name, unsigned char out[32])
{
	crypto_generichash_state state;
	unsigned char buf[4096];
	ssize_t n;
	int fd;

	(void)crypto_generichash_init(&state, NULL, 0, 32);
	(void)crypto_generichash_update(
	    &state, (const unsigned char *)name, strlen(name) + 1);
	fd = open(unit_path(folder, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd != -1) {
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			(void)crypto_generichash_update(&state, buf, (size_t)n);
		(void)close(fd);
	}
	(void)crypto_generichash_final(&state, out, 32);
}

static inline struct unit_digest
unit_digest_folder(const char *folder)
{
	struct unit_digest sum = { { 0 } };
	const struct dirent *entry;
	DIR *dir = opendir(folder);

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		unsigned char one[32];

		if (entry->d_name[0] == '.')
			continue;
		unit_digest_file(folder, entry->d_name, one);
		sodium_add(sum.bytes, one, sizeof(one));
	}
	(void)closedir(dir);
	return sum;
}

#define assert_untouched(folder, before)                                      \
	do {                                                                  \
		const struct unit_digest after_ = unit_digest_folder(folder); \
		assert_memory_equal(                                          \
		    after_.bytes, (before).bytes, sizeof(after_.bytes));      \
	} while (0)

/* As somebody with an editor would. */
static inline void
unit_sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;
	char *why = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline void
unit_copy(const char *from, const char *to)
{
	char buf[4096];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	(void)fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* Overwrite `len` bytes at `at`. */
static inline void
unit_poke(const char *path, off_t at, const void *bytes, size_t len)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

#endif /* !CRB_UNIT_VAULT_H */
