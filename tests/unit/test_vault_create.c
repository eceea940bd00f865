#include "broker/vault/vault.h"

#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/vault.h"

struct fixture {
	char folder[UNIT_FOLDER_MAX];
	char state[UNIT_PATH_MAX];
	struct crb_vault *vault;
};

static const struct crb_record_id one = { { 1 } };

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

/* SQLite would play it into the new store. */
static void
a_log_that_was_left_is_never_played_into_a_new_store(void **state)
{
	struct fixture *fixture = *state;
	char key[UNIT_PATH_MAX], log[UNIT_PATH_MAX], wal[UNIT_PATH_MAX];
	const struct crb_vault_init init = { .key_file = key };
	struct crb_err err;

	unit_join(key, fixture->folder, "key");
	unit_join(log, fixture->folder, "log");
	unit_join(wal, fixture->state, "store.db-wal");
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "a");
	unit_copy(wal, log);
	close_vault(fixture);
	assert_int_equal(unlink(unit_path(fixture->state, "vault")), 0);
	assert_int_equal(unlink(unit_path(fixture->state, "store.db")), 0);
	assert_int_equal(unlink(unit_path(fixture->state, "generation")), 0);
	unit_copy(log, wal);
	assert_fails(
	    crb_vault_create(fixture->state, &init, &err), CRB_ERR_EXISTS);
	assert_says("store.db-wal: a part of a vault");
	/* That of an init that was killed is nobody's. */
	assert_int_equal(
	    rename(wal, unit_path(fixture->state, "store.db.new-wal")), 0);
	assert_ok(crb_vault_create(fixture->state, &init, &err));
	fixture->vault = unit_vault_open(fixture->folder);
	assert_int_equal(
	    unit_vault_find(fixture->vault, CRB_KIND_SETTING, NULL).count, 0);
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

/* Pays for Argon2id three times. */
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
the_cost_that_is_measured_is_allowed(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *words = NULL;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct crb_kdf_request request = { 0 };
	struct crb_err err;

	(void)state;
	assert_ok(crb_vault_kdf_tune(&request.cost, &err));
	assert_in_range(request.cost.operations, 3, 64);
	assert_int_equal(request.cost.memory, 256 << 20);
	assert_ok(crb_secret_copy("words", 5, &words, &err));
	assert_ok(crb_vault_kdf(&request, words, &key, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(create_refuses_to_overwrite),
		TEST(a_log_that_was_left_is_never_played_into_a_new_store),
		TEST(a_failed_create_leaves_nothing_behind),
		TEST(a_key_file_is_judged),
		TEST(a_passphrase_opens_its_vault_and_no_other_does),
		TEST(a_cheap_passphrase_is_refused),
		TEST(the_cost_that_is_measured_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
