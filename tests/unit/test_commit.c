#include "broker/core/commit.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "broker/core/outbox.h"
#include "tests/unit/audit.h"

#define LOG "state/audit/000001.jsonl"

ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);

static atomic_int pwrite_fails; /* with this errno; SQLite's own do not */

ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	const int why = atomic_load(&pwrite_fails);

	if (why == 0)
		return __real_pwrite(fd, bytes, len, at);
	errno = why;
	return -1;
}

struct broker {
	struct crb_loop *loop;
	struct crb_vault *vault;
	struct crb_audit *audit;
	struct crb_commit *commit;
	unsigned waiting; /* for so many to be told */
	unsigned good, bad;
	struct crb_err why;
};

struct fixture {
	char folder[UNIT_FOLDER_MAX];
	struct broker broker;
	struct crb_timer *again;
};

static const struct crb_record_id one = { { 1 } }, two = { { 2 } };

static enum crb_status
try_start(const char *folder, struct broker *broker, struct crb_err *err)
{
	const struct crb_audit_limits quick = { .file_bytes = 64 << 20,
		.checkpoint_lines = 1000,
		.checkpoint_ms = 60000,
		.retry_ms = 2 };
	enum crb_status status;

	if ((status = crb_loop_new(&broker->loop, err)) != CRB_OK ||
	    (status = unit_vault_try(folder, &broker->vault, err)) != CRB_OK ||
	    (status = unit_audit_try(unit_path(folder, "state"), broker->loop,
		 &broker->audit, err)) != CRB_OK)
		return status;
	crb_audit_set_limits(broker->audit, &quick);
	return crb_commit_new(
	    broker->loop, broker->vault, broker->audit, &broker->commit, err);
}

static void
turn(void *ctx)
{
	crb_commit_turn(ctx);
}

static void
start(struct fixture *fixture)
{
	struct broker *broker = &fixture->broker;
	struct crb_err err;

	*broker = (struct broker){ 0 };
	assert_ok(try_start(fixture->folder, broker, &err));
	crb_loop_each_turn(broker->loop, turn, broker->commit);
}

static void
stop(struct broker *broker)
{
	crb_commit_free(broker->commit);
	crb_audit_free(broker->audit);
	crb_vault_free(broker->vault);
	crb_loop_free(broker->loop);
	broker->commit = NULL;
	broker->audit = NULL;
	broker->vault = NULL;
	broker->loop = NULL;
}

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	unit_folder_make(fixture->folder);
	unit_vault_make(fixture->folder);
	start(fixture);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	atomic_store(&pwrite_fails, 0);
	stop(&fixture->broker);
	unit_folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

static void
told(void *ctx, const struct crb_err *why)
{
	struct broker *broker = ctx;

	if (why == NULL) {
		broker->good++;
	} else {
		broker->bad++;
		broker->why = *why;
	}
	if (--broker->waiting == 0)
		crb_loop_stop(broker->loop);
}

static void
put(struct broker *broker, const struct crb_record_id *id, const char *text)
{
	CRB_AUTO_JSON json_t *json = json_pack("{s:s}", "text", text);
	struct crb_err err;

	assert_ok(
	    crb_commit_put(broker->commit, CRB_KIND_SETTING, id, json, &err));
}

static void
say(struct broker *broker, const char *detail)
{
	const struct crb_audit_event event = { .event = "test",
		.detail = detail };
	struct crb_err err;

	assert_ok(crb_commit_event(broker->commit, &event, &err));
}

static void
then(struct broker *broker)
{
	struct crb_err err;

	broker->waiting++;
	assert_ok(crb_commit_then(broker->commit, told, broker, &err));
}

static void
run(struct broker *broker)
{
	struct crb_err err;

	crb_commit_turn(broker->commit);
	if (broker->waiting > 0)
		assert_ok(crb_loop_run(broker->loop, &err));
}

static unsigned
logged(struct fixture *fixture, const char *detail)
{
	char want[128];

	(void)snprintf(want, sizeof(want), "\"detail\":\"%s\"", detail);
	return unit_count(unit_text(unit_path(fixture->folder, LOG)), want);
}

