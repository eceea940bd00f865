#include "broker/cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/cli/libexec.h"
#include "broker/cli/sandbox_args.h"
#include "broker/cli/sandbox_filter.h"

#define NO_BWRAP                                                                \
	"bubblewrap (bwrap) is not on PATH, and run needs it for the sandbox. " \
	"Install it: apt install bubblewrap (dnf install bubblewrap)"

static enum crb_status
real_path(const char *path, char out[CRB_PATH_MAX], struct crb_err *err)
{
	CRB_AUTO_FREE char *real = realpath(path, NULL);

	if (real == NULL)
		return crb_err_errno(err, "%s", path);
	return crb_path_join(out, real, "", err);
}

/* `folder` is `inner` or a folder above it. */
static bool
contains(const char *folder, const char *inner)
{
	size_t len = strlen(folder);

	if (strcmp(folder, "/") == 0)
		return true;
	return strncmp(folder, inner, len) == 0 &&
	    (inner[len] == '\0' || inner[len] == '/');
}

/* Not one that the last sandbox has put into its workspace. */
static bool
is_program(const char *path, const char *workspace)
{
	char real[CRB_PATH_MAX];
	struct crb_err err;

	return access(path, X_OK) == 0 &&
	    real_path(path, real, &err) == CRB_OK && !contains(workspace, real);
}

static enum crb_status
find_bwrap(const char *workspace, char out[CRB_PATH_MAX], struct crb_err *err)
{
	const char *path = getenv("PATH");
	struct crb_slice rest, piece;

	if (path == NULL || *path == '\0')
		path = "/usr/bin:/bin";
	rest = CRB_SLICE(path);
	while (crb_slice_cut(&rest, ':', &piece)) {
		int n = snprintf(
		    out, CRB_PATH_MAX, "%.*s/bwrap", (int)piece.len, piece.p);

		if (piece.len > 0 && piece.p[0] == '/' && n < CRB_PATH_MAX &&
		    is_program(out, workspace))
			return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_NOT_FOUND, NO_BWRAP);
}

static enum crb_status
find_home(char out[CRB_PATH_MAX], struct crb_err *err)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (home == NULL || home[0] != '/') {
		if ((user = getpwuid(getuid())) == NULL)
			return crb_err_set(err, CRB_ERR_SYSTEM,
			    "HOME is not set, and this user has no entry");
		home = user->pw_dir;
	}
	return real_path(home, out, err);
}

static enum crb_status
judge_workspace(const struct crb_sandbox *sandbox,
    const struct crb_sandbox_forbidden *forbidden, struct crb_err *err)
{
	const char *const kept_out[] = { sandbox->home, forbidden->state,
		forbidden->runtime, "/usr", "/etc", "/run", "/proc", "/dev",
		"/tmp" };
	char real[CRB_PATH_MAX];

	for (size_t i = 0; i < sizeof(kept_out) / sizeof(*kept_out); i++) {
		struct crb_err missing;
		const char *path = kept_out[i];

		if (real_path(path, real, &missing) == CRB_OK)
			path = real;
		if (contains(sandbox->workspace, path))
			return crb_err_set(err, CRB_ERR_USAGE,
			    "the workspace %s holds %s, which a sandbox must "
			    "not reach: go to the project's folder, or name "
			    "it with --workspace",
			    sandbox->workspace, path);
	}
	return CRB_OK;
}

/*
 * What lies in a broker's folder is not for a sandbox, and a read-only mount
 * would not keep it from the sockets there.
 */
static enum crb_status
hide(struct crb_sandbox *sandbox, const struct crb_sandbox_forbidden *forbidden,
    struct crb_err *err)
{
	const char *const paths[CRB_SANDBOX_HIDDEN] = { forbidden->state,
		forbidden->runtime };
	struct crb_err missing;

