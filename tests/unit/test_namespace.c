#include "broker/core/namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"

static struct crb_host host;
static struct crb_err err;

static int
setup(void **state)
{
	(void)state;
	return crb_host_open(&host, &err) == CRB_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	crb_host_close(&host);
	return 0;
}

static enum crb_status
check(const char *user, const char *pid)
{
	int fd[2] = { open(user, O_RDONLY | O_CLOEXEC),
		open(pid, O_RDONLY | O_CLOEXEC) };
	enum crb_status status;

	assert_true(fd[0] != -1 && fd[1] != -1);
	status = crb_host_check(&host, fd, &err);
	(void)close(fd[0]);
	(void)close(fd[1]);
	return status;
}

static void
its_own_are_the_hosts(void **state)
{
	(void)state;
	assert_ok(check("/proc/self/ns/user", "/proc/self/ns/pid"));
	assert_ok(check("/proc/thread-self/ns/user", "/proc/self/ns/pid"));
}

static void
nothing_else_is(void **state)
{
	static const char *const other[] = { "/proc/self/ns/mnt",
		"/proc/self/ns/net", "/proc/self/ns/uts", "/proc/self/ns/ipc",
		"/proc/self/ns/cgroup", "/proc/self/ns", "/proc/self/status",
		"/dev/null", "/etc/passwd", "/tmp", "/proc/self/exe" };

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		assert_int_equal(
		    check(other[i], "/proc/self/ns/pid"), CRB_ERR_OUTSIDE);
		assert_int_equal(
		    check("/proc/self/ns/user", other[i]), CRB_ERR_OUTSIDE);
	}
	assert_int_equal(
	    check("/proc/self/ns/pid", "/proc/self/ns/user"), CRB_ERR_OUTSIDE);
	assert_int_equal(
	    check("/proc/self/ns/user", "/proc/self/ns/user"), CRB_ERR_OUTSIDE);
}

static void
neither_is_a_descriptor_of_no_file(void **state)
{
	int memory = memfd_create("user:[4026531837]", MFD_CLOEXEC);
	int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	int pair[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(crb_host_check(&host, (int[]){ memory, own }, &err),
	    CRB_ERR_OUTSIDE);
	assert_int_equal(crb_host_check(&host, (int[]){ pair[0], own }, &err),
	    CRB_ERR_OUTSIDE);
	assert_int_equal(
	    crb_host_check(&host, (int[]){ -1, -1 }, &err), CRB_ERR_OUTSIDE);
	(void)close(memory);
	(void)close(own);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* What a sandbox has: namespaces of its own, of both kinds. */
static void
one_of_a_sandbox_is_not(void **state)
{
	char user[64], pid[64];
	int ready[2], status;
	pid_t child;
	char c = 0;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	if ((child = fork()) == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0 ? 'y' : 'n';
		(void)!write(ready[1], &c, 1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)snprintf(user, sizeof(user), "/proc/%d/ns/user", (int)child);
	(void)snprintf(
	    pid, sizeof(pid), "/proc/%d/ns/pid_for_children", (int)child);
	if (c == 'y') {
		assert_int_equal(
		    check(user, "/proc/self/ns/pid"), CRB_ERR_OUTSIDE);
		assert_non_null(strstr(err.msg, "user"));
	}
	(void)kill(child, SIGKILL);
	(void)waitpid(child, &status, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
	if (c != 'y')
		skip();
}

static void
a_process_of_no_deeper_pid_namespace_is_on_the_host(void **state)
{
	(void)state;
	assert_ok(crb_host_peer(&host, getpid(), &err));
	assert_ok(crb_host_peer(&host, getppid(), &err));
	assert_int_equal(
	    crb_host_peer(&host, INT32_MAX, &err), CRB_ERR_OUTSIDE);
	assert_int_equal(crb_host_peer(&host, 0, &err), CRB_ERR_OUTSIDE);
	host.depth++;
	assert_int_equal(crb_host_peer(&host, getpid(), &err), CRB_ERR_OUTSIDE);
	host.depth--;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_own_are_the_hosts),
		cmocka_unit_test(nothing_else_is),
		cmocka_unit_test(neither_is_a_descriptor_of_no_file),
		cmocka_unit_test(one_of_a_sandbox_is_not),
		cmocka_unit_test(
		    a_process_of_no_deeper_pid_namespace_is_on_the_host),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
