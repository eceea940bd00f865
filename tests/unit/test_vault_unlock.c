#include "broker/vault/vault.h"

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

/* Value and revision are right, and the id is not. */
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

/* The files as a crash would leave them now: with changes in the log. */
static void
crash(struct fixture *fixture)
{
	static const char *const names[] = { "vault", "generation", "store.db",
		"store.db-wal" };
	char copy[UNIT_PATH_MAX];

	unit_join(copy, fixture->folder, "crashed");
	assert_int_equal(mkdir(copy, 0700), 0);
	for (size_t i = 0; i < 4; i++)
		unit_copy(unit_path(fixture->state, names[i]),
		    unit_path(copy, names[i]));
	close_vault(fixture);
	unit_folder_remove(fixture->state);
	assert_int_equal(rename(copy, fixture->state), 0);
}

static void
after_a_crash_the_log_belongs_to_the_store(void **state)
{
	struct fixture *fixture = *state;

	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "a");
	crash(fixture);
	fixture->vault = unit_vault_open(fixture->folder);
	assert_string_equal(
	    unit_vault_find(fixture->vault, CRB_KIND_SETTING, &one).text, "a");
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "b");
	crash(fixture);
	assert_int_equal(unlink(unit_path(fixture->state, "store.db-wal")), 0);
	assert_refused(fixture, "store.db is older (generation 1)");
}

static void
after_a_crash_a_truncated_store_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[UNIT_PATH_MAX];
	struct stat st;

	unit_join(path, fixture->state, "store.db");
	for (uint8_t i = 0; i < 200; i++) {
		const struct crb_record_id id = { { i } };

		unit_vault_put(fixture->vault, CRB_KIND_SETTING, &id,
		    "long enough to fill some pages of the store");
	}
	close_vault(fixture);
	fixture->vault = unit_vault_open(fixture->folder);
	unit_vault_put(fixture->vault, CRB_KIND_SETTING, &one, "a");
	crash(fixture);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size >= 4 * 4096);
	assert_int_equal(truncate(path, st.st_size - 2 * 4096), 0);
	assert_refused(fixture, "store.db");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(a_wrong_key_is_denied_and_changes_nothing),
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
		TEST(after_a_crash_the_log_belongs_to_the_store),
		TEST(after_a_crash_a_truncated_store_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
