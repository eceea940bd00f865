#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/cleanup.h"
#include "shim/forward.h"
#include "shim/listen.h"
#include "shim/say.h"

/* As a shell says it. */
#define STATUS_NOT_FOUND 127
#define STATUS_NOT_RUN 126
#define STATUS_SIGNAL 128

/* Where no close_range() is, descriptors above this are not looked for. */
#define CLOSE_MOST 65536

/*
 * Signals that somebody may send to us and means for the command.  Those that
 * the kernel sends for the terminal reach the command too, which is in the same
 * process group, unless it is a shell that chose another: so they are not sent
 * on.  But a hang-up goes to the leader of the session, which we may be.
 */
static const struct passed {
	int number;
	bool from_kernel;
} passed_on[] = {
	{ SIGHUP, true },
	{ SIGINT, false },
	{ SIGQUIT, false },
	{ SIGTERM, false },
	{ SIGUSR1, false },
	{ SIGUSR2, false },
	{ SIGWINCH, false },
	{ SIGALRM, false },
	{ SIGTSTP, false },
	{ SIGCONT, false },
};

#define PASSED_COUNT (sizeof(passed_on) / sizeof(*passed_on))

/* What the command is to have as if nobody stood between. */
struct inherited {
	sigset_t mask;
	struct sigaction child;
};

/* The command and the forwarder beside it. */
struct pair {
	pid_t command;
	pid_t forwarder;
	sigset_t awaited;
};

static void
close_from(unsigned first)
{
	struct rlimit files = { 0, 0 };

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &files) == -1 ||
	    files.rlim_cur > CLOSE_MOST)
		files.rlim_cur = CLOSE_MOST;
	for (unsigned fd = first; fd < files.rlim_cur; fd++)
		(void)close((int)fd);
}

/*
 * Let go of the terminal and of every pipe, so that their other ends see the
 * command's end and not ours.
 */
static void
drop_standard(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++) {
		if (null == -1 || dup2(null, fd) == -1)
			(void)close(fd);
	}
	if (null > 2)
		(void)close(null);
}

/* Die with the parent, which is `parent` unless it has gone already. */
static void
die_with(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CRB_EXIT_OTHER);
}

/*
 * The forwarder has a session of its own: neither the terminal's signals nor
 * a stop of the command's job reach it.
 */
_Noreturn static void
be_forwarder(pid_t parent, int listener, const struct crb_options *options)
{
	const int kept = STDERR_FILENO + 1;

	die_with(parent);
	(void)setsid();
	if (listener != kept && dup2(listener, kept) == -1)
		_exit(CRB_EXIT_OTHER);
	drop_standard();
	close_from((unsigned)kept + 1);
	_exit(crb_forward_serve(kept, options));
}

_Noreturn static void
be_command(pid_t parent, const struct inherited *inherited,
    const struct crb_options *options)
{
	const struct sigaction plain = { .sa_handler = SIG_DFL };
	char **args = options->args;
	int status;

	die_with(parent);
	(void)sigaction(SIGCHLD, &inherited->child, NULL);
	if (options->interrupts) {
		(void)sigaction(SIGINT, &plain, NULL);
		(void)sigaction(SIGQUIT, &plain, NULL);
	}
	(void)sigprocmask(SIG_SETMASK, &inherited->mask, NULL);
	(void)execvp(args[0], args);
	status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
	_exit(crb_say_fail(
	    (enum crb_exit)status, "%s: %s", args[0], strerror(errno)));
}

/* Hold back what is to be passed on, and hear of children whatever our caller
 * thought of them. */
static void
hold_signals(struct pair *pair, struct inherited *inherited)
{
	const struct sigaction heard = { .sa_handler = SIG_DFL };

	(void)sigemptyset(&pair->awaited);
	(void)sigaddset(&pair->awaited, SIGCHLD);
	for (size_t i = 0; i < PASSED_COUNT; i++)
		(void)sigaddset(&pair->awaited, passed_on[i].number);
	(void)sigprocmask(SIG_BLOCK, &pair->awaited, &inherited->mask);
	(void)sigaction(SIGCHLD, &heard, &inherited->child);
}

