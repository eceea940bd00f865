#include "broker/vault/store.h"

#include <signal.h>
#include <sys/resource.h>

#include "broker/vault/store_check.h"
#include "tests/unit/vault.h"

struct fixture {
	char folder[UNIT_FOLDER_MAX];
	char path[UNIT_PATH_MAX];
	struct crb_store *store;
};

static const struct crb_record_id one = { { 1 } }, two = { { 2 } };

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct crb_err err;

	unit_folder_make(fixture->folder);
	unit_join(fixture->path, fixture->folder, "store.db");
	assert_ok(crb_store_sqlite_create(fixture->path, &err));
	assert_ok(crb_store_sqlite_open(fixture->path, &fixture->store, &err));
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	crb_store_close(fixture->store);
	unit_folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

static void
close_store(struct fixture *fixture)
{
	crb_store_close(fixture->store);
	fixture->store = NULL;
}

static struct crb_store_change
put(const struct crb_record_id *id, uint64_t expected, uint64_t revision,
    const char *value)
{
	return (struct crb_store_change){ CRB_KIND_SETTING, *id, expected,
		revision, (const uint8_t *)value, strlen(value) };
}

static enum crb_status
batch(struct fixture *fixture, const struct crb_store_change *changes,
    size_t count, struct crb_err *err)
{
	return fixture->store->ops->batch(fixture->store, changes, count, err);
}

struct seen {
	unsigned count;
	uint64_t revision;
	char value[64];
};

static enum crb_status
see(void *ctx, enum crb_kind kind, const struct crb_record_id *id,
    uint64_t revision, const void *value, size_t len, struct crb_err *err)
{
	struct seen *seen = ctx;

	(void)id;
	(void)err;
	assert_int_equal(kind, CRB_KIND_SETTING);
	seen->count++;
	seen->revision = revision;
	(void)snprintf(seen->value, sizeof(seen->value), "%.*s", (int)len,
	    (const char *)value);
	return CRB_OK;
}

static struct seen
get(struct fixture *fixture, const struct crb_record_id *id)
{
	struct seen seen = { 0 };
	struct crb_err err;
	const enum crb_status status = fixture->store->ops->get(
	    fixture->store, CRB_KIND_SETTING, id, see, &seen, &err);

	assert_true(status == CRB_OK || status == CRB_ERR_NOT_FOUND);
	return seen;
}

static unsigned
count(struct fixture *fixture)
{
	struct seen seen = { 0 };
	struct crb_err err;

	assert_ok(
	    fixture->store->ops->list(fixture->store, 0, see, &seen, &err));
	return seen.count;
}

