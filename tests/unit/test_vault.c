#include "broker/vault/vault.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/vault.h"

struct fixture {
	char folder[UNIT_FOLDER_MAX];
	char state[UNIT_PATH_MAX];
	struct crb_vault *vault;
};

static const struct crb_record_id one = { { 1 } }, two = { { 2 } };

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	unit_folder_make(fixture->folder);
	unit_vault_make(fixture->folder);
	unit_join(fixture->state, fixture->folder, "state");
	fixture->vault = unit_vault_open(fixture->folder);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	crb_vault_free(fixture->vault);
	unit_folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

static void
close_vault(struct fixture *fixture)
{
	crb_vault_free(fixture->vault);
	fixture->vault = NULL;
}

static void
reopen(struct fixture *fixture)
{
	close_vault(fixture);
	fixture->vault = unit_vault_open(fixture->folder);
}

/* Opening or unlocking says so, and changes no byte of any file. */
static void
assert_refused(struct fixture *fixture, const char *says)
{
	const struct unit_digest before = unit_digest_folder(fixture->state);
	struct crb_err err;

	assert_fails(unit_vault_try(fixture->folder, &fixture->vault, &err),
	    CRB_ERR_CORRUPT);
	if (strstr(err.msg, says) == NULL)
		fail_msg("no \"%s\" in: %s", says, err.msg);
	assert_untouched(fixture->state, before);
}

static void
sql(struct fixture *fixture, const char *text)
{
	unit_sql(unit_path(fixture->state, "store.db"), text);
}

static void
records_outlive_a_reopen(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "a");
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &two, "b");
	unit_vault_put(fixture->vault, CRB_KIND_PROFILE, &one, "c");
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "d");
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &two, NULL);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(
		    unit_vault_find(fixture->vault, CRB_KIND_SETTING, &one)
			.text,
		    "d");
		assert_int_equal(
		    unit_vault_find(fixture->vault, CRB_KIND_SETTING, NULL)
			.count,
		    1);
		assert_string_equal(
		    unit_vault_find(fixture->vault, CRB_KIND_PROFILE, &one)
			.text,
		    "c");
		reopen(fixture);
	}
}

static void
the_last_word_of_a_transaction_counts(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_TXN struct crb_txn *txn = NULL;
	struct crb_err err;

	assert_ok(crb_txn_new(fixture->vault, &txn, &err));
	assert_true(crb_txn_empty(txn));
	assert_ok(crb_txn_put(txn, CRB_KIND_SETTING, &one, "a", 1, &err));
	assert_ok(crb_txn_put(txn, CRB_KIND_SETTING, &one, "b", 1, &err));
	assert_ok(crb_txn_put(txn, CRB_KIND_SETTING, &two, "c", 1, &err));
	assert_ok(crb_txn_delete(txn, CRB_KIND_SETTING, &two, &err));
	assert_ok(crb_txn_delete(txn, CRB_KIND_PROFILE, &two, &err));
	assert_false(crb_txn_empty(txn));
	assert_ok(unit_txn_write(fixture->vault, txn, &err));
	reopen(fixture);
	assert_string_equal(
	    unit_vault_find(fixture->vault, CRB_KIND_SETTING, NULL).text, "b");
	assert_int_equal(
	    unit_vault_find(fixture->vault, CRB_KIND_SETTING, NULL).count, 1);
}

