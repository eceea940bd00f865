#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "broker/cli/folders.h"
#include "broker/cli/mount_check.h"
#include "broker/cli/sandbox_args.h"
#include "broker/cli/sandbox_filter.h"
#include "broker/cli/sandbox_scope.h"
#include "broker/cli/session_request.h"
#include "broker/cli/variables.h"

/* How long bubblewrap may take to make a sandbox. */
#define READY_MS 30000
#define READY_STEP_MS 2

/* The command inside, seen from here: where signals are passed on to. */
static volatile sig_atomic_t inner_pid;

static void
pass_on(int number)
{
	int saved = errno;

	if (inner_pid > 0)
		(void)kill((pid_t)inner_pid, number);
	errno = saved;
}

/*
 * The terminal's own signals reach the command by themselves (it is in the
 * same foreground group); bubblewrap must not die of them before it does.
 */
static void
set_signals(void)
{
	static const int passed[] = { SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
	struct sigaction pass = { .sa_handler = pass_on,
		.sa_flags = SA_RESTART };

	(void)sigemptyset(&pass.sa_mask);
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		(void)sigaction(passed[i], &pass, NULL);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
}

static pid_t
read_inner_pid(int info)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4096);
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_err err;

	if (crb_io_read_all(info, &buf, CRB_FOREVER, &err) == CRB_OK &&
	    buf.len > 0 &&
	    crb_json_parse(buf.data, buf.len, "bwrap", &json, &err) == CRB_OK)
		return (pid_t)json_integer_value(
		    json_object_get(json, "child-pid"));
	return 0;
}

/* A sandbox under way.  Pipes: [0] is read from. */
struct run {
	const struct crb_sandbox *sandbox;
	struct crb_sandbox_files files;
	int info[2], block[2];
	int options;               /* bubblewrap's, in a file */
	struct crb_args args;      /* what is executed */
	struct crb_args variables; /* its environment */
	const char *program;
	pid_t pid;
};

static void
run_clear(struct run *run)
{
	int *const fds[] = { &run->info[0], &run->info[1], &run->block[0],
		&run->block[1], &run->options, &run->files.seccomp };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		crb_fd_cleanup(fds[i]);
	crb_sandbox_files_clear(&run->files);
	crb_args_clear(&run->args);
	crb_args_clear(&run->variables);
}

static bool
keep(int fd)
{
	return fd == -1 || fcntl(fd, F_SETFD, 0) == 0;
}

/*
 * In the child: only what is told of, and nothing of our caller's, is left
 * open; a folder's descriptor would lead out.
 */
static void
exec_program(struct run *run)
{
	char *none = NULL;
	bool kept = close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) ==
	    0;

	kept = kept && keep(run->files.seccomp) && keep(run->files.info) &&
	    keep(run->files.block) && keep(run->options) &&
	    keep(run->sandbox->listener);
	for (size_t i = 0; i < run->files.count; i++)
		kept = kept && keep(run->files.at[i]);
	/* Before: what keeps it from the host's sockets is to hold for all. */
	if (run->sandbox->scoped && !crb_sandbox_scope())
		kept = false;
	if (kept)
		(void)execve(run->program, run->args.at,
		    run->variables.at != NULL ? run->variables.at : &none);
	(void)dprintf(STDERR_FILENO, "credbroker: %s: %s\n", run->program,
	    strerror(errno));
	_exit(127);
}

static enum crb_status
wait_for(pid_t pid, int *status, struct crb_err *err)
{
	int raw;

	while (waitpid(pid, &raw, 0) == -1)
		if (errno != EINTR)
			return crb_err_errno(err, "waiting for the sandbox");
	*status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
	return CRB_OK;
}

static bool
has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
	    0 ||
	    info.si_pid != 0;
}

/*
 * The sandbox is made, and waits: is it the one that was meant?  When
 * bubblewrap has failed by itself it has said so.
 */
static enum crb_status
check_and_let_go(struct run *run, pid_t inside, struct crb_err *err)
{
	static const char probe[] = CRB_SANDBOX_BIN "/credbroker-shim";
	int left = READY_MS;

	while (!crb_mount_check_ready(inside, probe)) {
		if (has_ended(run->pid))
			return CRB_OK;
		if ((left -= READY_STEP_MS) <= 0)
			return crb_err_set(err, CRB_ERR_TIMEOUT,
			    "the sandbox was not ready within %d s",
			    READY_MS / 1000);
		(void)poll(NULL, 0, READY_STEP_MS);
	}
	if (crb_mount_check(inside, &run->sandbox->mounts, err) != CRB_OK)
		return err->status;
	return crb_io_write(run->block[1], "x", 1, READY_MS, err);
}

static enum crb_status
start_sandbox(struct run *run, struct crb_err *err)
{
	pid_t inside;

	crb_fd_cleanup(&run->info[1]);
	run->info[1] = -1;
	inside = read_inner_pid(run->info[0]);
	if (inside == 0)
		return CRB_OK;
	inner_pid = (sig_atomic_t)inside;
	if (check_and_let_go(run, inside, err) == CRB_OK)
		return CRB_OK;
	(void)kill(run->pid, SIGKILL);
	(void)kill(inside, SIGKILL);
	return err->status;
}

/* A full-screen program that was killed leaves its terminal as it had it. */
static enum crb_status
spawn(struct run *run, int *status, struct crb_err *err)
{
	struct termios before;
	bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	enum crb_status result = CRB_OK;
	struct crb_err late;

	set_signals();
	if ((run->pid = fork()) == -1)
		return crb_err_errno(err, "fork");
	if (run->pid == 0)
		exec_program(run);
	if (run->sandbox->request->bare)
		inner_pid = (sig_atomic_t)run->pid;
	else
		result = start_sandbox(run, err);
	if (wait_for(run->pid, status, &late) != CRB_OK && result == CRB_OK) {
		*err = late;
		result = late.status;
	}
	inner_pid = 0;
	if (terminal && tcgetpgrp(STDIN_FILENO) == getpgrp())
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	return result;
}