	for (size_t i = 0; i < CRB_SANDBOX_HIDDEN; i++) {
		char *real = sandbox->hidden[i];

		if (real_path(paths[i], real, &missing) != CRB_OK) {
			real[0] = '\0';
			continue;
		}
		if (contains(real, sandbox->workspace))
			return crb_err_set(err, CRB_ERR_USAGE,
			    "the workspace %s is in the broker's own folder "
			    "%s: go to the project's folder, or name it with "
			    "--workspace",
			    sandbox->workspace, real);
		if (!crb_sandbox_shows(real))
			real[0] = '\0';
	}
	return CRB_OK;
}

enum crb_status
crb_sandbox_prepare(const char *workspace,
    const struct crb_sandbox_forbidden *forbidden, struct crb_sandbox *out,
    struct crb_err *err)
{
	char libexec[CRB_PATH_MAX];

	if (find_home(out->home, err) != CRB_OK ||
	    real_path(workspace != NULL ? workspace : ".", out->workspace,
		err) != CRB_OK ||
	    judge_workspace(out, forbidden, err) != CRB_OK ||
	    hide(out, forbidden, err) != CRB_OK ||
	    find_bwrap(out->workspace, out->bwrap, err) != CRB_OK ||
	    crb_libexec_find(libexec, err) != CRB_OK ||
	    crb_path_join(out->shim, libexec, "credbroker-shim", err) != CRB_OK)
		return err->status;
	if (access(out->shim, X_OK) == -1)
		return crb_err_errno(err, "%s", out->shim);
	return CRB_OK;
}

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

static void
read_inner_pid(int info)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4096);
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_err err;

	if (crb_io_read_all(info, &buf, CRB_FOREVER, &err) == CRB_OK &&
	    buf.len > 0 &&
	    crb_json_parse(buf.data, buf.len, "bwrap", &json, &err) == CRB_OK)
		inner_pid = (sig_atomic_t)json_integer_value(
		    json_object_get(json, "child-pid"));
}

/*
 * In the child: nothing of ours is left open but what bubblewrap is told of,
 * and nothing of our caller's: a folder's descriptor would lead out.
 */
static void
exec_bwrap(const struct crb_sandbox *sandbox, struct crb_args *args,
    struct crb_args *environment, int seccomp, int info)
{
	if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0 &&
	    fcntl(seccomp, F_SETFD, 0) == 0 && fcntl(info, F_SETFD, 0) == 0)
		(void)execve(sandbox->bwrap, args->at, environment->at);
	(void)dprintf(STDERR_FILENO, "credbroker: %s: %s\n", sandbox->bwrap,
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

static enum crb_status
spawn(const struct crb_sandbox *sandbox, struct crb_args *args,
    struct crb_args *environment, int seccomp, int info[2], int *status,
    struct crb_err *err)
{
	pid_t pid;

	set_signals();
	if ((pid = fork()) == -1)
		return crb_err_errno(err, "fork");
	if (pid == 0)
		exec_bwrap(sandbox, args, environment, seccomp, info[1]);
	(void)close(info[1]);
	info[1] = -1;
	read_inner_pid(info[0]);
	return wait_for(pid, status, err);
}

enum crb_status
crb_sandbox_run(const struct crb_sandbox *sandbox, const char *folder,
    const json_t *environment, char *const *command, int *status,
    struct crb_err *err)
{
	struct crb_args args = { .count = 0 }, variables = { .count = 0 };
	CRB_AUTO_FD int seccomp = -1;
	int info[2];
	enum crb_status result;

	if (crb_sandbox_filter(&seccomp, err) != CRB_OK)
		return err->status;
	if (pipe2(info, O_CLOEXEC) == -1)
		return crb_err_errno(err, "pipe");
	crb_sandbox_args(sandbox, folder, seccomp, info[1], &args);
	for (size_t i = 0; command[i] != NULL; i++)
		crb_args_add(&args, command[i]);
	crb_sandbox_environment(sandbox, environment, &variables);
	result = spawn(sandbox, &args, &variables, seccomp, info, status, err);
	(void)close(info[0]);
	if (info[1] != -1)
		(void)close(info[1]);
	crb_args_clear(&args);
	crb_args_clear(&variables);
	return result;
}