static void
only_one_transaction_is_sealed_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_TXN struct crb_txn *first = NULL;
	CRB_AUTO_TXN struct crb_txn *second = NULL;
	struct unit_found found = { 0 };
	struct crb_err err;

	assert_ok(crb_txn_new(fixture->vault, &first, &err));
	assert_ok(crb_txn_new(fixture->vault, &second, &err));
	assert_ok(crb_txn_put(first, CRB_KIND_SETTING, &one, "a", 1, &err));
	assert_ok(crb_txn_put(second, CRB_KIND_SETTING, &one, "b", 1, &err));
	assert_ok(crb_txn_seal(first, &err));
	assert_fails(crb_txn_seal(second, &err), CRB_ERR_LIMIT);
	assert_fails(
	    crb_vault_write(fixture->vault, second, &err), CRB_ERR_INVALID);
	assert_fails(crb_txn_put(first, CRB_KIND_SETTING, &two, "a", 1, &err),
	    CRB_ERR_INVALID);
	assert_fails(crb_vault_each(fixture->vault, CRB_KIND_SETTING,
			 unit_found_one, &found, &err),
	    CRB_ERR_LIMIT);
	assert_ok(crb_vault_write(fixture->vault, first, &err));
	crb_vault_written(fixture->vault, first, true);
	assert_ok(unit_txn_write(fixture->vault, second, &err));
	reopen(fixture);
	assert_string_equal(
	    unit_vault_find(fixture->vault, CRB_KIND_SETTING, &one).text, "b");
}

static void
a_failed_write_leaves_all_as_it_was(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_TXN struct crb_txn *txn = NULL;
	static char big[256 << 10];
	struct rlimit was, limit;
	struct crb_err err;

	(void)signal(SIGXFSZ, SIG_IGN);
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "a");
	assert_ok(crb_txn_new(fixture->vault, &txn, &err));
	assert_ok(
	    crb_txn_put(txn, CRB_KIND_SETTING, &one, big, sizeof(big), &err));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = (struct rlimit){ 64 << 10, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(unit_txn_write(fixture->vault, txn, &err), CRB_ERR_SYSTEM);
	assert_says("store.db");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_string_equal(
	    unit_vault_find(fixture->vault, CRB_KIND_SETTING, &one).text, "a");
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "b");
	reopen(fixture);
	assert_string_equal(
	    unit_vault_find(fixture->vault, CRB_KIND_SETTING, &one).text, "b");
}

static void
a_locked_vault_gives_nothing(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct unit_found found = { 0 };
	struct crb_txn *txn = NULL;
	struct crb_err err;

	assert_true(crb_vault_unlocked(fixture->vault));
	crb_vault_lock(fixture->vault);
	assert_false(crb_vault_unlocked(fixture->vault));
	assert_fails(crb_vault_each(fixture->vault, CRB_KIND_SETTING,
			 unit_found_one, &found, &err),
	    CRB_ERR_LOCKED);
	assert_fails(crb_txn_new(fixture->vault, &txn, &err), CRB_ERR_LOCKED);
	assert_fails(crb_vault_subkey(fixture->vault, "testtest", &key, &err),
	    CRB_ERR_LOCKED);
}

static void
subkeys_are_the_same_after_a_reopen_and_differ_by_context(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_KEY struct crb_key *a = NULL;
	CRB_AUTO_KEY struct crb_key *b = NULL;
	CRB_AUTO_KEY struct crb_key *c = NULL;
	struct crb_err err;

	assert_ok(crb_vault_subkey(fixture->vault, "test-one", &a, &err));
	assert_ok(crb_vault_subkey(fixture->vault, "test-two", &b, &err));
	reopen(fixture);
	assert_ok(crb_vault_subkey(fixture->vault, "test-one", &c, &err));
	assert_memory_equal(crb_key_bytes(a), crb_key_bytes(c), CRB_KEY_BYTES);
	assert_memory_not_equal(
	    crb_key_bytes(a), crb_key_bytes(b), CRB_KEY_BYTES);
}

static void
a_wrong_key_is_denied_and_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct unit_digest before;
	struct crb_err err;

	close_vault(fixture);
	before = unit_digest_folder(fixture->state);
	assert_ok(crb_key_random(&key, &err));
	assert_ok(crb_vault_open(fixture->state, &fixture->vault, &err));
	assert_fails(
	    crb_vault_unlock(fixture->vault, 1, key, &err), CRB_ERR_DENIED);
	assert_says("key file");
	assert_fails(
	    crb_vault_unlock(fixture->vault, 2, key, &err), CRB_ERR_NOT_FOUND);
	assert_false(crb_vault_unlocked(fixture->vault));
	close_vault(fixture);
	assert_untouched(fixture->state, before);
}