static unsigned
outbox_records(struct broker *broker)
{
	return unit_vault_find(broker->vault, CRB_KIND_OUTBOX, NULL).count;
}

static void
told_means_stored_and_logged(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	put(broker, &one, "a");
	put(broker, &two, "b");
	say(broker, "first");
	say(broker, "second");
	then(broker);
	then(broker);
	assert_int_equal(broker->good, 0);
	assert_int_equal(logged(fixture, "first"), 0);
	run(broker);
	assert_int_equal(broker->good, 2);
	assert_int_equal(logged(fixture, "first"), 1);
	assert_int_equal(logged(fixture, "second"), 1);
	assert_string_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, &one).text,
	    "{\"text\":\"a\"}");
	stop(broker);
	start(fixture);
	assert_string_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, &two).text,
	    "{\"text\":\"b\"}");
	assert_int_equal(logged(fixture, "first"), 1);
}

static void
a_delete_is_committed_too(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	struct crb_err err;

	put(broker, &one, "a");
	then(broker);
	run(broker);
	assert_ok(
	    crb_commit_delete(broker->commit, CRB_KIND_SETTING, &one, &err));
	then(broker);
	run(broker);
	stop(broker);
	start(fixture);
	assert_int_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, NULL).count, 0);
}

static void
with_nothing_to_write_it_is_told_soon_but_not_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	then(broker);
	assert_int_equal(broker->good, 0);
	crb_commit_turn(broker->commit);
	assert_int_equal(broker->good, 1);
}

static void
one_collects_while_another_is_written(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	put(broker, &one, "a");
	say(broker, "first");
	then(broker);
	crb_commit_turn(broker->commit);
	put(broker, &one, "b");
	say(broker, "second");
	then(broker);
	run(broker);
	assert_int_equal(broker->good, 2);
	assert_int_equal(logged(fixture, "second"), 1);
	assert_string_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, &one).text,
	    "{\"text\":\"b\"}");
}

/* Nothing of ours is in the open one, so the one under way is waited for. */
/* How many transactions there were: the number in the generation's copy. */
static unsigned
transactions(struct fixture *fixture)
{
	uint8_t bytes[32] = { 0 };
	FILE *file = fopen(unit_path(fixture->folder, "state/generation"), "r");

	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	(void)fclose(file);
	return bytes[24] | (unsigned)bytes[25] << 8;
}

static void
those_that_are_expected_share_a_transaction(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	unsigned before;

	put(broker, &one, "a");
	then(broker);
	run(broker);
	before = transactions(fixture);
	crb_commit_expect(broker->commit, 2);
	put(broker, &one, "b");
	then(broker);
	crb_commit_turn(broker->commit);
	put(broker, &two, "b");
	then(broker);
	run(broker);
	assert_int_equal(broker->good, 3);
	assert_int_equal(transactions(fixture), before + 1);
}

static void
one_that_never_comes_is_not_waited_for(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	crb_commit_expect(broker->commit, 2);
	put(broker, &one, "a");
	then(broker);
	crb_commit_turn(broker->commit);
	assert_int_equal(broker->good, 0);
	run(broker);
	assert_int_equal(broker->good, 1);
}

static void
then_waits_for_what_is_under_way(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	put(broker, &one, "a");
	crb_commit_turn(broker->commit);
	then(broker);
	assert_int_equal(broker->good, 0);
	run(broker);
	assert_int_equal(broker->good, 1);
}

static void
settled_outbox_records_are_deleted_but_the_newest(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	struct crb_err err;

	for (int i = 0; i < 5; i++) {
		say(broker, "x");
		then(broker);
		run(broker);
		assert_ok(crb_audit_sync(broker->audit, &err));
	}
	assert_int_equal(outbox_records(broker), 1);
	assert_int_equal(logged(fixture, "x"), 5);
}

