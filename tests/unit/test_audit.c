#include "broker/core/audit.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/audit.h"

#define FIRST "audit/000001.jsonl"
#define SECOND "audit/000002.jsonl"

/* Faults: the linker sends these calls of the log here. */
ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static atomic_int pwrite_fails;  /* with this errno */
static atomic_int pwrite_partly; /* so many bytes first */
static atomic_int fdatasync_fails;
static atomic_int fdatasyncs;

ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	const int why = atomic_load(&pwrite_fails);
	const size_t part = (size_t)atomic_exchange(&pwrite_partly, 0);

	if (part != 0 && part < len)
		return __real_pwrite(fd, bytes, part, at);
	if (why == 0)
		return __real_pwrite(fd, bytes, len, at);
	errno = why;
	return -1;
}

int
__wrap_fdatasync(int fd)
{
	const int why = atomic_load(&fdatasync_fails);

	atomic_fetch_add(&fdatasyncs, 1);
	if (why == 0)
		return __real_fdatasync(fd);
	errno = why;
	return -1;
}

struct fixture {
	char folder[UNIT_FOLDER_MAX];
	struct crb_loop *loop;
	struct crb_audit *audit;
};

static const struct crb_audit_event event = { .event = "test.event" };
static const struct crb_audit_limits quick = { .file_bytes = 64 << 20,
	.checkpoint_lines = 1000,
	.checkpoint_ms = 5,
	.retry_ms = 5 };

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct crb_err err;

	unit_folder_make(fixture->folder);
	assert_ok(crb_loop_new(&fixture->loop, &err));
	fixture->audit = unit_audit_open(fixture->folder, fixture->loop);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	atomic_store(&pwrite_fails, 0);
	atomic_store(&fdatasync_fails, 0);
	crb_audit_free(fixture->audit);
	crb_loop_free(fixture->loop);
	unit_folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

static void
close_log(struct fixture *fixture)
{
	crb_audit_free(fixture->audit);
	fixture->audit = NULL;
}

static void
reopen(struct fixture *fixture)
{
	close_log(fixture);
	fixture->audit = unit_audit_open(fixture->folder, fixture->loop);
}

static void
record(struct fixture *fixture, unsigned count)
{
	struct crb_err err;

	while (count-- > 0)
		assert_ok(crb_audit_record(fixture->audit, &event, &err));
}

static char *
text(struct fixture *fixture, const char *name)
{
	return unit_text(unit_path(fixture->folder, name));
}

static off_t
size_of(struct fixture *fixture)
{
	struct stat st;

	assert_int_equal(stat(unit_path(fixture->folder, FIRST), &st), 0);
	return st.st_size;
}

/* Let the loop run until `done` says so. */
struct until {
	struct fixture *fixture;
	bool (*done)(struct fixture *);
	struct crb_timer timer;
};

static void
look(void *ctx)
{
	struct until *until = ctx;
	struct crb_err err;

	if (until->done(until->fixture))
		crb_loop_stop(until->fixture->loop);
	else
		assert_ok(crb_timer_set(
		    until->fixture->loop, &until->timer, 1, &err));
}

static void
run_until(struct fixture *fixture, bool (*done)(struct fixture *))
{
	struct until until = { .fixture = fixture, .done = done };
	struct crb_err err;

	crb_timer_init(&until.timer, look, &until);
	assert_ok(crb_timer_set(fixture->loop, &until.timer, 0, &err));
	assert_ok(crb_loop_run(fixture->loop, &err));
}

static bool
healthy(struct fixture *fixture)
{
	struct crb_err why;

	return crb_audit_healthy(fixture->audit, &why);
}

static bool
unhealthy(struct fixture *fixture)
{
	return !healthy(fixture);
}

static bool
all_durable(struct fixture *fixture)
{
	return crb_audit_durable(fixture->audit) ==
	    crb_audit_last(fixture->audit);
}

static void
a_line_is_in_the_file_at_once_and_soon_on_the_disk(void **state)
{
	struct fixture *fixture = *state;

	record(fixture, 3);
	assert_int_equal(crb_audit_last(fixture->audit), 4);
	assert_int_equal(unit_count(text(fixture, FIRST), "test.event"), 3);
	run_until(fixture, all_durable);
	assert_true(healthy(fixture));
}

