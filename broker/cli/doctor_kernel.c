#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "broker/cli/doctor.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define BWRAP_MS 20000
#define OUTPUT_MAX 4096

static void
check_seccomp(struct crb_doctor *doctor)
{
	const uint32_t kill_process = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill_process) ==
	    0)
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "seccomp filters");
	else
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "a kernel with CONFIG_SECCOMP_FILTER",
		    "the kernel has no seccomp filters: %s",
		    strerrordesc_np(errno));
}

/* Settings that forbid user namespaces, and the value that does. */
static const struct {
	const char *path, *name;
	long long forbids;
	const char *remedy;
} settings[] = {
	{ "/proc/sys/kernel/unprivileged_userns_clone",
	    "kernel.unprivileged_userns_clone", 0,
	    "sysctl kernel.unprivileged_userns_clone=1" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
	    "kernel.apparmor_restrict_unprivileged_userns", 1,
	    "an AppArmor profile for credbroker and bwrap, or sysctl "
	    "kernel.apparmor_restrict_unprivileged_userns=0" },
	{ "/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", 0,
	    "sysctl user.max_user_namespaces=10000" },
};

/* Tried, for what a setting says is not all that may forbid it. */
static bool
namespaces_work(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			  CLONE_NEWNET | CLONE_NEWIPC) == 0
			? 0
			: 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	    WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
check_namespaces(struct crb_doctor *doctor)
{
	bool work = namespaces_work();
	unsigned forbidding = 0;
	long long value;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (!crb_doctor_number(settings[i].path, &value) ||
		    value != settings[i].forbids)
			continue;
		forbidding++;
		crb_doctor_find(doctor,
		    work ? CRB_FINDING_WARN : CRB_FINDING_FAIL,
		    settings[i].remedy, "%s is %lld: user namespaces are %s",
		    settings[i].name, value,
		    work ? "for some only" : "forbidden");
	}
	if (work && forbidding == 0)
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "user namespaces");
	else if (!work && forbidding == 0)
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "allow them: containers often forbid them by a seccomp "
		    "profile",
		    "user namespaces cannot be made: run and the processes' "
		    "own namespaces need them");
}

static void
check_landlock(struct crb_doctor *doctor)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	if (abi > 0)
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "Landlock, version %ld", abi);
	else
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "Linux 5.13 with lsm=landlock",
		    "the kernel has no Landlock: one layer less around the "
		    "processes");
}

static void
check_pidfd(struct crb_doctor *doctor)
{
	CRB_AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int pair[2], peer = -1;
	socklen_t len = sizeof(peer);

	if (pidfd == -1)
		crb_doctor_find(doctor, CRB_FINDING_WARN, "Linux 5.3",
		    "the kernel has no pidfd_open: processes are asked for "
		    "every second");
	else
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "process descriptors");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return;
	if (getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &peer, &len) == 0) {
		(void)close(peer);
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "process descriptors of peers");
	} else {
		/* There is a way without it, so nothing is wrong. */
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "no process descriptors of peers (Linux 6.5): "
		    "done without");
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
check_tracing(struct crb_doctor *doctor)
{
	long long scope;

	if (!crb_doctor_number("/proc/sys/kernel/yama/ptrace_scope", &scope))
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "no Yama; the broker's processes are not dumpable, and so "
		    "not traceable");
	else if (scope == 0)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "sysctl kernel.yama.ptrace_scope=1",
		    "any process may trace another of its user: those that "
		    "start the broker are open to it");
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "kernel.yama.ptrace_scope is %lld", scope);
}

static void
check_cores(struct crb_doctor *doctor)
{
	char pattern[256];
	struct crb_err err;

	if (crb_doctor_line("/proc/sys/kernel/core_pattern", pattern,
		sizeof(pattern), &err) != CRB_OK)
		return;
	crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
	    "core dumps go to %s; none is made of the broker's processes",
	    pattern[0] == '|'        ? pattern + 1
		: pattern[0] != '\0' ? pattern
				     : "nowhere");
}

/* Of absolute folders of PATH only, as run has it. */
static bool
find_bwrap(char out[CRB_PATH_MAX])
{
	const char *path = getenv("PATH");
	struct crb_slice rest, piece;

	rest = CRB_SLICE(path != NULL && *path != '\0' ? path : "/usr/bin");
	while (crb_slice_cut(&rest, ':', &piece)) {
		int n = snprintf(
		    out, CRB_PATH_MAX, "%.*s/bwrap", (int)piece.len, piece.p);

		if (piece.len > 0 && piece.p[0] == '/' && n < CRB_PATH_MAX &&
		    access(out, X_OK) == 0)
			return true;
	}
	return false;
}

static void
become_bwrap(const char *bwrap, int output)
{
	static const char *const argv[] = { "bwrap", "--unshare-all",
		"--unshare-user", "--disable-userns", "--cap-drop", "ALL",
		"--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc",
		"--dev", "/dev", "--", "/bin/sh", "-c", ":", NULL };
	static const char *const environment[] = { "LANG=C",
		"PATH=/usr/bin:/bin", NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(output, STDOUT_FILENO) == -1 ||
	    dup2(output, STDERR_FILENO) == -1)
		_exit(126);
	/* It could close its output, and stay. */
	(void)alarm(BWRAP_MS / 1000);
	(void)execve(bwrap, (char *const *)(uintptr_t)argv,
	    (char *const *)(uintptr_t)environment);
	_exit(127);
}

/* Its output until it ends, its first line kept. */
static bool
run_bwrap(const char *bwrap, char said[256])
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(OUTPUT_MAX);
	int ends[2], status = -1;
	struct crb_err err;
	pid_t pid;

	(void)snprintf(said, 256, "it could not be started");
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	if ((pid = fork()) == 0)
		become_bwrap(bwrap, ends[1]);
	(void)close(ends[1]);
	if (pid > 0 &&
	    crb_io_read_all(ends[0], &text, BWRAP_MS, &err) != CRB_OK)
		(void)kill(pid, SIGKILL);
	(void)close(ends[0]);
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return false;
	(void)snprintf(said, 256, "%.*s",
	    (int)strcspn(crb_buf_text(&text), "\n"), crb_buf_text(&text));
	if (said[0] == '\0')
		(void)snprintf(said, 256, "it ended without a word");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
check_bubblewrap(struct crb_doctor *doctor)
{
	char path[CRB_PATH_MAX], said[256];

	if (!find_bwrap(path))
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "apt install bubblewrap (or dnf, apk, pacman)",
		    "bubblewrap (bwrap) is not on PATH: credbroker run cannot "
		    "make a sandbox");
	else if (!run_bwrap(path, said))
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "see the findings about user namespaces",
		    "%s cannot make a sandbox: %s", path, said);
	else
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "%s makes a sandbox", path);
}

const struct crb_check crb_checks_kernel[] = {
	{ "seccomp", check_seccomp },
	{ "namespaces", check_namespaces },
	{ "landlock", check_landlock },
	{ "pidfd", check_pidfd },
	{ "ptrace", check_tracing },
	{ "core_pattern", check_cores },
	{ "bubblewrap", check_bubblewrap },
	{ NULL, NULL },
};
