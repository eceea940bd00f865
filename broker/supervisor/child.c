#include "broker/supervisor/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"

#define CHILD_FD 3

/* From here on we are the child, and all that is left is to become it. */
static void
become(const char *program, const struct crb_spawn *spawn)
{
	static const char *const environment[] = { "LANG=C", NULL };

	/* execve() changes neither. */
	(void)execve(program, (char *const *)(uintptr_t)spawn->argv,
	    (char *const *)(uintptr_t)environment);
	_exit(127);
}

/* Only 0, 1, 2 and CHILD_FD. */
static int
arrange_descriptors(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) == -1)
		return -1;
	/* dup2() onto itself would leave it CLOEXEC. */
	if (fd == CHILD_FD ? fcntl(fd, F_SETFD, 0) == -1
			   : dup2(fd, CHILD_FD) == -1)
		return -1;
	return close_range(CHILD_FD + 1, ~0u, 0);
}

/*
 * What sets the child apart from us.  Its own user (as root), and namespaces,
 * belong here.
 */
static int
prepare(const struct crb_spawn *spawn, pid_t parent)
{
	sigset_t none;

	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) != 0 ||
	    signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		return -1;
	/* A terminal's Ctrl-C is for us, who stop them in order. */
	if (setpgid(0, 0) != 0)
		return -1;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		return -1;
	return arrange_descriptors(spawn->fd);
}

enum crb_status
crb_spawn(const struct crb_spawn *spawn, pid_t *out, struct crb_err *err)
{
	char program[CRB_PATH_MAX];
	pid_t parent = getpid(), pid;

	if (crb_path_join(program, spawn->libexec, spawn->name, err) != CRB_OK)
		return err->status;
	if ((pid = fork()) == -1)
		return crb_err_errno(err, "starting %s", spawn->name);
	if (pid == 0) {
		if (prepare(spawn, parent) != 0)
			_exit(126);
		become(program, spawn);
	}
	*out = pid;
	return CRB_OK;
}

void
crb_child_log_end(const char *name, pid_t pid, int status, bool expected)
{
	crb_log(expected ? CRB_LOG_INFO : CRB_LOG_WARN, "child ended",
	    CRB_LOG_PROCESS, name, CRB_LOG_PID, (int64_t)pid,
	    WIFSIGNALED(status) ? CRB_LOG_SIGNAL : CRB_LOG_STATUS,
	    (int64_t)(WIFSIGNALED(status) ? WTERMSIG(status)
					  : WEXITSTATUS(status)),
	    CRB_LOG_END);
}

int64_t
crb_restart_delay(int64_t last_delay_ms, int64_t was_up_ms)
{
	if (last_delay_ms == 0 || was_up_ms >= CRB_RESTART_RESET_MS)
		return CRB_RESTART_FIRST_MS;
	if (last_delay_ms >= CRB_RESTART_MOST_MS / 2)
		return CRB_RESTART_MOST_MS;
	return 2 * last_delay_ms;
}
