#include "broker/supervisor/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS 20000
#define LONG_MS 3000 /* more than a shell needs for its first words */
#define NOBODY 65534

/* A folder that the hook can write to, and a pipe in it where it is heard. */
static struct {
	char folder[64];
	char fifo[96];
	int hears;
	struct crb_hook hook;
} s;

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(s.folder, sizeof(s.folder), "/tmp/crb-hook-XXXXXX");
	assert_non_null(mkdtemp(s.folder));
	assert_int_equal(chmod(s.folder, 0755), 0);
	(void)snprintf(s.fifo, sizeof(s.fifo), "%s/fifo", s.folder);
	assert_int_equal(mkfifo(s.fifo, 0600), 0);
	assert_int_equal(chmod(s.fifo, 0666), 0);
	/* A writer of our own: it never ends. */
	s.hears = open(s.fifo, O_RDWR | O_CLOEXEC);
	assert_true(s.hears >= 0);
	s.hook = (struct crb_hook)CRB_HOOK_NONE;
	return 0;
}

static int
teardown(void **state)
{
	int status;

	(void)state;
	if (s.hook.pid != 0) {
		crb_hook_close(&(struct crb_hook){ 0, s.hook.sock });
		assert_int_equal(waitpid(s.hook.pid, &status, 0), s.hook.pid);
		assert_int_equal(status, 0);
	}
	(void)close(s.hears);
	(void)unlink(s.fifo);
	(void)rmdir(s.folder);
	return 0;
}

static enum crb_status
start(const char *script, int64_t most_ms, struct crb_err *err)
{
	const char *const argv[] = { "/bin/sh", "-c", script, "hook", s.fifo,
		NULL };
	const struct crb_hook_options options = { .argv = argv,
		.user = { geteuid() == 0, NOBODY, NOBODY },
		.most_ms = most_ms };

	return crb_hook_start(&options, &s.hook, err);
}

/* Returns the end that is written to. */
static int
run(void)
{
	struct crb_err err = { 0 };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(crb_hook_run(&s.hook, ends[0], &err), CRB_OK);
	(void)close(ends[0]);
	return ends[1];
}

/* The next line that is heard, without its end. */
static const char *
hear(void)
{
	static char line[512];
	struct crb_err err = { 0 };
	size_t len = 0;

	do {
		assert_true(len < sizeof(line));
		assert_int_equal(
		    crb_io_read(s.hears, &line[len], 1, PATIENCE_MS, &err),
		    CRB_OK);
	} while (line[len++] != '\n');
	line[len - 1] = '\0';
	return line;
}

static bool
silent(int ms)
{
	struct pollfd heard = { .fd = s.hears, .events = POLLIN };

	return poll(&heard, 1, ms) == 0;
}

static void
a_hook_is_told_on_its_input_and_has_nothing_else(void **state)
{
	struct crb_err err = { 0 };
	char id[16];
	int says;

	(void)state;
	assert_int_equal(setenv("CRB_SECRET", "x", 1), 0);
	assert_int_equal(
	    start("{ cat; id -u; id -G; pwd; env | grep -c CRB_; "
		  "ls /proc/self/fd | tr '\\n' ' '; echo; "
		  "grep -c '^CapEff:.0000000000000000$' /proc/self/status; "
		  "grep '^Seccomp:' /proc/self/status; "
		  "cut -d ' ' -f 7 /proc/$$/stat; } > \"$1\"",
		CRB_HOOK_MS, &err),
	    CRB_OK);
	says = run();
	assert_int_equal(write(says, "{\"id\": 1}\n", 10), 10);
	(void)close(says);
	assert_string_equal(hear(), "{\"id\": 1}");
	(void)snprintf(id, sizeof(id), "%u",
	    geteuid() == 0 ? NOBODY : (unsigned)geteuid());
	assert_string_equal(hear(), id);
	if (geteuid() == 0)
		assert_string_equal(hear(), id);
	else
		(void)hear();
	assert_string_equal(hear(), "/");
	assert_string_equal(hear(), "0");
	/* The fourth is ls's own. */
	assert_string_equal(hear(), "0 1 2 3 ");
	assert_string_equal(hear(), "1");
	assert_string_equal(hear(), "Seccomp:\t0");
	/* No terminal. */
	assert_string_equal(hear(), "0");
}

static void
as_many_as_there_may_be_run_at_once_and_others_wait(void **state)
{
	struct crb_err err = { 0 };
	int says[CRB_HOOKS_MAX + 2];

	(void)state;
	assert_int_equal(start("echo up > \"$1\"; cat > /dev/null; "
			       "echo down > \"$1\"",
			     CRB_HOOK_MS, &err),
	    CRB_OK);
	for (size_t i = 0; i < CRB_HOOKS_MAX + 2; i++)
		says[i] = run();
	for (size_t i = 0; i < CRB_HOOKS_MAX; i++)
		assert_string_equal(hear(), "up");
	assert_true(silent(300));
	(void)close(says[0]);
	assert_string_equal(hear(), "down");
	assert_string_equal(hear(), "up");
	assert_true(silent(300));
	for (size_t i = 1; i < CRB_HOOKS_MAX + 2; i++)
		(void)close(says[i]);
	for (size_t i = 0; i < CRB_HOOKS_MAX + 2; i++)
		(void)hear();
}