static void
what_was_put_is_there_after_a_reopen(void **state)
{
	struct fixture *fixture = *state;
	const struct crb_store_change changes[] = { put(&one, 0, 5, "a"),
		put(&two, 0, 5, "") };
	struct crb_err err;
	struct stat st;

	assert_ok(batch(fixture, changes, 2, &err));
	close_store(fixture);
	assert_int_equal(
	    access(unit_path(fixture->folder, "store.db-wal"), F_OK), -1);
	assert_int_equal(stat(fixture->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_ok(crb_store_sqlite_open(fixture->path, &fixture->store, &err));
	assert_string_equal(get(fixture, &one).value, "a");
	assert_int_equal(get(fixture, &one).revision, 5);
	assert_int_equal(get(fixture, &two).count, 1);
	assert_int_equal(count(fixture), 2);
}

static void
what_was_open_to_others_is_closed(void **state)
{
	static const char *const names[] = { "store.db", "store.db-wal" };
	struct fixture *fixture = *state;
	const struct crb_store_change change = put(&one, 0, 5, "a");
	struct crb_err err;
	struct stat st;

	close_store(fixture);
	assert_int_equal(chmod(fixture->path, 0644), 0);
	assert_ok(crb_store_sqlite_open(fixture->path, &fixture->store, &err));
	assert_ok(batch(fixture, &change, 1, &err));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(
		    stat(unit_path(fixture->folder, names[i]), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

static void
a_replacement_and_a_delete_want_the_revision(void **state)
{
	struct fixture *fixture = *state;
	const struct crb_store_change first = put(&one, 0, 5, "a");
	const struct crb_store_change next = put(&one, 5, 6, "b");
	const struct crb_store_change gone = { CRB_KIND_SETTING, one, 6, 0,
		NULL, 0 };
	struct crb_err err;

	assert_ok(batch(fixture, &first, 1, &err));
	assert_ok(batch(fixture, &next, 1, &err));
	assert_string_equal(get(fixture, &one).value, "b");
	/* Each once more: it is not at that revision any longer. */
	assert_fails(batch(fixture, &first, 1, &err), CRB_ERR_CORRUPT);
	assert_fails(batch(fixture, &next, 1, &err), CRB_ERR_CORRUPT);
	assert_says("not at the revision");
	assert_ok(batch(fixture, &gone, 1, &err));
	assert_int_equal(get(fixture, &one).count, 0);
	assert_fails(batch(fixture, &gone, 1, &err), CRB_ERR_CORRUPT);
}

static void
a_batch_is_all_or_nothing(void **state)
{
	struct fixture *fixture = *state;
	const struct crb_store_change good = put(&one, 0, 5, "a");
	const struct crb_store_change mixed[] = { put(&two, 0, 6, "b"),
		put(&one, 9, 10, "c") };
	struct crb_err err;

	assert_ok(batch(fixture, &good, 1, &err));
	assert_fails(batch(fixture, mixed, 2, &err), CRB_ERR_CORRUPT);
	assert_int_equal(count(fixture), 1);
	assert_ok(batch(fixture, mixed, 1, &err));
	assert_int_equal(count(fixture), 2);
}

static void
a_list_is_of_one_kind(void **state)
{
	struct fixture *fixture = *state;
	struct crb_store_change changes[] = { put(&one, 0, 5, "a"),
		put(&two, 0, 5, "b") };
	struct seen seen = { 0 };
	struct crb_err err;

	changes[1].kind = CRB_KIND_PROFILE;
	assert_ok(batch(fixture, changes, 2, &err));
	assert_ok(fixture->store->ops->list(
	    fixture->store, CRB_KIND_SETTING, see, &seen, &err));
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.value, "a");
}

static void
a_full_disk_changes_nothing_and_is_named(void **state)
{
	struct fixture *fixture = *state;
	static char big[256 << 10];
	struct crb_store_change changes[] = { put(&one, 0, 5, "a"),
		put(&two, 0, 6, "") };
	struct rlimit was, limit;
	struct crb_err err;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_ok(batch(fixture, changes, 1, &err));
	memset(big, 'x', sizeof(big) - 1);
	changes[1].value = (const uint8_t *)big;
	changes[1].len = sizeof(big);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = (struct rlimit){ 64 << 10, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(batch(fixture, &changes[1], 1, &err), CRB_ERR_SYSTEM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(strstr(err.msg, "disk I/O error") != NULL ||
	    strstr(err.msg, "full") != NULL);
	assert_int_equal(count(fixture), 1);
	assert_ok(batch(fixture, &changes[1], 1, &err));
	assert_int_equal(count(fixture), 2);
}

static void
a_second_open_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct crb_store *second = NULL;
	struct crb_err err;

	assert_fails(crb_store_sqlite_open(fixture->path, &second, &err),
	    CRB_ERR_EXISTS);
	assert_says("in use");
	assert_null(second);
}

/* Opening it says so and leaves every byte as it was. */
static void
assert_refused(struct fixture *fixture, const char *says)
{
	const struct unit_digest before = unit_digest_folder(fixture->folder);
	struct crb_err err;

	assert_fails(
	    crb_store_sqlite_open(fixture->path, &fixture->store, &err),
	    CRB_ERR_CORRUPT);
	if (strstr(err.msg, says) == NULL ||
	    strstr(err.msg, "store.db") == NULL)
		fail_msg("no \"%s\" in: %s", says, err.msg);
	assert_untouched(fixture->folder, before);
}

static void
another_format_is_named(void **state)
{
	struct fixture *fixture = *state;

	close_store(fixture);
	unit_sql(fixture->path, "PRAGMA user_version = 7");
	assert_refused(fixture, "written by format 7; this program reads 1");
}

static void
somebody_elses_database_is_refused(void **state)
{
	struct fixture *fixture = *state;

	close_store(fixture);
	unit_sql(fixture->path, "PRAGMA application_id = 1");
	assert_refused(fixture, "not credbroker's");
	unit_poke(fixture->path, 0, "x", 1);
	assert_refused(fixture, "not a database");
}

#define CREATE_TRIGGER                                      \
	"CREATE TRIGGER more AFTER INSERT ON record BEGIN " \
	"DELETE FROM record; END"

static void
an_edited_schema_is_refused(void **state)
{
	static const char *const edits[] = {
		"CREATE TABLE more (x)",
		"CREATE INDEX more ON record (revision)",
		CREATE_TRIGGER,
		"CREATE VIEW more AS SELECT * FROM record",
		"ALTER TABLE record RENAME COLUMN value TO worth",
		"DROP TABLE record",
	};

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct fixture *fixture = *state;

		close_store(fixture);
		unit_sql(fixture->path, edits[i]);
		assert_refused(fixture, "its schema is not the one");
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void
a_truncated_file_is_called_so(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	close_store(fixture);
	assert_int_equal(stat(fixture->path, &st), 0);
	for (off_t size = st.st_size - 1; size > 0; size -= 1001) {
		assert_int_equal(truncate(fixture->path, size), 0);
		assert_refused(fixture, "truncated");
	}
	assert_int_equal(truncate(fixture->path, 0), 0);
	assert_refused(fixture, "truncated: only 0 bytes");
}

static void
bytes_behind_the_end_are_seen(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	close_store(fixture);
	assert_int_equal(stat(fixture->path, &st), 0);
	assert_int_equal(truncate(fixture->path, st.st_size + 4096), 0);
	assert_refused(fixture, "edited");
}

/* SQLite would play it back. */
static void
a_planted_journal_is_refused(void **state)
{
	struct fixture *fixture = *state;

	close_store(fixture);
	unit_copy(
	    fixture->path, unit_path(fixture->folder, "store.db-journal"));
	assert_refused(fixture, "-journal, which credbroker never writes");
}

static void
a_link_or_a_folder_is_not_a_store(void **state)
{
	struct fixture *fixture = *state;
	struct crb_store *store = NULL;
	struct crb_err err;

	close_store(fixture);
	assert_int_equal(
	    symlink("store.db", unit_path(fixture->folder, "link")), 0);
	assert_fails(crb_store_sqlite_open(
			 unit_path(fixture->folder, "link"), &store, &err),
	    CRB_ERR_SYSTEM);
	assert_fails(crb_store_sqlite_open(fixture->folder, &store, &err),
	    CRB_ERR_CORRUPT);
	assert_fails(crb_store_sqlite_open(
			 unit_path(fixture->folder, "none"), &store, &err),
	    CRB_ERR_NOT_FOUND);
}

/* With changes still in the log, as after a crash. */
static void
a_refused_store_keeps_its_log(void **state)
{
	struct fixture *fixture = *state;
	const struct crb_store_change change = put(&one, 0, 5, "a");
	struct crb_err err;

	assert_ok(batch(fixture, &change, 1, &err));
	/* What a crash leaves is what is there before the close. */
	unit_copy(fixture->path, unit_path(fixture->folder, "x.db"));
	unit_copy(unit_path(fixture->folder, "store.db-wal"),
	    unit_path(fixture->folder, "x.db-wal"));
	close_store(fixture);
	unit_join(fixture->path, fixture->folder, "x.db");
	/* Opened and closed without a change: nothing is folded in. */
	{
		const struct unit_digest before = unit_digest_folder(
		    fixture->folder);

		assert_ok(crb_store_sqlite_open(
		    fixture->path, &fixture->store, &err));
		assert_string_equal(get(fixture, &one).value, "a");
		close_store(fixture);
		assert_untouched(fixture->folder, before);
	}
}

static void
rows_of_another_shape_are_refused(void **state)
{
	static const char *const rows[] = {
		"INSERT INTO record VALUES (6, x'01', 1, x'00')",
		"INSERT INTO record VALUES ('x', zeroblob(16), 1, x'00')",
		"INSERT INTO record VALUES (6, zeroblob(16), -1, x'00')",
		"INSERT INTO record VALUES (6, zeroblob(16), 'x', x'00')",
		"INSERT INTO record VALUES (6, zeroblob(16), 1, 'text')",
		"INSERT INTO record VALUES (-6, zeroblob(16), 1, x'00')",
	};
	struct seen seen = { 0 };
	struct crb_err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *fixture = *state;

		close_store(fixture);
		unit_sql(fixture->path, rows[i]);
		assert_ok(crb_store_sqlite_open(
		    fixture->path, &fixture->store, &err));
		assert_fails(fixture->store->ops->list(
				 fixture->store, 0, see, &seen, &err),
		    CRB_ERR_CORRUPT);
		assert_says("edited");
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void
create_never_overwrites(void **state)
{
	struct fixture *fixture = *state;
	const struct unit_digest before = unit_digest_folder(fixture->folder);
	struct crb_err err;

	assert_fails(
	    crb_store_sqlite_create(fixture->path, &err), CRB_ERR_SYSTEM);
	assert_says("File exists");
	assert_untouched(fixture->folder, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(what_was_put_is_there_after_a_reopen),
		TEST(what_was_open_to_others_is_closed),
		TEST(a_replacement_and_a_delete_want_the_revision),
		TEST(a_batch_is_all_or_nothing),
		TEST(a_list_is_of_one_kind),
		TEST(a_full_disk_changes_nothing_and_is_named),
		TEST(a_second_open_is_refused),
		TEST(another_format_is_named),
		TEST(somebody_elses_database_is_refused),
		TEST(an_edited_schema_is_refused),
		TEST(a_truncated_file_is_called_so),
		TEST(bytes_behind_the_end_are_seen),
		TEST(a_planted_journal_is_refused),
		TEST(a_link_or_a_folder_is_not_a_store),
		TEST(a_refused_store_keeps_its_log),
		TEST(rows_of_another_shape_are_refused),
		TEST(create_never_overwrites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