static void
a_second_open_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct crb_vault *second = NULL;
	struct crb_err err;

	assert_fails(
	    crb_vault_open(fixture->state, &second, &err), CRB_ERR_EXISTS);
	assert_says("another credbroker has this vault open");
}

static void
no_vault_is_not_found(void **state)
{
	struct fixture *fixture = *state;
	struct crb_vault *vault = NULL;
	struct crb_err err;

	assert_fails(
	    crb_vault_open(fixture->folder, &vault, &err), CRB_ERR_NOT_FOUND);
	assert_says("credbroker init");
	assert_fails(crb_vault_open("/nonexistent/folder", &vault, &err),
	    CRB_ERR_NOT_FOUND);
}

static void
create_refuses_to_overwrite(void **state)
{
	static const char *const names[] = { "vault", "store.db",
		"generation" };
	struct fixture *fixture = *state;
	char key[UNIT_PATH_MAX];
	const struct crb_vault_init init = { .key_file = key };
	struct unit_digest before;
	struct crb_err err;

	unit_join(key, fixture->folder, "other-key");
	assert_fails(
	    crb_vault_create(fixture->state, &init, &err), CRB_ERR_EXISTS);
	assert_says("another credbroker");
	close_vault(fixture);
	/* Any one part that is left is enough. */
	for (size_t i = 0; i < 3; i++) {
		before = unit_digest_folder(fixture->state);
		assert_fails(crb_vault_create(fixture->state, &init, &err),
		    CRB_ERR_EXISTS);
		assert_says("not touched");
		assert_says(names[i]);
		assert_untouched(fixture->state, before);
		assert_int_equal(access(key, F_OK), -1);
		assert_int_equal(
		    unlink(unit_path(fixture->state, names[i])), 0);
	}
	assert_ok(crb_vault_create(fixture->state, &init, &err));
}

static void
a_failed_create_leaves_nothing_behind(void **state)
{
	struct fixture *fixture = *state;
	char key[UNIT_PATH_MAX], folder[UNIT_PATH_MAX];
	const struct crb_vault_init init = { .key_file = key };
	enum crb_status status = CRB_ERR_SYSTEM;
	struct rlimit was, limit;
	struct unit_digest before;
	unsigned failures = 0;
	struct crb_err err;

	(void)signal(SIGXFSZ, SIG_IGN);
	unit_join(key, fixture->folder, "other-key");
	unit_join(folder, fixture->folder, "new");
	assert_int_equal(mkdir(folder, 0700), 0);
	before = unit_digest_folder(folder);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	for (rlim_t size = 0; status != CRB_OK; size += 400) {
		limit = (struct rlimit){ size, was.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		status = crb_vault_create(folder, &init, &err);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		if (status == CRB_OK)
			break;
		failures++;
		assert_untouched(folder, before);
		assert_int_equal(access(key, F_OK), -1);
	}
	/* In the key file, the store, and its log. */
	assert_true(failures > 10);
}

static void
a_key_file_is_judged(void **state)
{
	struct fixture *fixture = *state;
	char path[UNIT_PATH_MAX];
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct stat st;
	struct crb_err err;

	unit_join(path, fixture->folder, "key");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, CRB_KEY_BYTES);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_not_equal(crb_vault_read_key_file(path, &key, &err), CRB_OK);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 31), 0);
	assert_fails(
	    crb_vault_read_key_file(path, &key, &err), CRB_ERR_INVALID);
	assert_says("exactly 32 bytes");
	assert_fails(crb_vault_read_key_file("/nonexistent", &key, &err),
	    CRB_ERR_NOT_FOUND);
	assert_null(key);
}

