#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "tests/unit/unit.h"

/* Which of the promises of crb_process_harden() does not hold; 0: all do. */
static int
broken_promise(int kept, int closed)
{
	struct rlimit limit;
	struct crb_err err;

	(void)close(STDIN_FILENO);
	(void)close(STDERR_FILENO);
	if (crb_process_harden(kept, &err) != CRB_OK)
		return 1;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 2;
	if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0)
		return 3;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 4;
	if (umask(0) != 077)
		return 5;
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) != 0)
			return 6;
	}
	if (fcntl(kept, F_GETFD) == -1 || fcntl(closed, F_GETFD) != -1)
		return 7;
	/* Without SIG_IGN this ends the process. */
	if (raise(SIGPIPE) != 0)
		return 8;
	return 0;
}

static void
a_hardened_process_keeps_its_promises(void **state)
{
	int kept = open("/dev/null", O_RDONLY | O_CLOEXEC), closed, status;
	pid_t pid;

	(void)state;
	closed = fcntl(kept, F_DUPFD, kept + 50);
	assert_true(closed > kept);
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0)
		_exit(broken_promise(kept, closed));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	(void)close(kept);
	(void)close(closed);
}

static void
we_are_and_live(void **state)
{
	struct crb_process_id id, again;
	struct crb_err err;

	(void)state;
	assert_ok(crb_process_identify(getpid(), &id, &err));
	assert_int_equal(id.pid, getpid());
	assert_true(id.start > 0);
	assert_int_equal(strlen(id.boot), 36);
	assert_ok(crb_process_identify(getpid(), &again, &err));
	assert_true(id.start == again.start);
	assert_true(crb_process_lives(&id));
}

static void
a_pid_that_was_used_again_is_noticed(void **state)
{
	struct crb_process_id id;
	struct crb_err err;

	(void)state;
	assert_ok(crb_process_identify(getpid(), &id, &err));
	id.start--;
	assert_false(crb_process_lives(&id));
	id.start++;
	id.boot[0] = id.boot[0] == 'a' ? 'b' : 'a';
	assert_false(crb_process_lives(&id));
}

static void
a_command_cannot_lie_about_its_start_by_its_name(void **state)
{
	struct crb_process_id before, after;
	char name[16] = { 0 };
	struct crb_err err;

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, name, 0, 0, 0), 0);
	assert_ok(crb_process_identify(getpid(), &before, &err));
	assert_int_equal(prctl(PR_SET_NAME, ") Z 1 2 (x) Z", 0, 0, 0), 0);
	assert_ok(crb_process_identify(getpid(), &after, &err));
	assert_int_equal(prctl(PR_SET_NAME, name, 0, 0, 0), 0);
	assert_true(before.start == after.start);
}

static void
who_is_gone_or_a_zombie_is_not_found(void **state)
{
	struct crb_process_id id;
	struct crb_err err;
	siginfo_t info;
	pid_t pid;
	int go[2];

	(void)state;
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		char c;

		(void)close(go[1]);
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	assert_ok(crb_process_identify(pid, &id, &err));
	assert_true(crb_process_lives(&id));
	(void)close(go[1]);
	(void)close(go[0]);
	/* It has ended, and is not waited for yet. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(crb_process_lives(&id));
	assert_fails(crb_process_identify(pid, &id, &err), CRB_ERR_NOT_FOUND);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(crb_process_lives(&id));
	assert_fails(crb_process_identify(0, &id, &err), CRB_ERR_NOT_FOUND);
	assert_fails(crb_process_identify(-1, &id, &err), CRB_ERR_NOT_FOUND);
}

static void
the_wall_clock_is_that_of_the_system(void **state)
{
	time_t before = time(NULL);

	(void)state;
	assert_in_range(crb_wall_seconds(), before, before + 60);
	assert_in_range(
	    crb_clock_ms(CLOCK_REALTIME) / 1000, before, before + 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hardened_process_keeps_its_promises),
		cmocka_unit_test(we_are_and_live),
		cmocka_unit_test(a_pid_that_was_used_again_is_noticed),
		cmocka_unit_test(
		    a_command_cannot_lie_about_its_start_by_its_name),
		cmocka_unit_test(who_is_gone_or_a_zombie_is_not_found),
		cmocka_unit_test(the_wall_clock_is_that_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
