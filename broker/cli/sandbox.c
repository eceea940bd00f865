#include "broker/cli/sandbox.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/cli/binds.h"
#include "broker/cli/folders.h"
#include "broker/cli/host_port.h"
#include "broker/cli/libexec.h"
#include "broker/cli/sandbox_scope.h"
#include "broker/cli/session_request.h"
#include "broker/cli/variables.h"

#define NO_BWRAP                                                                \
	"bubblewrap (bwrap) is not on PATH, and run needs it for the sandbox. " \
	"Install it: apt install bubblewrap (dnf install bubblewrap)"

/* Not one that the last sandbox has put into its workspace. */
static bool
is_program(const char *path, const char *workspace)
{
	char real[CRB_PATH_MAX];
	struct crb_err err;

	return access(path, X_OK) == 0 &&
	    crb_folder_real(path, real, &err) == CRB_OK &&
	    !crb_folder_holds(workspace, real);
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
	return crb_folder_real(home, out, err);
}

static enum crb_status
find_workspace(struct crb_sandbox *sandbox, struct crb_err *err)
{
	const char *given = sandbox->request->workspace;
	char clean[CRB_PATH_MAX];
	struct crb_err relative;

	/* The shell's own idea of where it is may go through links. */
	if (given == NULL)
		given = getenv("PWD") != NULL ? getenv("PWD") : ".";
	if (crb_folder_real(sandbox->request->workspace != NULL
		    ? sandbox->request->workspace
		    : ".",
		sandbox->workspace, err) != CRB_OK)
		return err->status;
	sandbox->linked = crb_folder_clean(given, clean, &relative) == CRB_OK &&
	    strcmp(clean, sandbox->workspace) != 0;
	return CRB_OK;
}

static enum crb_status
judge_workspace(const struct crb_sandbox *sandbox, struct crb_err *err)
{
	const struct crb_config *config = sandbox->request->config;
	const char *const kept_out[] = { sandbox->home, config->state,
		config->runtime, "/usr", "/etc", "/run", "/proc", "/dev",
		"/tmp" };
	const char *place;
	char real[CRB_PATH_MAX];

	for (size_t i = 0; i < sizeof(kept_out) / sizeof(*kept_out); i++) {
		struct crb_err missing;
		const char *path = kept_out[i];

		if (path == NULL || path[0] == '\0')
			continue;
		if (crb_folder_real(path, real, &missing) == CRB_OK)
			path = real;
		if (crb_folder_holds(sandbox->workspace, path))
			return crb_err_set(err, CRB_ERR_USAGE,
			    "the workspace %s holds %s, which a sandbox must "
			    "not reach: go to the project's folder, or name "
			    "it with --workspace",
			    sandbox->workspace, path);
	}
	place = crb_masked_over(&sandbox->masked, sandbox->workspace);
	if (place == NULL)
		place = crb_masked_broker_in(
		    &sandbox->masked, sandbox->workspace);
	if (place != NULL)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "the workspace %s is in, or holds, a place that no sandbox "
		    "sees (the broker's own, or one of credentials): %s. Go to "
		    "the project's folder, or name it with --workspace",
		    sandbox->workspace, place);
	return CRB_OK;
}

static char *
variable(const char *name)
{
	return getenv(name);
}

/* What is the broker's: an agent that reads or writes there has won. */
static void
find_masked(struct crb_sandbox *sandbox)
{
	const struct crb_config *config = sandbox->request->config;
	char home_config[CRB_PATH_MAX] = "", home_state[CRB_PATH_MAX] = "";
	const char *own[16];
	const char *const places[] = { config->state, config->runtime,
		config->key_file, config->file,
		getenv("CREDBROKER_ADMIN_SOCKET"), home_config, home_state,
		"/etc/credbroker", "/var/lib/credbroker", "/run/credbroker" };
	struct crb_err err;
	size_t count = 0;

	(void)!crb_path_join(
	    home_config, sandbox->home, ".config/credbroker", &err);
	(void)!crb_path_join(
	    home_state, sandbox->home, ".local/state/credbroker", &err);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (places[i] != NULL && places[i][0] != '\0')
			own[count++] = places[i];
	own[count] = NULL;
	crb_masked_init(&sandbox->masked, sandbox->home, own, variable);
}