/* The only test that pays for Argon2id, three times. */
static void
a_passphrase_opens_its_vault_and_no_other_does(void **state)
{
	static const char words[] = "correct horse battery staple";
	struct fixture *fixture = *state;
	CRB_AUTO_SECRET struct crb_secret *right = NULL;
	CRB_AUTO_SECRET struct crb_secret *wrong = NULL;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	CRB_AUTO_KEY struct crb_key *bad = NULL;
	struct crb_vault_init init = { .cost = { 3, (uint64_t)256 << 20 } };
	const struct crb_slot *slot;
	char folder[UNIT_PATH_MAX];
	struct crb_err err;

	unit_join(folder, fixture->folder, "new");
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_ok(crb_secret_copy(words, strlen(words), &right, &err));
	assert_ok(crb_secret_copy("wrong", 5, &wrong, &err));
	init.passphrase = right;
	assert_ok(crb_vault_create(folder, &init, &err));
	reopen(fixture);
	close_vault(fixture);
	assert_ok(crb_vault_open(folder, &fixture->vault, &err));
	assert_int_equal(crb_vault_slots(fixture->vault, &slot), 1);
	assert_int_equal(slot->kind, CRB_SLOT_PASSPHRASE);
	assert_ok(crb_vault_kdf(&slot->kdf, wrong, &bad, &err));
	assert_fails(
	    crb_vault_unlock(fixture->vault, 1, bad, &err), CRB_ERR_DENIED);
	assert_says("wrong passphrase");
	assert_ok(crb_vault_kdf(&slot->kdf, right, &key, &err));
	assert_ok(crb_vault_unlock(fixture->vault, 1, key, &err));
}

static void
a_cheap_passphrase_is_refused(void **state)
{
	const struct crb_kdf_request cheap[] = {
		{ .cost = { 2, (uint64_t)256 << 20 } },
		{ .cost = { 3, ((uint64_t)256 << 20) - 1 } },
		{ .cost = { 3, (uint64_t)5 << 30 } },
	};
	const struct crb_kdf_request fine = { .cost = {
						  3, (uint64_t)256 << 20 } };
	CRB_AUTO_SECRET struct crb_secret *words = NULL;
	CRB_AUTO_SECRET struct crb_secret *empty = NULL;
	struct crb_key *key = NULL;
	struct crb_err err;

	(void)state;
	assert_ok(crb_secret_copy("words", 5, &words, &err));
	assert_ok(crb_secret_copy("", 0, &empty, &err));
	for (size_t i = 0; i < 3; i++)
		assert_fails(crb_vault_kdf(&cheap[i], words, &key, &err),
		    CRB_ERR_INVALID);
	assert_fails(crb_vault_kdf(&fine, empty, &key, &err), CRB_ERR_INVALID);
}

static void
a_damaged_header_is_named(void **state)
{
	struct fixture *fixture = *state;
	char path[UNIT_PATH_MAX];
	struct stat st;

	unit_join(path, fixture->state, "vault");
	close_vault(fixture);
	unit_poke(path, 40, "x", 1);
	assert_refused(fixture, "edited or damaged: its checksum");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	assert_refused(fixture, "/vault: truncated");
	unit_poke(path, 8, "\7", 1);
	assert_refused(fixture, "written by format 7; this program reads 1");
}

static void
a_missing_part_is_named(void **state)
{
	static const char *const names[] = { "generation", "store.db",
		"vault" };

	for (size_t i = 0; i < 3; i++) {
		struct fixture *fixture = *state;

		close_vault(fixture);
		assert_int_equal(
		    unlink(unit_path(fixture->state, names[i])), 0);
		assert_refused(fixture, "is missing");
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void
swapped_values_are_seen(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "a");
	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &two, "b");
	close_vault(fixture);
	sql(fixture,
	    "CREATE TEMP TABLE t AS SELECT * FROM record;"
	    "UPDATE record SET value = (SELECT value FROM t WHERE"
	    " t.kind = 2 AND t.id <> record.id) WHERE kind = 2");
	assert_refused(
	    fixture, "store.db: credential record 01000000: edited, swapped");
}

/* Value and revision, which is what the seal names, and still not the id. */
static void
a_renamed_row_is_seen(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "a");
	close_vault(fixture);
	sql(fixture,
	    "UPDATE record SET id = x'02000000000000000000000000000000'"
	    " WHERE kind = 2");
	assert_refused(fixture, "credential record 02000000");
}