/*
 * The command was stopped: stop with it, so that whoever waits for us sees it
 * stopped.  Unless it is to go on again already.
 */
static void
stop_too(void)
{
	sigset_t pending;

	if (sigpending(&pending) == 0 && sigismember(&pending, SIGCONT) == 1)
		return;
	(void)kill(getpid(), SIGSTOP);
}

/* Reap whatever ended (as pid 1, orphans too).  True with the command's. */
static bool
reap(struct pair *pair, int *status)
{
	for (;;) {
		int one;
		pid_t pid = waitpid(-1, &one, WNOHANG | WUNTRACED);

		if (pid == 0 || (pid == -1 && errno != EINTR))
			return false;
		if (pid == pair->forwarder && !WIFSTOPPED(one))
			pair->forwarder = -1;
		if (pid != pair->command)
			continue;
		if (!WIFSTOPPED(one)) {
			*status = one;
			return true;
		}
		stop_too();
	}
}

/* Whether the command should have a signal that we got. */
static bool
is_passed(const siginfo_t *info, pid_t command)
{
	if (info->si_code <= 0)
		return info->si_pid != command;
	for (size_t i = 0; i < PASSED_COUNT; i++) {
		if (passed_on[i].number == info->si_signo)
			return passed_on[i].from_kernel;
	}
	return false;
}

/* Wait for the command's end, passing signals on; returns its status. */
static int
attend(struct pair *pair)
{
	int status = 0;

	while (!reap(pair, &status)) {
		siginfo_t info;
		int number = sigwaitinfo(&pair->awaited, &info);

		if (number == -1 || number == SIGCHLD)
			continue;
		if (is_passed(&info, pair->command))
			(void)kill(pair->command, number);
	}
	return status;
}

/* End as the command ended; a signal's number if we cannot die of it. */
static int
end_as(int status)
{
	const struct rlimit none = { 0, 0 };
	sigset_t all;
	int signal;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signal = WTERMSIG(status);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)sigaction(
	    signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	(void)sigemptyset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)raise(signal);
	return STATUS_SIGNAL + signal;
}

static void
forwarder_end(const struct pair *pair)
{
	if (pair->forwarder <= 0)
		return;
	(void)kill(pair->forwarder, SIGKILL);
	(void)waitpid(pair->forwarder, NULL, 0);
}

static int
run_pair(int listener, const struct crb_options *options)
{
	struct pair pair = { .command = -1, .forwarder = -1 };
	struct inherited inherited;
	pid_t self = getpid();
	int status;

	/* The command must not trace us; what it executes can be traced again.
	 */
	(void)prctl(PR_SET_DUMPABLE, 0);
	hold_signals(&pair, &inherited);
	pair.forwarder = fork();
	if (pair.forwarder == 0)
		be_forwarder(self, listener, options);
	if (pair.forwarder != -1)
		pair.command = fork();
	if (pair.command == 0)
		be_command(self, &inherited, options);
	if (pair.command == -1) {
		status = crb_say_fail(
		    CRB_EXIT_OTHER, "fork: %s", strerror(errno));
		forwarder_end(&pair);
		return status;
	}
	drop_standard();
	close_from(STDERR_FILENO + 1);
	status = attend(&pair);
	forwarder_end(&pair);
	return end_as(status);
}

int
crb_exec_run(const struct crb_options *options)
{
	static const char scheme[] = "http://";
	char url[sizeof(scheme) + CRB_LISTEN_TEXT];
	char text[CRB_LISTEN_TEXT];
	int listener = options->listen_fd;
	int code = listener != -1
	    ? crb_listen_adopt(listener, text)
	    : crb_listen_open(options->listen, &listener, text);

	if (code != CRB_EXIT_DONE)
		return code;
	(void)snprintf(url, sizeof(url), "%s%s", scheme, text);
	if (setenv("CREDBROKER_ENDPOINT", url, 1) == -1)
		return crb_say_fail(CRB_EXIT_OTHER, "out of memory");
	/* Closed with all else once the children are there. */
	return run_pair(listener, options);
}