static struct crb_binds
binds_of(struct crb_sandbox *sandbox)
{
	return (struct crb_binds){
		.home = sandbox->home,
		.workspace = sandbox->workspace,
		.masked = &sandbox->masked,
		.mounts = &sandbox->mounts,
	};
}

static enum crb_status
find_command(struct crb_sandbox *sandbox, int *exit, struct crb_err *err)
{
	const struct crb_program_search search = {
		.path = getenv("PATH"),
		.home = sandbox->home,
		.workspace = sandbox->workspace,
		.masked = &sandbox->masked,
		.mounts = &sandbox->mounts,
	};

	if (crb_program_find(sandbox->request->command, &search,
		&sandbox->program, exit, err) != CRB_OK)
		return err->status;
	if (sandbox->program.in_workspace &&
	    strchr(sandbox->request->command, '/') == NULL)
		crb_args_printf(&sandbox->protected.notices,
		    "%s is %s, which is in the workspace, where an agent "
		    "could have put it",
		    sandbox->request->command, sandbox->program.path);
	return CRB_OK;
}

static enum crb_status
find_shim(struct crb_sandbox *sandbox, struct crb_err *err)
{
	char libexec[CRB_PATH_MAX];

	if (crb_libexec_find(libexec, err) != CRB_OK ||
	    crb_path_join(sandbox->shim, libexec, "credbroker-shim", err) !=
		CRB_OK)
		return err->status;
	if (access(sandbox->shim, X_OK) == -1)
		return crb_err_errno(err, "%s", sandbox->shim);
	return CRB_OK;
}

static enum crb_status
open_port(struct crb_sandbox *sandbox, struct crb_err *err)
{
	if (!sandbox->request->host_network && !sandbox->request->bare)
		return CRB_OK;
	return crb_host_port_open(&sandbox->listener, &sandbox->port, err);
}

/* Without a sandbox there are no mounts, and nothing is judged. */
static enum crb_status
prepare_bare(struct crb_sandbox *sandbox, int *exit, struct crb_err *err)
{
	const struct crb_sandbox_request *request = sandbox->request;

	if (request->binds->count > 0 || request->ro_binds->count > 0 ||
	    request->open->count > 0)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "--bind, --ro-bind and --open make no sense with "
		    "--no-sandbox: the command sees everything");
	if (find_command(sandbox, exit, err) != CRB_OK ||
	    find_shim(sandbox, err) != CRB_OK)
		return err->status;
	if (sandbox->program.in_workspace &&
	    strchr(request->command, '/') == NULL)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%s is in the workspace, where an agent could have put "
		    "it, and there is no sandbox: name it by its path if you "
		    "mean it",
		    sandbox->program.path);
	return open_port(sandbox, err);
}

enum crb_status
crb_sandbox_prepare(const struct crb_sandbox_request *request,
    struct crb_sandbox *out, int *exit, struct crb_err *err)
{
	struct crb_binds binds;