/* No room in the store's files, for as long as this is set. */
static void
fill_disk(bool full)
{
	static struct rlimit was;
	struct rlimit limit;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (full) {
		assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
		limit = (struct rlimit){ 4096, was.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	} else {
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	}
}

static void
a_failed_commit_is_told_and_the_next_succeeds(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	put(broker, &one, "before");
	then(broker);
	run(broker);
	fill_disk(true);
	put(broker, &one, "never");
	say(broker, "never");
	then(broker);
	then(broker);
	run(broker);
	fill_disk(false);
	assert_int_equal(broker->bad, 2);
	assert_int_equal(broker->why.status, CRB_ERR_UNRECORDED);
	assert_non_null(strstr(broker->why.msg, "store.db"));
	assert_int_equal(logged(fixture, "never"), 0);
	put(broker, &two, "after");
	say(broker, "after");
	then(broker);
	run(broker);
	assert_int_equal(broker->good, 2);
	stop(broker);
	start(fixture);
	assert_string_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, &one).text,
	    "{\"text\":\"before\"}");
	assert_string_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, &two).text,
	    "{\"text\":\"after\"}");
	assert_int_equal(logged(fixture, "never"), 0);
	assert_int_equal(logged(fixture, "after"), 1);
}

static void
what_was_decided_upon_a_failure_fails_with_it(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	fill_disk(true);
	put(broker, &one, "a");
	then(broker);
	crb_commit_turn(broker->commit);
	put(broker, &one, "b");
	then(broker);
	run(broker);
	fill_disk(false);
	assert_int_equal(broker->bad, 2);
	assert_int_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, NULL).count, 0);
}

struct undo {
	struct broker *broker;
	unsigned told;
};

static void
undo(void *ctx, const struct crb_err *why)
{
	struct undo *undoing = ctx;

	undoing->told++;
	assert_non_null(why);
	fill_disk(false);
	put(undoing->broker, &two, "undone");
	then(undoing->broker);
}

/* In a batch that is not the one that has just failed. */
static void
one_that_is_told_may_collect_again(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	struct undo undoing = { .broker = broker };
	struct crb_err err;

	fill_disk(true);
	put(broker, &one, "a");
	assert_ok(crb_commit_then(broker->commit, undo, &undoing, &err));
	crb_commit_turn(broker->commit);
	assert_ok(crb_loop_run(broker->loop, &err));
	assert_int_equal(undoing.told, 1);
	assert_int_equal(broker->good, 1);
	assert_int_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, NULL).count, 1);
}

static void
with_an_unwell_log_nothing_is_committed(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	const struct crb_audit_event event = { .event = "test" };
	struct crb_err err;

	atomic_store(&pwrite_fails, ENOSPC);
	assert_int_not_equal(
	    crb_audit_record(broker->audit, &event, &err), CRB_OK);
	put(broker, &one, "a");
	assert_fails(
	    crb_commit_event(broker->commit, &event, &err), CRB_ERR_UNRECORDED);
	then(broker);
	run(broker);
	assert_int_equal(broker->bad, 1);
	assert_int_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, NULL).count, 0);
}

static void
something_that_cannot_be_collected_spoils_the_rest(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	static char big[17 << 20];
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_err err;

	memset(big, 'x', sizeof(big) - 1);
	assert_non_null(json = json_string(big));
	put(broker, &one, "a");
	assert_fails(
	    crb_commit_put(broker->commit, CRB_KIND_SETTING, &two, json, &err),
	    CRB_ERR_TOO_LARGE);
	then(broker);
	run(broker);
	assert_int_equal(broker->bad, 1);
	assert_int_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, NULL).count, 0);
}

static void
look(void *ctx)
{
	struct fixture *fixture = ctx;
	struct crb_err err;

	if (logged(fixture, "kept") != 0)
		crb_loop_stop(fixture->broker.loop);
	else
		assert_ok(crb_timer_set(
		    fixture->broker.loop, fixture->again, 1, &err));
}