static void
another_kind_of_the_same_id_is_seen(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "a");
	close_vault(fixture);
	sql(fixture, "UPDATE record SET kind = 3 WHERE kind = 2");
	assert_refused(fixture, "profile record 01000000");
	sql(fixture, "UPDATE record SET kind = 77 WHERE kind = 3");
	assert_refused(fixture, "unknown record 01000000");
}

static void
an_edited_value_is_seen(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "a");
	close_vault(fixture);
	sql(fixture,
	    "UPDATE record SET value = CAST(value || x'00' AS BLOB) WHERE kind = 2");
	assert_refused(fixture, "credential record 01000000: edited");
	sql(fixture, "UPDATE record SET value = x'01' WHERE kind = 2");
	assert_refused(fixture, "credential record 01000000: truncated");
	sql(fixture, "UPDATE record SET value = zeroblob(80) WHERE kind = 2");
	assert_refused(fixture, "sealed in format 0");
}

/* What was taken out of the store before, and is put back into it now. */
static void
an_older_row_is_seen(void **state)
{
	struct fixture *fixture = *state;
	char text[UNIT_PATH_MAX];

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "old");
	close_vault(fixture);
	unit_copy(unit_path(fixture->state, "store.db"),
	    unit_path(fixture->folder, "old.db"));
	fixture->vault = unit_vault_open(fixture->folder);
	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "new");
	close_vault(fixture);
	(void)snprintf(text, sizeof(text),
	    "ATTACH '%s/old.db' AS old; REPLACE INTO record "
	    "SELECT * FROM old.record WHERE kind = 2",
	    fixture->folder);
	sql(fixture, text);
	assert_refused(fixture, "store.db: a record was put back");
}

/* A row of the same id that was deleted and made anew in between. */
static void
an_older_row_of_a_reborn_record_is_seen(void **state)
{
	struct fixture *fixture = *state;
	char text[UNIT_PATH_MAX];

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "old");
	close_vault(fixture);
	unit_copy(unit_path(fixture->state, "store.db"),
	    unit_path(fixture->folder, "old.db"));
	fixture->vault = unit_vault_open(fixture->folder);
	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, NULL);
	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "new");
	close_vault(fixture);
	(void)snprintf(text, sizeof(text),
	    "ATTACH '%s/old.db' AS old; REPLACE INTO record "
	    "SELECT * FROM old.record WHERE kind = 2",
	    fixture->folder);
	sql(fixture, text);
	assert_refused(fixture, "store.db: a record was put back");
}

static void
a_removed_row_is_seen(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "a");
	close_vault(fixture);
	sql(fixture, "DELETE FROM record WHERE kind = 2");
	assert_refused(fixture,
	    "store.db holds 0 records and should hold 1: some were removed");
}

static void
a_deleted_row_that_comes_back_is_seen(void **state)
{
	struct fixture *fixture = *state;
	char text[UNIT_PATH_MAX];

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, "a");
	close_vault(fixture);
	unit_copy(unit_path(fixture->state, "store.db"),
	    unit_path(fixture->folder, "old.db"));
	fixture->vault = unit_vault_open(fixture->folder);
	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, NULL);
	close_vault(fixture);
	(void)snprintf(text, sizeof(text),
	    "ATTACH '%s/old.db' AS old; INSERT INTO record "
	    "SELECT * FROM old.record WHERE kind = 2",
	    fixture->folder);
	sql(fixture, text);
	assert_refused(fixture, "should hold 0: some were added");
}

static void
a_missing_or_foreign_head_is_seen(void **state)
{
	struct fixture *fixture = *state;
	char other[UNIT_PATH_MAX];

	close_vault(fixture);
	unit_join(other, fixture->folder, "other");
	assert_int_equal(mkdir(other, 0700), 0);
	unit_vault_make(other);
	unit_copy(unit_path(other, "state/store.db"),
	    unit_path(fixture->state, "store.db"));
	assert_refused(fixture, "the store is another vault's");
	sql(fixture, "DELETE FROM record WHERE kind = 1");
	assert_refused(fixture, "the head record is missing");
}