	*out = (struct crb_sandbox){ .request = request, .listener = -1 };
	if (find_home(out->home, err) != CRB_OK ||
	    find_workspace(out, err) != CRB_OK ||
	    crb_variables_check(request->env, &out->protected.notices, err) !=
		CRB_OK)
		return err->status;
	if (request->bare)
		return prepare_bare(out, exit, err);
	find_masked(out);
	out->protect = (struct crb_protected_request){
		.home = out->home,
		.workspace = out->workspace,
		.more = &request->config->read_only,
		.open = request->open,
		.masked = &out->masked,
	};
	binds = binds_of(out);
	if (judge_workspace(out, err) != CRB_OK ||
	    crb_protected_check(&out->protect, err) != CRB_OK ||
	    crb_binds_add_all(&binds, request->ro_binds, true, err) != CRB_OK ||
	    crb_binds_add_all(&binds, request->binds, false, err) != CRB_OK ||
	    find_bwrap(out->workspace, out->bwrap, err) != CRB_OK ||
	    find_command(out, exit, err) != CRB_OK ||
	    find_shim(out, err) != CRB_OK || open_port(out, err) != CRB_OK)
		return err->status;
	out->scoped = request->host_network &&
	    crb_sandbox_scope_works(out->bwrap);
	return CRB_OK;
}

/* The session's folder and the workspace are mounted anyway. */
static bool
is_ours(const struct crb_sandbox *sandbox, const char *target)
{
	return strcmp(target, "/run/credbroker") == 0 ||
	    strcmp(target, sandbox->workspace) == 0;
}

static enum crb_status
add_profile_mounts(
    struct crb_sandbox *sandbox, const json_t *mounts, struct crb_err *err)
{
	const struct crb_binds binds = binds_of(sandbox);
	const json_t *mount;
	size_t i;

	json_array_foreach(mounts, i, mount)
	{
		const char *source = json_string_value(
		    json_object_get(mount, "source"));
		const char *target = json_string_value(
		    json_object_get(mount, "target"));

		if (source == NULL || target == NULL ||
		    is_ours(sandbox, target))
			continue;
		if (crb_binds_add(&binds, source, target,
			json_is_true(json_object_get(mount, "read_only")),
			err) != CRB_OK)
			return crb_err_context(err, "the profile's mounts");
	}
	return CRB_OK;
}

/* A socket that somebody listens on is a way out, in the workspace too. */
static void
cover_sockets(struct crb_sandbox *sandbox)
{
	struct crb_args sockets = { .count = 0 };

	crb_binds_sockets(sandbox->workspace, &sockets);
	for (size_t i = 0; i < sockets.count; i++) {
		const char *name = crb_folder_rest(
				       sandbox->workspace, sockets.at[i]) +
		    1;
		bool open = false;

		for (size_t j = 0; j < sandbox->request->open->count; j++)
			open |= strcmp(sandbox->request->open->item[j], name) ==
			    0;
		if (open)
			continue;
		crb_mounts_add(
		    &sandbox->mounts, CRB_MOUNT_FILE, NULL, sockets.at[i]);
		crb_args_printf(&sandbox->protected.notices,
		    "%s is a socket that somebody listens on: it is hidden "
		    "(--open %s shows it)",
		    name, name);
	}
	crb_args_clear(&sockets);
}

enum crb_status
crb_sandbox_settle(
    struct crb_sandbox *sandbox, const json_t *mounts, struct crb_err *err)
{
	if (sandbox->request->bare)
		return CRB_OK;
	if (add_profile_mounts(sandbox, mounts, err) != CRB_OK)
		return err->status;
	crb_mounts_add(&sandbox->mounts, CRB_MOUNT_FOLDER, NULL, sandbox->home);
	crb_mounts_add(&sandbox->mounts, CRB_MOUNT_WRITE, sandbox->workspace,
	    sandbox->workspace);
	if (crb_protected_apply(&sandbox->protect, &sandbox->mounts,
		&sandbox->protected, err) != CRB_OK)
		return err->status;
	cover_sockets(sandbox);
	crb_masked_apply(&sandbox->masked, &sandbox->mounts);
	crb_mounts_sort(&sandbox->mounts);
	return CRB_OK;
}

void
crb_sandbox_clear(struct crb_sandbox *sandbox)
{
	if (sandbox->listener != -1)
		(void)close(sandbox->listener);
	crb_mounts_clear(&sandbox->mounts);
	crb_masked_clear(&sandbox->masked);
	crb_protected_clear(&sandbox->protected);
}
