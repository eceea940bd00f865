#include "broker/supervisor/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/loop.h"
#include "broker/confine/privileges.h"
#include "broker/supervisor/reload.h"

#define SOCK_FD 3
#define REST_MOST_S 64 /* before what has died is started again */

struct run {
	pid_t pid; /* 0: nothing runs */
	struct crb_timer timer;
};

/* The process that starts them. */
struct runner {
	const struct crb_hook_options *options;
	struct crb_loop *loop;
	struct run run[CRB_HOOKS_MAX];
};

/* From here on it is the hook. */
static void
become(const struct runner *runner, int fd)
{
	static const char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
		"/bin",
		"LANG=C.UTF-8", NULL
	};
	const char *const *argv = runner->options->argv;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	sigset_t none;

	(void)sigemptyset(&none);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && setpgid(0, 0) == 0 &&
	    sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
	    signal(SIGPIPE, SIG_DFL) != SIG_ERR && chdir("/") == 0 &&
	    dup2(fd, STDIN_FILENO) != -1 && dup2(null, STDOUT_FILENO) != -1 &&
	    close_range(SOCK_FD, ~0u, 0) == 0)
		/* It changes neither. */
		(void)execve(argv[0], (char *const *)(uintptr_t)argv,
		    (char *const *)(uintptr_t)environment);
	_exit(127);
}

static void
start(struct runner *runner, struct run *run, int fd)
{
	struct crb_err err;
	pid_t pid = fork();

	if (pid == 0)
		become(runner, fd);
	if (pid == -1) {
		crb_log(CRB_LOG_ERROR, "the approval hook cannot be started",
		    CRB_LOG_END);
		return;
	}
	/* Whoever is first; the other one is too late. */
	(void)setpgid(pid, pid);
	run->pid = pid;
	if (crb_timer_set(runner->loop, &run->timer, runner->options->most_ms,
		&err) != CRB_OK)
		(void)kill(-pid, SIGKILL);
}

static struct run *
find_run(struct runner *runner, pid_t pid)
{
	for (unsigned i = 0; i < CRB_HOOKS_MAX; i++)
		if (runner->run[i].pid == pid)
			return &runner->run[i];
	return NULL;
}

/* What comes while all are running waits in the socket. */
static void
on_socket(void *ctx, int fd, unsigned events)
{
	struct runner *runner = ctx;
	struct run *run = find_run(runner, 0);
	struct crb_err err;
	int closed = 0;
	size_t len = 0;
	char byte;

	while (run != NULL) {
		CRB_AUTO_FD int input = -1;

		if (crb_io_receive(fd, &byte, sizeof(byte), &len, &input,
			&closed, &err) != CRB_OK ||
		    closed || len == 0)
			break;
		if (input >= 0)
			start(runner, run, input);
		run = find_run(runner, 0);
	}
	if (closed || (events & CRB_HANGUP) != 0)
		crb_loop_stop(runner->loop);
	else if (run == NULL)
		crb_loop_want(runner->loop, fd, 0);
}

static void
on_late(void *ctx)
{
	const struct run *run = ctx;

	crb_log(CRB_LOG_WARN, "the approval hook takes too long", CRB_LOG_PID,
	    (int64_t)run->pid, CRB_LOG_END);
	(void)kill(-run->pid, SIGKILL);
}

/* While it is not reaped its number is its group's and nobody else's. */
static void
on_child(void *ctx, int signal)
{
	struct runner *runner = ctx;
	siginfo_t info = { 0 };
	int status = 0;

	(void)signal;
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid != 0) {
		struct run *run = find_run(runner, info.si_pid);

		(void)kill(-info.si_pid, SIGKILL);
		(void)waitpid(info.si_pid, &status, 0);
		if (status != 0)
			crb_child_log_end(
			    "approval hook", info.si_pid, status, false);
		if (run != NULL) {
			crb_timer_clear(runner->loop, &run->timer);
			run->pid = 0;
		}
		info.si_pid = 0;
	}
	crb_loop_want(runner->loop, SOCK_FD, CRB_READABLE);
}

static enum crb_status
serve(struct runner *runner, struct crb_err *err)
{
	static const int signals[] = { SIGCHLD };

	for (unsigned i = 0; i < CRB_HOOKS_MAX; i++)
		crb_timer_init(&runner->run[i].timer, on_late, &runner->run[i]);
	if (crb_loop_new(&runner->loop, err) != CRB_OK ||
	    crb_loop_signals(runner->loop, signals, 1, on_child, runner, err) !=
		CRB_OK ||
	    crb_loop_watch(runner->loop, SOCK_FD, CRB_READABLE, on_socket,
		runner, err) != CRB_OK)
		return err->status;
	return crb_loop_run(runner->loop, err);
}

