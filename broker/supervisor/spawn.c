#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "broker/bus/messages.h"
#include "broker/confine/apart.h"
#include "broker/confine/privileges.h"
#include "broker/supervisor/child.h"

#define CHILD_FD 3
/* Above those that the child is given, until it executes. */
#define REPORT_FD (CHILD_FD + CRB_SPAWN_FDS_MAX)

/* A child that runs until it is its program, and then is gone from here. */
struct birth {
	const struct crb_spawn *spawn;
	const char *program;
	unsigned namespaces; /* those that it is in */
	pid_t parent;
	int report; /* where it says what failed */
};

/* From here on we are the child, and all that is left is to become it. */
static void
become(const struct birth *birth)
{
	/*
	 * A function that is looked up at its first call has the registers
	 * saved on the stack meanwhile, with what a copy has left in them.
	 */
	static const char *const environment[] = { "LANG=C", "LD_BIND_NOW=1",
		NULL };

	/* execve() changes neither. */
	(void)execve(birth->program,
	    (char *const *)(uintptr_t)birth->spawn->argv,
	    (char *const *)(uintptr_t)environment);
	_exit(127);
}

/* First out of the way of where they are to be, then there. */
static int
arrange_descriptors(struct birth *birth)
{
	int fds[CRB_SPAWN_FDS_MAX], null;
	int report = fcntl(birth->report, F_DUPFD_CLOEXEC, REPORT_FD + 1);

	for (unsigned i = 0; i < CRB_SPAWN_FDS_MAX; i++) {
		fds[i] = birth->spawn->fds[i];
		if (fds[i] != -1 &&
		    (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, REPORT_FD + 1)) ==
			-1)
			return -1;
	}
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 ||
	    dup2(null, STDIN_FILENO) == -1 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) == -1 ||
	    close_range(CHILD_FD, REPORT_FD - 1, 0) != 0)
		return -1;
	for (unsigned i = 0; i < CRB_SPAWN_FDS_MAX; i++)
		if (fds[i] != -1 && dup2(fds[i], CHILD_FD + (int)i) == -1)
			return -1;
	if (dup3(report, REPORT_FD, O_CLOEXEC) == -1)
		return -1;
	birth->report = REPORT_FD;
	return close_range(REPORT_FD + 1, ~0u, 0);
}

/* Signals as at the start of a program, and none of a terminal's. */
static int
arrange_signals(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) != 0 ||
	    signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		return -1;
	return setpgid(0, 0);
}

/* Behind every change of user, which clears it. */
static int
die_with_parent(const struct birth *birth)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return -1;
	/* In its own pid namespace it has none; then its bus tells it. */
	if ((birth->namespaces & CRB_APART_PID) != 0)
		return 0;
	errno = ESRCH;
	return getppid() == birth->parent ? 0 : -1;
}

static enum crb_status
prepare(struct birth *birth, struct crb_err *err)
{
	const struct crb_user *user = &birth->spawn->user;

	if (arrange_signals() != 0 || arrange_descriptors(birth) != 0)
		return crb_err_errno(err, "signals and descriptors");
	if (user->set &&
	    crb_privileges_become(user->uid, user->gid, err) != CRB_OK)
		return err->status;
	if (crb_privileges_keep(birth->namespaces != 0, err) != CRB_OK)
		return err->status;
	if (die_with_parent(birth) != 0)
		return crb_err_errno(err, "following the supervisor");
	return CRB_OK;
}

static void
child(struct birth *birth)
{
	struct crb_err err;

	if (prepare(birth, &err) == CRB_OK)
		become(birth);
	(void)!write(birth->report, err.msg, strlen(err.msg));
	_exit(126);
}

/* The kernel's clone3(), so that its arguments are the same everywhere. */
static pid_t
clone_into(unsigned wanted)
{
	struct clone_args args = { .flags = crb_apart_flags(wanted),
		.exit_signal = SIGCHLD };

	/* Containers forbid it by a filter; then there is nothing but fork().
	 */
	return args.flags == 0
	    ? fork()
	    : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* Until it executes, and the pipe closes.  What it says is why it did not. */
static void
hear(int report, char *said, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	while (len < cap - 1 &&
	    ((n = read(report, said + len, cap - 1 - len)) > 0 ||
		(n == -1 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	said[len] = '\0';
}

/* CRB_ERR_DENIED: not with these namespaces, and err->msg is why. */
static enum crb_status
bear(struct birth *birth, pid_t *out, struct crb_err *err)
{
	char said[sizeof(((struct crb_spawned *)NULL)->problem)];
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return crb_err_errno(err, "starting %s", birth->spawn->name);
	CRB_AUTO_FD int hears = ends[0], says = ends[1];

	birth->report = says;
	if ((pid = clone_into(birth->namespaces)) == 0)
		child(birth);
	if (pid == -1 && birth->namespaces != 0)
		return crb_err_set(err, CRB_ERR_DENIED, "%s", strerror(errno));
	if (pid == -1)
		return crb_err_errno(err, "starting %s", birth->spawn->name);
	crb_fd_cleanup(&says);
	says = -1;
	hear(hears, said, sizeof(said));
	*out = pid;
	if (said[0] == '\0')
		return CRB_OK;
	(void)waitpid(pid, NULL, 0);
	return crb_err_set(err,
	    birth->namespaces != 0 ? CRB_ERR_DENIED : CRB_ERR_SYSTEM, "%s",
	    said);
}

enum crb_status
crb_spawn(
    const struct crb_spawn *spawn, struct crb_spawned *out, struct crb_err *err)
{
	struct birth birth = { .spawn = spawn,
		.namespaces = spawn->namespaces,
		.parent = getpid() };
	char program[CRB_PATH_MAX];
	enum crb_status status;

	if (crb_path_join(program, spawn->libexec, spawn->name, err) != CRB_OK)
		return err->status;
	*out = (struct crb_spawned){ 0 };
	birth.program = program;
	/* Others make them themselves, see crb_apart_enter(). */
	if (!crb_privileges_mount())
		birth.namespaces = 0;
	status = bear(&birth, &out->pid, err);
	if (status == CRB_ERR_DENIED) {
		(void)snprintf(out->problem, sizeof(out->problem),
		    "no namespaces of its own: %.200s", err->msg);
		birth.namespaces = 0;
		status = bear(&birth, &out->pid, err);
	}
	out->namespaces = birth.namespaces;
	return status;
}