static void
many_lines_share_an_fsync(void **state)
{
	struct fixture *fixture = *state;
	struct crb_err err;

	assert_ok(crb_audit_sync(fixture->audit, &err));
	atomic_store(&fdatasyncs, 0);
	record(fixture, 500);
	assert_ok(crb_audit_sync(fixture->audit, &err));
	assert_int_equal(crb_audit_durable(fixture->audit), 501);
	assert_in_range(atomic_load(&fdatasyncs), 1, 100);
}

static void
numbers_and_chain_go_on_after_a_reopen(void **state)
{
	struct fixture *fixture = *state;
	struct crb_audit_verdict verdict;

	record(fixture, 3);
	reopen(fixture);
	record(fixture, 2);
	close_log(fixture);
	verdict = unit_audit_verify(fixture->folder);
	/* Each open and each close says so. */
	assert_int_equal(verdict.lines, 9);
	assert_int_equal(verdict.checkpoints, 2);
	assert_int_equal(verdict.unsigned_lines, 0);
	assert_int_equal(verdict.first, 1);
}

static void
a_checkpoint_comes_after_so_many_lines(void **state)
{
	struct fixture *fixture = *state;
	struct crb_audit_limits limits = quick;

	limits.checkpoint_lines = 10;
	limits.checkpoint_ms = 60000;
	crb_audit_set_limits(fixture->audit, &limits);
	record(fixture, 25);
	assert_int_equal(unit_count(text(fixture, FIRST), "\"checkpoint\""), 2);
	assert_int_equal(unit_audit_verify(fixture->folder).checkpoints, 2);
	assert_int_equal(unit_audit_verify(fixture->folder).unsigned_lines, 6);
}

static bool
signed_to_the_end(struct fixture *fixture)
{
	return unit_audit_verify(fixture->folder).unsigned_lines == 0;
}

static void
a_checkpoint_comes_after_some_time_when_there_is_something_to_sign(void **state)
{
	struct fixture *fixture = *state;
	struct crb_audit_limits limits = quick;

	/* The open's line is due a minute later: have it signed now. */
	limits.checkpoint_lines = 2;
	crb_audit_set_limits(fixture->audit, &limits);
	record(fixture, 1);
	assert_true(signed_to_the_end(fixture));
	crb_audit_set_limits(fixture->audit, &quick);
	record(fixture, 1);
	assert_false(signed_to_the_end(fixture));
	run_until(fixture, signed_to_the_end);
	close_log(fixture);
	assert_int_equal(unit_count(text(fixture, FIRST), "\"checkpoint\""), 2);
}

static void
a_full_file_is_followed_by_another(void **state)
{
	struct fixture *fixture = *state;
	struct crb_audit_limits limits = quick;
	struct crb_audit_verdict verdict;
	char *line = NULL;
	struct crb_err err;

	limits.file_bytes = 2000;
	crb_audit_set_limits(fixture->audit, &limits);
	assert_ok(crb_audit_render(fixture->audit, &event, &line, &err));
	assert_ok(crb_audit_append(fixture->audit, line, &err));
	record(fixture, 50);
	close_log(fixture);
	verdict = unit_audit_verify(fixture->folder);
	assert_int_equal(unit_count(text(fixture, SECOND), "\"log.next\""), 1);
	assert_memory_equal(text(fixture, SECOND), "{\"n\":", 5);
	assert_non_null(strstr(text(fixture, SECOND), "\"seq\":1,"));
	assert_true(verdict.checkpoints > 3);
	/* What was appended before is known from the newest file alone. */
	fixture->audit = unit_audit_open(fixture->folder, fixture->loop);
	{
		const uint64_t last = crb_audit_last(fixture->audit);

		assert_ok(crb_audit_append(fixture->audit, line, &err));
		assert_int_equal(crb_audit_last(fixture->audit), last);
	}
	free(line);
	(void)unit_audit_verify(fixture->folder);
}

static void
the_oldest_files_may_be_moved_away_but_none_in_between(void **state)
{
	struct fixture *fixture = *state;
	struct crb_audit_limits limits = quick;
	struct crb_audit_verdict verdict;
	struct crb_err err;

	limits.file_bytes = 2000;
	crb_audit_set_limits(fixture->audit, &limits);
	record(fixture, 50);
	close_log(fixture);
	assert_int_equal(unlink(unit_path(fixture->folder, FIRST)), 0);
	verdict = unit_audit_verify(fixture->folder);
	assert_true(verdict.first > 1);
	assert_int_equal(
	    unlink(unit_path(fixture->folder, "audit/000003.jsonl")), 0);
	assert_fails(crb_audit_verify(fixture->folder, NULL, &verdict, &err),
	    CRB_ERR_CORRUPT);
	assert_says("file 000003 is missing");
}

