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
		TEST(a_second_open_is_refused),
		TEST(no_vault_is_not_found),
		TEST(a_failed_transactions_generation_is_not_used_again),
		TEST(no_plain_byte_is_in_any_file),
		TEST(a_killed_writer_loses_nothing_that_it_was_told_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