/* For --args: each with its NUL. */
static enum crb_status
write_options(struct run *run, const struct crb_args *args, struct crb_err *err)
{
	run->options = memfd_create("sandbox-options", MFD_CLOEXEC);
	if (run->options == -1)
		return crb_err_errno(err, "memfd_create");
	for (size_t i = 0; i < args->count; i++)
		if (crb_io_write(run->options, args->at[i],
			strlen(args->at[i]) + 1, CRB_FOREVER, err) != CRB_OK)
			return err->status;
	if (lseek(run->options, 0, SEEK_SET) == -1)
		return crb_err_errno(err, "lseek");
	return CRB_OK;
}

/*
 * bubblewrap runs outside of what it makes: it gets no environment, which
 * --env may point into the workspace (LD_PRELOAD), and its options through a
 * descriptor, since others can see a command line.
 */
static enum crb_status
prepare_bwrap(struct run *run, const struct crb_sandbox_launch *launch,
    struct crb_err *err)
{
	struct crb_args options = { .count = 0 };
	enum crb_status status;

	if (crb_sandbox_filter(&run->files.seccomp, err) != CRB_OK)
		return err->status;
	if (pipe2(run->info, O_CLOEXEC) == -1 ||
	    pipe2(run->block, O_CLOEXEC) == -1)
		return crb_err_errno(err, "pipe");
	run->files.info = run->info[1];
	run->files.block = run->block[0];
	status = crb_sandbox_args(launch, &run->files, &options, err);
	if (status == CRB_OK)
		status = write_options(run, &options, err);
	crb_args_clear(&options);
	if (status != CRB_OK)
		return status;
	run->program = launch->sandbox->bwrap;
	crb_args_add(&run->args, "bwrap");
	crb_args_add(&run->args, "--args");
	crb_args_printf(&run->args, "%d", run->options);
	crb_args_add(&run->args, "--");
	crb_args_add(&run->args, CRB_SANDBOX_BIN "/credbroker-shim");
	crb_sandbox_shim_args(launch, &run->args);
	return CRB_OK;
}

/* Without a sandbox the command has only the environment and the forwarder. */
static enum crb_status
prepare_bare(struct run *run, const struct crb_sandbox_launch *launch,
    struct crb_err *err)
{
	const struct crb_sandbox *sandbox = launch->sandbox;
	const char *key;
	json_t *value;

	if (chdir(sandbox->workspace) == -1)
		return crb_err_errno(err, "%s", sandbox->workspace);
	run->program = sandbox->shim;
	crb_args_add(&run->args, "credbroker-shim");
	crb_sandbox_shim_args(launch, &run->args);
	json_object_foreach((json_t *)(uintptr_t)launch->variables, key, value)
	    crb_args_printf(
		&run->variables, "%s=%s", key, json_string_value(value));
	return CRB_OK;
}

static bool
opens_git(const struct crb_sandbox *sandbox)
{
	const struct crb_list *open = sandbox->request->open;

	for (size_t i = 0; i < open->count; i++)
		if (crb_folder_holds(open->item[i], ".git/config"))
			return true;
	return false;
}

/* Nothing is mounted there: what names a file of the session names it here. */
static void
set_folder(json_t *variables, const char *folder)
{
	static const char mounted[] = "/run/credbroker/";
	const char *key, *text;
	json_t *value;
	void *next;

	json_object_foreach_safe(variables, next, key, value)
	{
		text = json_string_value(value);
		if (strncmp(text, mounted, sizeof(mounted) - 1) == 0)
			(void)json_object_set_new(variables, key,
			    json_sprintf(
				"%s/%s", folder, text + sizeof(mounted) - 1));
	}
}

static json_t *
make_variables(const struct crb_sandbox *sandbox, const char *folder,
    const json_t *environment)
{
	char programs[CRB_PATH_MAX];
	struct crb_variables_request request = {
		.home = sandbox->home,
		.programs = CRB_SANDBOX_BIN,
		.session = environment,
		.more = sandbox->request->env,
	};
	json_t *variables;

	if (sandbox->request->bare) {
		crb_folder_above(sandbox->shim, programs);
		request.programs = programs;
	}
	variables = crb_variables_make(&request);
	if (sandbox->request->bare)
		set_folder(variables, folder);
	/*
	 * Nothing is written to .git/config there, so git is not to try when
	 * it need not: a branch without an upstream is pushed by its name.
	 */
	if (!sandbox->request->bare && !opens_git(sandbox)) {
		crb_variables_git(variables, "branch.autoSetupMerge", "false");
		crb_variables_git(variables, "push.default", "current");
	}
	return variables;
}

enum crb_status
crb_sandbox_run(const struct crb_sandbox *sandbox, const char *folder,
    const json_t *environment, char *const *command, int *status,
    struct crb_err *err)
{
	struct run run = { .sandbox = sandbox,
		.files = { .seccomp = -1, .info = -1, .block = -1 },
		.info = { -1, -1 },
		.block = { -1, -1 },
		.options = -1 };
	CRB_AUTO_JSON json_t *variables = make_variables(
	    sandbox, folder, environment);
	const struct crb_sandbox_launch launch = {
		.sandbox = sandbox,
		.folder = folder,
		.variables = variables,
		.command = command,
	};
	enum crb_status result = sandbox->request->bare
	    ? prepare_bare(&run, &launch, err)
	    : prepare_bwrap(&run, &launch, err);

	if (result == CRB_OK)
		result = spawn(&run, status, err);
	run_clear(&run);
	return result;
}