/* A crash just after a file was made, and before its first line. */
static void
an_empty_newest_file_goes_on_from_the_one_before(void **state)
{
	struct fixture *fixture = *state;
	FILE *file;
	struct crb_err err;
	char *line = NULL;

	assert_ok(crb_audit_render(fixture->audit, &event, &line, &err));
	assert_ok(crb_audit_append(fixture->audit, line, &err));
	close_log(fixture);
	file = fopen(unit_path(fixture->folder, SECOND), "w");
	assert_non_null(file);
	assert_int_equal(fputs("{\"n\":", file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
	fixture->audit = unit_audit_open(fixture->folder, fixture->loop);
	assert_ok(crb_audit_append(fixture->audit, line, &err));
	assert_int_equal(crb_audit_last(fixture->audit), 4);
	record(fixture, 1);
	free(line);
	assert_int_equal(unit_audit_verify(fixture->folder).lines, 5);
}

static void
a_torn_last_line_is_dropped_and_said(void **state)
{
	struct fixture *fixture = *state;
	char torn[3000] = "{\"n\":6,\"time\"";
	off_t size;

	record(fixture, 2);
	close_log(fixture);
	size = size_of(fixture);
	unit_poke(unit_path(fixture->folder, FIRST), size, torn, sizeof(torn));
	fixture->audit = unit_audit_open(fixture->folder, fixture->loop);
	assert_true(size_of(fixture) < size + (off_t)sizeof(torn));
	assert_int_equal(unit_audit_verify(fixture->folder).lines, 5);
	assert_int_equal(
	    unit_count(text(fixture, FIRST),
		"dropped 3000 bytes of a line that was never finished"),
	    1);
}

/* Opening and verifying say so, and leave every byte as it was. */
static void
assert_refused(struct fixture *fixture, const char *says)
{
	struct crb_audit_verdict verdict;
	struct unit_digest before;
	struct crb_err err;
	char audit[UNIT_PATH_MAX];

	unit_join(audit, fixture->folder, "audit");
	before = unit_digest_folder(audit);
	assert_fails(unit_audit_try(
			 fixture->folder, fixture->loop, &fixture->audit, &err),
	    CRB_ERR_CORRUPT);
	if (strstr(err.msg, says) == NULL)
		fail_msg("no \"%s\" in: %s", says, err.msg);
	assert_fails(crb_audit_verify(fixture->folder, NULL, &verdict, &err),
	    CRB_ERR_CORRUPT);
	if (strstr(err.msg, says) == NULL)
		fail_msg("no \"%s\" in: %s", says, err.msg);
	assert_untouched(audit, before);
}

/* Replace the first `from` by `to`, of the same length. */
static void
edit(struct fixture *fixture, const char *from, const char *to)
{
	const char *all = text(fixture, FIRST);
	const char *at = strstr(all, from);

	assert_non_null(at);
	unit_poke(unit_path(fixture->folder, FIRST), at - all, to, strlen(to));
}

static void
an_edited_line_is_named(void **state)
{
	struct fixture *fixture = *state;

	record(fixture, 5);
	close_log(fixture);
	edit(fixture, "test.event", "best.event");
	assert_refused(fixture,
	    "audit/000001.jsonl line 2: edited: its hash does not fit");
}

static void
a_removed_line_is_named(void **state)
{
	struct fixture *fixture = *state;
	char *all, *second, *third;
	size_t len;

	record(fixture, 5);
	close_log(fixture);
	all = text(fixture, FIRST);
	second = strchr(all, '\n') + 1;
	third = strchr(second, '\n') + 1;
	len = strlen(all);
	memmove(second, third, strlen(third) + 1);
	unit_poke(unit_path(fixture->folder, FIRST), 0, all, strlen(all));
	assert_int_equal(truncate(unit_path(fixture->folder, FIRST),
			     (off_t)(len - (size_t)(third - second))),
	    0);
	assert_refused(fixture,
	    "line 2: number 3 follows number 1: lines are missing or moved");
}

/* The first line of a log made at another moment; as long as ours. */
static void
make_other_line(const char *ours, char out[1024])
{
	char folder[UNIT_FOLDER_MAX];

	do {
		struct crb_audit *audit;

		unit_folder_make(folder);
		audit = unit_audit_open(folder, NULL);
		crb_audit_free(audit);
		(void)snprintf(
		    out, 1024, "%.1000s", unit_text(unit_path(folder, FIRST)));
		*(strchr(out, '\n') + 1) = '\0';
		unit_folder_remove(folder);
	} while (strncmp(out, ours, strlen(out)) == 0);
}

static void
a_line_of_another_log_is_named(void **state)
{
	struct fixture *fixture = *state;
	char ours[1024], other[1024];

	close_log(fixture);
	(void)snprintf(ours, sizeof(ours), "%.1000s", text(fixture, FIRST));
	make_other_line(ours, other);
	unit_poke(unit_path(fixture->folder, FIRST), 0, other, strlen(other));
	assert_refused(fixture, "line 2: the chain breaks");
}

static void
another_keys_log_is_refused(void **state)
{
	struct fixture *fixture = *state;
	CRB_AUTO_KEY struct crb_key *key = unit_key(2);
	struct crb_audit_verdict verdict;
	uint8_t public[32] = { 0 };
	struct crb_err err;

	record(fixture, 1);
	memcpy(public, crb_audit_public(fixture->audit), sizeof(public));
	close_log(fixture);
	assert_fails(crb_audit_open(fixture->folder, key, fixture->loop,
			 &fixture->audit, &err),
	    CRB_ERR_CORRUPT);
	assert_says("is not this vault's");
	/* The same with the public key put away: the signatures tell. */
	assert_int_equal(
	    unlink(unit_path(fixture->folder, "audit/public-key")), 0);
	assert_fails(crb_audit_open(fixture->folder, key, fixture->loop,
			 &fixture->audit, &err),
	    CRB_ERR_CORRUPT);
	assert_says("line 3: its signature does not fit");
	assert_ok(crb_audit_verify(fixture->folder, public, &verdict, &err));
	public[0] ^= 1;
	assert_fails(crb_audit_verify(fixture->folder, public, &verdict, &err),
	    CRB_ERR_CORRUPT);
}

static void
a_full_disk_refuses_and_recovers(void **state)
{
	struct fixture *fixture = *state;
	struct crb_err err;
	uint64_t last;

	crb_audit_set_limits(fixture->audit, &quick);
	record(fixture, 1);
	last = crb_audit_last(fixture->audit);
	atomic_store(&pwrite_fails, ENOSPC);
	assert_fails(
	    crb_audit_record(fixture->audit, &event, &err), CRB_ERR_UNRECORDED);
	assert_says("No space left");
	assert_false(crb_audit_healthy(fixture->audit, &err));
	assert_says("No space left");
	assert_int_equal(crb_audit_last(fixture->audit), last);
	atomic_store(&pwrite_fails, 0);
	/* Nobody need record anything for the log to find out. */
	run_until(fixture, healthy);
	assert_int_equal(
	    unit_count(text(fixture, FIRST), "\"log.resumed\""), 1);
	record(fixture, 1);
	(void)unit_audit_verify(fixture->folder);
}

static void
half_a_line_is_taken_back(void **state)
{
	struct fixture *fixture = *state;
	struct crb_err err;
	off_t size;

	record(fixture, 1);
	size = size_of(fixture);
	atomic_store(&pwrite_partly, 20);
	atomic_store(&pwrite_fails, ENOSPC);
	assert_fails(
	    crb_audit_record(fixture->audit, &event, &err), CRB_ERR_UNRECORDED);
	assert_int_equal(size_of(fixture), size);
	atomic_store(&pwrite_fails, 0);
	record(fixture, 1);
	assert_true(healthy(fixture));
	(void)unit_audit_verify(fixture->folder);
}

static void
a_short_write_is_finished(void **state)
{
	struct fixture *fixture = *state;

	atomic_store(&pwrite_partly, 20);
	record(fixture, 1);
	(void)unit_audit_verify(fixture->folder);
}

/* As a kernel does that could not write pages and gave them up. */
static void
lose_what_is_not_durable(struct fixture *fixture, off_t durable_size)
{
	static const char zeros[4096];
	const off_t size = size_of(fixture);

	assert_true(
	    size > durable_size && size - durable_size < (off_t)sizeof(zeros));
	unit_poke(unit_path(fixture->folder, FIRST), durable_size, zeros,
	    (size_t)(size - durable_size));
}

static void
a_failing_disk_refuses_until_it_has_everything(void **state)
{
	struct fixture *fixture = *state;
	struct crb_err err;
	off_t durable_size;
	uint64_t durable;

	crb_audit_set_limits(fixture->audit, &quick);
	assert_ok(crb_audit_sync(fixture->audit, &err));
	durable_size = size_of(fixture);
	durable = crb_audit_durable(fixture->audit);
	atomic_store(&fdatasync_fails, EIO);
	record(fixture, 2);
	run_until(fixture, unhealthy);
	assert_false(crb_audit_healthy(fixture->audit, &err));
	assert_says("does not reach the disk: Input/output error");
	assert_fails(
	    crb_audit_record(fixture->audit, &event, &err), CRB_ERR_UNRECORDED);
	assert_fails(crb_audit_sync(fixture->audit, &err), CRB_ERR_UNRECORDED);
	assert_int_equal(crb_audit_durable(fixture->audit), durable);
	/* What the kernel dropped is written once more. */
	lose_what_is_not_durable(fixture, durable_size);
	atomic_store(&fdatasync_fails, 0);
	run_until(fixture, healthy);
	record(fixture, 1);
	assert_ok(crb_audit_sync(fixture->audit, &err));
	assert_true(all_durable(fixture));
	(void)unit_audit_verify(fixture->folder);
}

static void
a_file_that_cannot_be_made_refuses(void **state)
{
	struct fixture *fixture = *state;
	struct crb_audit_limits limits = quick;
	struct crb_err err;

	limits.file_bytes = 1;
	crb_audit_set_limits(fixture->audit, &limits);
	assert_int_equal(mkdir(unit_path(fixture->folder, SECOND), 0700), 0);
	assert_fails(
	    crb_audit_record(fixture->audit, &event, &err), CRB_ERR_UNRECORDED);
	assert_says(SECOND);
	assert_false(healthy(fixture));
	assert_int_equal(rmdir(unit_path(fixture->folder, SECOND)), 0);
	record(fixture, 1);
	(void)unit_audit_verify(fixture->folder);
}

static void
a_line_is_appended_once_whatever_happens_in_between(void **state)
{
	struct fixture *fixture = *state;
	char *lines[3] = { NULL };
	uint64_t last;
	struct crb_err err;

	for (int i = 0; i < 3; i++)
		assert_ok(
		    crb_audit_render(fixture->audit, &event, &lines[i], &err));
	assert_ok(crb_audit_append(fixture->audit, lines[0], &err));
	assert_ok(crb_audit_append(fixture->audit, lines[0], &err));
	record(fixture, 1);
	reopen(fixture);
	last = crb_audit_last(fixture->audit);
	assert_ok(crb_audit_append(fixture->audit, lines[0], &err));
	assert_int_equal(crb_audit_last(fixture->audit), last);
	assert_ok(crb_audit_append(fixture->audit, lines[1], &err));
	assert_ok(crb_audit_append(fixture->audit, lines[2], &err));
	assert_int_equal(crb_audit_last(fixture->audit), last + 2);
	/* And what is rendered now comes after them. */
	free(lines[0]);
	assert_ok(crb_audit_render(fixture->audit, &event, &lines[0], &err));
	assert_memory_equal(lines[0], "{\"seq\":4,", 9);
	for (int i = 0; i < 3; i++)
		free(lines[i]);
	assert_fails(
	    crb_audit_append(fixture->audit, "{}", &err), CRB_ERR_CORRUPT);
	(void)unit_audit_verify(fixture->folder);
}

static void
the_longest_event_is_rendered_and_appended(void **state)
{
	static char longest[8192];
	struct fixture *fixture = *state;
	struct crb_audit_event all = { .event = longest,
		.who = longest,
		.task = longest,
		.session = longest,
		.credential = longest,
		.scope = longest,
		.request = longest,
		.decision = longest,
		.rule = longest,
		.tier = longest,
		.outcome = longest,
		.detail = longest };
	char *line = NULL;
	struct crb_err err;

	memset(longest, 1, sizeof(longest) - 1);
	assert_ok(crb_audit_render(fixture->audit, &all, &line, &err));
	assert_ok(crb_audit_append(fixture->audit, line, &err));
	assert_ok(crb_audit_record(fixture->audit, &all, &err));
	free(line);
	assert_int_equal(unit_audit_verify(fixture->folder).lines, 3);
}

static void
a_mark_tells_a_log_that_was_cut(void **state)
{
	struct fixture *fixture = *state;
	struct crb_audit_mark mark, none = { 0 };
	char old[UNIT_PATH_MAX];
	struct crb_err err;

	record(fixture, 2);
	close_log(fixture);
	unit_join(old, fixture->folder, "old");
	unit_copy(unit_path(fixture->folder, FIRST), old);
	fixture->audit = unit_audit_open(fixture->folder, fixture->loop);
	record(fixture, 2);
	assert_ok(crb_audit_sync(fixture->audit, &err));
	crb_audit_mark(fixture->audit, &mark);
	assert_int_equal(mark.n, 7);
	assert_ok(crb_audit_has_mark(fixture->audit, &none, &err));
	assert_ok(crb_audit_has_mark(fixture->audit, &mark, &err));
	reopen(fixture);
	assert_ok(crb_audit_has_mark(fixture->audit, &mark, &err));
	close_log(fixture);
	unit_copy(old, unit_path(fixture->folder, FIRST));
	fixture->audit = unit_audit_open(fixture->folder, fixture->loop);
	assert_fails(
	    crb_audit_has_mark(fixture->audit, &mark, &err), CRB_ERR_CORRUPT);
	assert_says("ends at line 5, but line 7 was written");
	record(fixture, 5);
	assert_fails(
	    crb_audit_has_mark(fixture->audit, &mark, &err), CRB_ERR_CORRUPT);
	assert_says("line 7 of the audit log is not the one");
}

static void
record_for_ever(const char *folder, int fd)
{
	struct crb_audit *audit = NULL;
	struct crb_err err;

	if (unit_audit_try(folder, NULL, &audit, &err) != CRB_OK)
		_exit(1);
	for (;;) {
		uint64_t n;

		if (crb_audit_record(audit, &event, &err) != CRB_OK)
			_exit(1);
		n = crb_audit_last(audit);
		if (write(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
			_exit(1);
	}
}

static void
a_killed_writer_leaves_every_line_that_it_recorded(void **state)
{
	struct fixture *fixture = *state;

	close_log(fixture);
	for (int round = 0; round < 10; round++) {
		const uint64_t stop = 1 + randombytes_uniform(3000);
		uint64_t n = 0, first = 0;
		int pipes[2], status;
		pid_t child;

		assert_int_equal(pipe(pipes), 0);
		assert_int_not_equal(child = fork(), -1);
		if (child == 0)
			record_for_ever(fixture->folder, pipes[1]);
		(void)close(pipes[1]);
		while (read(pipes[0], &n, sizeof(n)) > 0 &&
		    n < (first == 0 ? first = n : first) + stop)
			continue;
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		while (read(pipes[0], &n, sizeof(n)) > 0)
			continue;
		(void)close(pipes[0]);
		assert_true(n > 0);
		assert_true(unit_audit_verify(fixture->folder).lines >= n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(a_line_is_in_the_file_at_once_and_soon_on_the_disk),
		TEST(many_lines_share_an_fsync),
		TEST(numbers_and_chain_go_on_after_a_reopen),
		TEST(a_checkpoint_comes_after_so_many_lines),
		TEST(
		    a_checkpoint_comes_after_some_time_when_there_is_something_to_sign),
		TEST(a_full_file_is_followed_by_another),
		TEST(the_oldest_files_may_be_moved_away_but_none_in_between),
		TEST(an_empty_newest_file_goes_on_from_the_one_before),
		TEST(a_torn_last_line_is_dropped_and_said),
		TEST(an_edited_line_is_named),
		TEST(a_removed_line_is_named),
		TEST(a_line_of_another_log_is_named),
		TEST(another_keys_log_is_refused),
		TEST(a_full_disk_refuses_and_recovers),
		TEST(half_a_line_is_taken_back),
		TEST(a_short_write_is_finished),
		TEST(a_failing_disk_refuses_until_it_has_everything),
		TEST(a_file_that_cannot_be_made_refuses),
		TEST(a_line_is_appended_once_whatever_happens_in_between),
		TEST(the_longest_event_is_rendered_and_appended),
		TEST(a_mark_tells_a_log_that_was_cut),
		TEST(a_killed_writer_leaves_every_line_that_it_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