static void
an_older_store_is_seen_with_both_generations(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "a");
	close_vault(fixture);
	unit_copy(unit_path(fixture->state, "store.db"),
	    unit_path(fixture->folder, "old.db"));
	fixture->vault = unit_vault_open(fixture->folder);
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "b");
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "c");
	close_vault(fixture);
	unit_copy(unit_path(fixture->folder, "old.db"),
	    unit_path(fixture->state, "store.db"));
	assert_refused(fixture,
	    "store.db is older (generation 2) than the last one seen (4)");
}

static void
a_bad_generation_is_named(void **state)
{
	struct fixture *fixture = *state;
	char path[UNIT_PATH_MAX];

	unit_join(path, fixture->state, "generation");
	close_vault(fixture);
	unit_poke(path, 24, "\0", 1);
	assert_refused(fixture, "generation: edited: its seal");
	unit_poke(path, 9, "xx", 2);
	assert_refused(fixture, "generation: it belongs to another vault");
	unit_poke(path, 0, "x", 1);
	assert_refused(fixture, "generation: edited: not credbroker's");
	assert_int_equal(truncate(path, 63), 0);
	assert_refused(fixture, "generation: truncated: 63 of 64");
}

/* After a power cut the copy may be behind: that is not a rollback. */
static void
a_generation_behind_the_store_is_fine(void **state)
{
	struct fixture *fixture = *state;

	unit_copy(unit_path(fixture->state, "generation"),
	    unit_path(fixture->folder, "old"));
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "a");
	close_vault(fixture);
	unit_copy(unit_path(fixture->folder, "old"),
	    unit_path(fixture->state, "generation"));
	fixture->vault = unit_vault_open(fixture->folder);
	close_vault(fixture);
	/* And it was brought up to date. */
	unit_copy(unit_path(fixture->state, "store.db"),
	    unit_path(fixture->folder, "old.db"));
	fixture->vault = unit_vault_open(fixture->folder);
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "b");
	close_vault(fixture);
	unit_copy(unit_path(fixture->folder, "old.db"),
	    unit_path(fixture->state, "store.db"));
	assert_refused(fixture, "is older");
}

/* A write that failed may still be on the disk: its number is not reused. */
static void
a_failed_transactions_generation_is_not_used_again(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_TXN struct crb_txn *txn = NULL;
	struct crb_err err;

	assert_ok(crb_txn_new(fixture->vault, &txn, &err));
	assert_ok(crb_txn_put(txn, CRB_KIND_SETTING, &one, "a", 1, &err));
	assert_ok(crb_txn_seal(txn, &err));
	crb_vault_written(fixture->vault, txn, false);
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "b");
	close_vault(fixture);
	sql(fixture,
	    "CREATE TEMP TABLE t (x CHECK (x = 1)); INSERT INTO t"
	    " SELECT count(*) FROM record WHERE kind = 6 AND revision = 3");
}

static void
no_plain_byte_is_in_any_file(void **state)
{
	static const char canary[] = "canary-4f1c9a77";
	struct fixture *fixture = *state;
	static char bytes[1 << 20];
	const char *const names[] = { "store.db", "store.db-wal", "generation",
		"vault" };

	unit_vault_put(fixture->vault, CRB_KIND_CREDENTIAL, &one, canary);
	for (size_t i = 0; i < 4; i++) {
		FILE *file = fopen(unit_path(fixture->state, names[i]), "rb");
		size_t len;

		assert_non_null(file);
		len = fread(bytes, 1, sizeof(bytes), file);
		(void)fclose(file);
		assert_true(len > 0);
		assert_null(memmem(bytes, len, canary, strlen(canary)));
	}
}