/* Nothing of the supervisor's, and no way back to what it may do. */
static enum crb_status
leave(const struct crb_user *user, int sock, pid_t parent, struct crb_err *err)
{
	if (setsid() == -1 || dup2(sock, SOCK_FD) == -1 ||
	    close_range(SOCK_FD + 1, ~0u, 0) != 0 ||
	    fcntl(SOCK_FD, F_SETFD, FD_CLOEXEC) != 0)
		return crb_err_errno(err, "its session and descriptors");
	if (user->set &&
	    crb_privileges_become(user->uid, user->gid, err) != CRB_OK)
		return err->status;
	if (crb_privileges_keep(false, err) != CRB_OK)
		return err->status;
	/* Behind the change of user, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return crb_err_errno(err, "following the supervisor");
	return getppid() == parent
	    ? CRB_OK
	    : crb_err_set(err, CRB_ERR_SYSTEM, "the supervisor is gone");
}

/* Ends with the keeper, and with the supervisor's end of the socket. */
static void
run_hooks(const struct crb_hook_options *options, pid_t keeper)
{
	struct runner runner = { .options = options };
	struct crb_err err;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != keeper)
		_exit(1);
	if (serve(&runner, &err) != CRB_OK) {
		crb_log(CRB_LOG_ERROR, "no approval hooks", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
		_exit(1);
	}
	/* What still runs goes, too. */
	for (unsigned i = 0; i < CRB_HOOKS_MAX; i++)
		if (runner.run[i].pid != 0)
			(void)kill(-runner.run[i].pid, SIGKILL);
	_exit(0);
}

/*
 * The supervisor cannot start another once it is bound.  So this does, which
 * does nothing else and so has little to die of.  What is to be run meanwhile
 * waits in the socket.
 */
static void
keep(const struct crb_hook_options *options, int sock, pid_t parent)
{
	pid_t keeper = getpid(), pid;
	unsigned rest = 1;
	int status = 0;
	struct crb_err err;

	crb_log_open("hook", CRB_LOG_INFO);
	if (leave(&options->user, sock, parent, &err) != CRB_OK) {
		crb_log(CRB_LOG_ERROR, "no approval hooks", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
		_exit(1);
	}
	while (true) {
		pid = fork();
		if (pid == 0)
			run_hooks(options, keeper);
		if (pid != -1 && waitpid(pid, &status, 0) == pid && status == 0)
			_exit(0);
		crb_child_log_end("approval hooks", pid, status, false);
		(void)sleep(rest);
		rest = rest < REST_MOST_S ? 2 * rest : rest;
	}
}

static enum crb_status
check(const struct crb_hook_options *options, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;

	if (options->argv[0][0] != '/')
		return crb_err_set(err, CRB_ERR_USAGE,
		    "approval_hook: the program must be an absolute path");
	if (geteuid() == 0 && !options->user.set)
		return crb_err_set(
		    err, CRB_ERR_USAGE, "approval_hook_user: not root");
	if (crb_vetted_open(options->argv[0], geteuid(), &fd, err) != CRB_OK)
		return crb_err_context(err, "approval_hook");
	return CRB_OK;
}

enum crb_status
crb_hook_start(const struct crb_hook_options *options, struct crb_hook *out,
    struct crb_err *err)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (check(options, err) != CRB_OK)
		return err->status;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return crb_err_errno(err, "a socket");
	CRB_AUTO_FD int ours = pair[0], theirs = pair[1];
	pid = fork();
	if (pid == 0)
		keep(options, theirs, parent);
	if (pid == -1)
		return crb_err_errno(err, "starting the approval hook");
	*out = (struct crb_hook){ pid, CRB_STEAL_FD(ours) };
	return CRB_OK;
}

enum crb_status
crb_hook_run(const struct crb_hook *hook, int fd, struct crb_err *err)
{
	if (hook->sock == -1)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "nothing runs it any more; restart the broker");
	return crb_io_send(hook->sock, "", 1, fd, err);
}

void
crb_hook_close(struct crb_hook *hook)
{
	if (hook->sock != -1)
		(void)close(hook->sock);
	*hook = (struct crb_hook)CRB_HOOK_NONE;
}