/* The log fails between the commit and the append. */
static void
lines_wait_in_the_outbox_until_the_log_is_well(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	struct crb_timer again;
	struct crb_err err;

	say(broker, "kept");
	then(broker);
	crb_commit_turn(broker->commit);
	atomic_store(&pwrite_fails, ENOSPC);
	run(broker);
	assert_int_equal(broker->good, 1);
	assert_int_equal(logged(fixture, "kept"), 0);
	atomic_store(&pwrite_fails, 0);
	/* The log finds out by the clock, and that turn's end appends. */
	crb_timer_init(&again, look, fixture);
	assert_ok(crb_timer_set(broker->loop, &again, 1, &err));
	fixture->again = &again;
	assert_ok(crb_loop_run(broker->loop, &err));
	assert_int_equal(logged(fixture, "kept"), 1);
	stop(broker);
	start(fixture);
	assert_int_equal(logged(fixture, "kept"), 1);
}

static void
a_stop_writes_what_was_collected(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	put(broker, &one, "a");
	say(broker, "first");
	crb_commit_turn(broker->commit);
	put(broker, &two, "b");
	say(broker, "second");
	then(broker);
	stop(broker);
	assert_int_equal(broker->good, 1);
	start(fixture);
	assert_int_equal(
	    unit_vault_find(broker->vault, CRB_KIND_SETTING, NULL).count, 2);
	assert_int_equal(logged(fixture, "second"), 1);
}

/* As a crash after the commit and before the append leaves it. */
static void
put_outbox(struct fixture *fixture, const struct crb_audit_mark *mark,
    const char *lines)
{
	CRB_AUTO_VAULT struct crb_vault *vault = unit_vault_open(
	    fixture->folder);
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4096);
	struct crb_record_id id;

	crb_record_id_random(&id);
	crb_outbox_encode(&buf, mark, CRB_SLICE(lines));
	unit_vault_put(vault, CRB_KIND_OUTBOX, &id, buf.data);
}

static void
the_outbox_is_replayed_in_order_and_once(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	const struct crb_audit_mark none = { 0 };
	const char *text;
	struct crb_err err;

	stop(broker);
	put_outbox(fixture, &none,
	    "{\"seq\":8,\"time\":\"x\",\"detail\":\"third\"}\n");
	put_outbox(fixture, &none,
	    "{\"seq\":5,\"time\":\"x\",\"detail\":\"first\"}\n"
	    "{\"seq\":7,\"time\":\"x\",\"detail\":\"second\"}\n");
	for (int i = 0; i < 3; i++) {
		start(fixture);
		assert_int_equal(outbox_records(broker), i < 2 ? 2 : 1);
		if (i == 1) {
			/* The next transaction deletes both. */
			assert_ok(crb_audit_sync(broker->audit, &err));
			say(broker, "fourth");
			then(broker);
			run(broker);
		}
		text = unit_text(unit_path(fixture->folder, LOG));
		assert_int_equal(
		    unit_count(text, "\"detail\""), i == 0 ? 3 : 4);
		assert_true(strstr(text, "first") < strstr(text, "second"));
		assert_true(strstr(text, "second") < strstr(text, "third"));
		if (i < 2)
			stop(broker);
	}
	(void)unit_audit_verify(unit_path(fixture->folder, "state"));
}

static void
a_log_that_was_cut_stops_the_start(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;
	char log[UNIT_PATH_MAX], old[UNIT_PATH_MAX];
	struct crb_err err;

	unit_join(log, fixture->folder, LOG);
	unit_join(old, fixture->folder, "old");
	assert_ok(crb_audit_sync(broker->audit, &err));
	unit_copy(log, old);
	for (int i = 0; i < 6; i++) {
		say(broker, "x");
		then(broker);
		run(broker);
		assert_ok(crb_audit_sync(broker->audit, &err));
	}
	stop(broker);
	unit_copy(old, log);
	*broker = (struct broker){ 0 };
	assert_fails(try_start(fixture->folder, broker, &err), CRB_ERR_CORRUPT);
	assert_says("was written: it was cut or replaced");
}

/* Commits as fast as it can, telling `fd` what it was told is done. */
struct child {
	struct broker broker;
	unsigned round, next, fd;
};

static void child_commits(struct child *child);

static void
child_told(void *ctx, const struct crb_err *why)
{
	struct child *child = ctx;

	if (why != NULL ||
	    write((int)child->fd, &child->next, sizeof(child->next)) !=
		(ssize_t)sizeof(child->next))
		_exit(1);
	child_commits(child);
}