/* Commits one record after another, each number written to `fd` once done. */
static void
commit_for_ever(const char *folder, int fd)
{
	struct crb_vault *vault = NULL;
	struct crb_err err;

	if (unit_vault_try(folder, &vault, &err) != CRB_OK)
		_exit(1);
	for (unsigned i = 1;; i++) {
		CRB_AUTO_TXN struct crb_txn *txn = NULL;

		if (crb_txn_new(vault, &txn, &err) != CRB_OK ||
		    crb_txn_put(txn, CRB_KIND_SETTING, &one, &i, sizeof(i),
			&err) != CRB_OK ||
		    crb_txn_put(txn, CRB_KIND_PROFILE, &two, &i, sizeof(i),
			&err) != CRB_OK ||
		    unit_txn_write(vault, txn, &err) != CRB_OK ||
		    write(fd, &i, sizeof(i)) != (ssize_t)sizeof(i))
			_exit(1);
	}
}

static enum crb_status
number_of(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	(void)id;
	(void)err;
	assert_int_equal(crb_secret_len(plain), sizeof(unsigned));
	memcpy(ctx, crb_secret_bytes(plain), sizeof(unsigned));
	return CRB_OK;
}

static void
a_killed_writer_loses_nothing_that_it_was_told_is_done(void **state)
{
	struct fixture *fixture = *state;
	struct crb_err err;

	close_vault(fixture);
	for (int round = 0; round < 12; round++) {
		unsigned done = 0, setting = 0, profile = 0, last;
		int pipes[2], status;
		pid_t child;

		assert_int_equal(pipe(pipes), 0);
		assert_int_not_equal(child = fork(), -1);
		if (child == 0)
			commit_for_ever(fixture->folder, pipes[1]);
		(void)close(pipes[1]);
		last = 1 + randombytes_uniform(40);
		while (done < last && read(pipes[0], &done, sizeof(done)) > 0)
			continue;
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		while (read(pipes[0], &done, sizeof(done)) > 0)
			continue;
		(void)close(pipes[0]);
		fixture->vault = unit_vault_open(fixture->folder);
		assert_ok(crb_vault_each(fixture->vault, CRB_KIND_SETTING,
		    number_of, &setting, &err));
		assert_ok(crb_vault_each(fixture->vault, CRB_KIND_PROFILE,
		    number_of, &profile, &err));
		assert_int_equal(setting, profile);
		assert_in_range(setting, done, done + 1);
		close_vault(fixture);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(records_outlive_a_reopen),
		TEST(the_last_word_of_a_transaction_counts),
		TEST(only_one_transaction_is_sealed_at_a_time),
		TEST(a_failed_write_leaves_all_as_it_was),
		TEST(a_locked_vault_gives_nothing),
		TEST(subkeys_are_the_same_after_a_reopen_and_differ_by_context),
		TEST(a_wrong_key_is_denied_and_changes_nothing),
		TEST(a_second_open_is_refused),
		TEST(no_vault_is_not_found),
		TEST(create_refuses_to_overwrite),
		TEST(a_failed_create_leaves_nothing_behind),
		TEST(a_key_file_is_judged),
		TEST(a_passphrase_opens_its_vault_and_no_other_does),
		TEST(a_cheap_passphrase_is_refused),
		TEST(a_damaged_header_is_named),
		TEST(a_missing_part_is_named),
		TEST(swapped_values_are_seen),
		TEST(a_renamed_row_is_seen),
		TEST(another_kind_of_the_same_id_is_seen),
		TEST(an_edited_value_is_seen),
		TEST(an_older_row_is_seen),
		TEST(an_older_row_of_a_reborn_record_is_seen),
		TEST(a_removed_row_is_seen),
		TEST(a_deleted_row_that_comes_back_is_seen),
		TEST(a_missing_or_foreign_head_is_seen),
		TEST(an_older_store_is_seen_with_both_generations),
		TEST(a_bad_generation_is_named),
		TEST(a_generation_behind_the_store_is_fine),
		TEST(a_failed_transactions_generation_is_not_used_again),
		TEST(no_plain_byte_is_in_any_file),
		TEST(a_killed_writer_loses_nothing_that_it_was_told_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