/* It is gone, or nobody but its parent knows it any more. */
static bool
is_dead(const char *pid)
{
	char path[64], text[256] = "";
	CRB_AUTO_FILE FILE *file = NULL;
	const char *state;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (file == NULL || fgets(text, sizeof(text), file) == NULL)
		return true;
	state = strrchr(text, ')');
	return state == NULL || state[2] == 'Z';
}

static void
one_that_takes_too_long_is_killed_with_what_it_has_started(void **state)
{
	struct crb_err err = { 0 };
	char pid[32];
	int says;

	(void)state;
	assert_int_equal(
	    start("sleep 1000 & echo $! > \"$1\"; wait", LONG_MS, &err),
	    CRB_OK);
	says = run();
	(void)snprintf(pid, sizeof(pid), "%s", hear());
	for (unsigned i = 0; !is_dead(pid); i++) {
		assert_true(i < PATIENCE_MS / 10);
		(void)poll(NULL, 0, 10);
	}
	(void)close(says);
	/* There is room for the next. */
	(void)close(run());
	(void)hear();
}

static void
what_it_leaves_behind_ends_with_it(void **state)
{
	struct crb_err err = { 0 };
	char pid[32];

	(void)state;
	assert_int_equal(
	    start("sleep 1000 & echo $! > \"$1\"", CRB_HOOK_MS, &err), CRB_OK);
	(void)close(run());
	(void)snprintf(pid, sizeof(pid), "%s", hear());
	for (unsigned i = 0; !is_dead(pid); i++) {
		assert_true(i < PATIENCE_MS / 10);
		(void)poll(NULL, 0, 10);
	}
}

/* A child of a process; the test fails when there is none in time. */
static pid_t
child_of(pid_t pid, pid_t other_than)
{
	char path[64], text[256];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
	    (int)pid, (int)pid);
	for (unsigned i = 0; i < PATIENCE_MS / 10; i++) {
		CRB_AUTO_FILE FILE *file = fopen(path, "re");
		long child = 0;

		if (file != NULL && fgets(text, sizeof(text), file) != NULL)
			child = strtol(text, NULL, 10);
		if (child > 0 && child != (long)other_than)
			return (pid_t)child;
		(void)poll(NULL, 0, 10);
	}
	fail_msg("process %d has no child", (int)pid);
	return 0;
}

static void
what_runs_them_is_started_again_when_it_dies(void **state)
{
	struct crb_err err = { 0 };
	pid_t runner;
	char pid[32];

	(void)state;
	assert_int_equal(
	    start("echo $$ > \"$1\"; cat > /dev/null", CRB_HOOK_MS, &err),
	    CRB_OK);
	const int open = run();
	(void)snprintf(pid, sizeof(pid), "%s", hear());
	runner = child_of(s.hook.pid, 0);
	assert_int_not_equal(runner, strtol(pid, NULL, 10));
	assert_int_equal(kill(runner, SIGKILL), 0);
	/* What it has started goes with it. */
	for (unsigned i = 0; !is_dead(pid); i++) {
		assert_true(i < PATIENCE_MS / 10);
		(void)poll(NULL, 0, 10);
	}
	/* There may be nobody who takes it yet. */
	(void)close(run());
	(void)hear();
	assert_int_not_equal(child_of(s.hook.pid, runner), runner);
	(void)close(open);
}

static void
a_program_that_others_could_change_is_none(void **state)
{
	struct crb_err err = { 0 };
	char program[128];
	const char *argv[] = { program, NULL };
	struct crb_hook_options options = { .argv = argv,
		.user = { geteuid() == 0, NOBODY, NOBODY },
		.most_ms = CRB_HOOK_MS };
	struct crb_hook hook = CRB_HOOK_NONE;
	int fd;

	(void)state;
	(void)snprintf(program, sizeof(program), "%s/program", s.folder);
	assert_int_not_equal(crb_hook_start(&options, &hook, &err), CRB_OK);
	fd = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0757), 0);
	assert_int_equal(
	    crb_hook_start(&options, &hook, &err), CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "others can write it"));
	(void)close(fd);
	(void)unlink(program);
	argv[0] = "sh";
	assert_int_equal(crb_hook_start(&options, &hook, &err), CRB_ERR_USAGE);
	if (geteuid() == 0) {
		argv[0] = "/bin/true";
		options.user.set = false;
		assert_int_equal(
		    crb_hook_start(&options, &hook, &err), CRB_ERR_USAGE);
	}
	assert_int_equal(hook.sock, -1);
	assert_int_equal(crb_hook_run(&hook, 0, &err), CRB_ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_hook_is_told_on_its_input_and_has_nothing_else, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    as_many_as_there_may_be_run_at_once_and_others_wait, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    one_that_takes_too_long_is_killed_with_what_it_has_started,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_it_leaves_behind_ends_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_runs_them_is_started_again_when_it_dies, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_program_that_others_could_change_is_none, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