static void
child_commits(struct child *child)
{
	char detail[64];
	const struct crb_audit_event event = { .event = "test",
		.detail = detail };
	json_t *json = json_pack("{s:i}", "text", ++child->next);
	struct crb_err err;

	(void)snprintf(
	    detail, sizeof(detail), "%u-%u", child->round, child->next);
	if (crb_commit_event(child->broker.commit, &event, &err) != CRB_OK ||
	    crb_audit_record(child->broker.audit,
		&(struct crb_audit_event){ .event = "between" },
		&err) != CRB_OK ||
	    crb_commit_put(child->broker.commit, CRB_KIND_SETTING, &one, json,
		&err) != CRB_OK ||
	    crb_commit_then(child->broker.commit, child_told, child, &err) !=
		CRB_OK)
		_exit(1);
	json_decref(json);
}

static void
be_child(const char *folder, unsigned round, int fd)
{
	struct child child = { .round = round, .fd = (unsigned)fd };
	struct crb_err err;

	if (try_start(folder, &child.broker, &err) != CRB_OK)
		_exit(1);
	crb_loop_each_turn(child.broker.loop, turn, child.broker.commit);
	child_commits(&child);
	crb_commit_turn(child.broker.commit);
	(void)!crb_loop_run(child.broker.loop, &err);
	_exit(1);
}

/* What was told to be done; whatever is there once the child is dead. */
static unsigned
kill_after(struct fixture *fixture, unsigned round, unsigned stop_at)
{
	unsigned done = 0;
	int pipes[2], status;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	assert_int_not_equal(child = fork(), -1);
	if (child == 0)
		be_child(fixture->folder, round, pipes[1]);
	(void)close(pipes[1]);
	while (done < stop_at && read(pipes[0], &done, sizeof(done)) > 0)
		continue;
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	while (read(pipes[0], &done, sizeof(done)) > 0)
		continue;
	(void)close(pipes[0]);
	return done;
}

static void
after_a_kill_each_event_is_there_exactly_once(void **state)
{
	struct fixture *fixture = *state;
	struct broker *broker = &fixture->broker;

	stop(broker);
	for (unsigned round = 0; round < 15; round++) {
		const unsigned done = kill_after(
		    fixture, round, 1 + randombytes_uniform(60));
		unsigned stored = 0;

		start(fixture);
		(void)sscanf(
		    unit_vault_find(broker->vault, CRB_KIND_SETTING, &one).text,
		    "{\"text\":%u}", &stored);
		/* One more may have been committed, and nobody told yet. */
		assert_in_range(stored, done, done + 1);
		for (unsigned i = 1; i <= done + 2; i++) {
			char detail[64];

			(void)snprintf(
			    detail, sizeof(detail), "%u-%u", round, i);
			assert_int_equal(
			    logged(fixture, detail), i <= stored ? 1 : 0);
		}
		stop(broker);
		(void)unit_audit_verify(unit_path(fixture->folder, "state"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(told_means_stored_and_logged),
		TEST(a_delete_is_committed_too),
		TEST(with_nothing_to_write_it_is_told_soon_but_not_at_once),
		TEST(one_collects_while_another_is_written),
		TEST(those_that_are_expected_share_a_transaction),
		TEST(one_that_never_comes_is_not_waited_for),
		TEST(then_waits_for_what_is_under_way),
		TEST(settled_outbox_records_are_deleted_but_the_newest),
		TEST(a_failed_commit_is_told_and_the_next_succeeds),
		TEST(what_was_decided_upon_a_failure_fails_with_it),
		TEST(one_that_is_told_may_collect_again),
		TEST(with_an_unwell_log_nothing_is_committed),
		TEST(something_that_cannot_be_collected_spoils_the_rest),
		TEST(lines_wait_in_the_outbox_until_the_log_is_well),
		TEST(a_stop_writes_what_was_collected),
		TEST(the_outbox_is_replayed_in_order_and_once),
		TEST(a_log_that_was_cut_stops_the_start),
		TEST(after_a_kill_each_event_is_there_exactly_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
