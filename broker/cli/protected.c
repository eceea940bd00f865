#include "broker/cli/protected.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "broker/cli/folders.h"
#include "broker/cli/git_config.h"
#include "broker/cli/git_folder.h"
#include "broker/cli/guard.h"

#define CONFIG_BYTES_MAX (1u << 20)
#define GIT ".git"

/* Besides what is in .git, of which git_folder.c knows. */
static const char *const names[] = { ".envrc", ".vscode", ".idea",
	".devcontainer", ".husky", ".cursorrules", ".cursor", "CLAUDE.md",
	"CLAUDE.local.md", ".claude", "AGENTS.md", "GEMINI.md", ".gemini",
	".codex", ".windsurfrules", ".clinerules", ".mcp.json",
	".github/copilot-instructions.md", NULL };

static bool
join(char out[CRB_PATH_MAX], const char *a, const char *b)
{
	struct crb_err err;

	return crb_path_join(out, a, b, &err) == CRB_OK;
}

static void
protect_name(struct crb_guard *guard, const char *name)
{
	char path[CRB_PATH_MAX];

	if (!join(path, guard->source, name))
		return;
	switch (crb_guard_protect(guard, path)) {
	case CRB_GUARD_ABSENT:
		if (guard->workspace && !crb_guard_open(guard, path))
			crb_args_add(&guard->out->absent, name);
		return;
	case CRB_GUARD_FILE:
	case CRB_GUARD_FOLDER:
		if (guard->workspace && !crb_guard_open(guard, path))
			crb_args_add(&guard->out->shown, name);
		return;
	case CRB_GUARD_LINK:
	default:
		return;
	}
}

/* The user's own git may look for hooks in every repository. */
static void
on_variable(void *ctx, const char *key, const char *value)
{
	struct crb_guard *guard = ctx;
	char path[CRB_PATH_MAX], real[CRB_PATH_MAX];
	struct crb_err err;

	if (strcmp(key, "core.hookspath") == 0 && value[0] != '/' &&
	    value[0] != '~' && join(path, guard->source, value) &&
	    crb_folder_real(path, real, &err) == CRB_OK &&
	    strcmp(real, guard->source) != 0)
		(void)crb_guard_protect(guard, real);
}

static void
read_user_config(struct crb_guard *guard)
{
	static const char *const files[] = { ".gitconfig",
		".config/git/config" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(
		    CONFIG_BYTES_MAX);
		char path[CRB_PATH_MAX];
		struct crb_err err;

		if (join(path, guard->request->home, files[i]) &&
		    crb_io_read_file(path, &text, &err) == CRB_OK)
			crb_git_config_read(
			    text.data, text.len, on_variable, guard);
	}
}

static void
protect_git(struct crb_guard *guard)
{
	static const char *const parts[] = { ".git/config", ".git/hooks" };
	char path[CRB_PATH_MAX];
	enum crb_guard_kind kind;

	if (!join(path, guard->source, GIT))
		return;
	kind = crb_guard_look(guard, path);
	if (kind == CRB_GUARD_ABSENT && guard->workspace &&
	    !crb_guard_open(guard, path))
		crb_args_add(&guard->out->absent, GIT);
	crb_git_folder_protect(guard);
	for (size_t i = 0; guard->workspace && i < 2; i++)
		if (join(path, guard->source, parts[i]) &&
		    kind == CRB_GUARD_FOLDER && !crb_guard_open(guard, path) &&
		    crb_guard_look(guard, path) >= CRB_GUARD_FILE)
			crb_args_add(&guard->out->shown, parts[i]);
}

static void
protect(struct crb_guard *guard)
{
	const struct crb_list *more = guard->request->more;

	protect_git(guard);
	read_user_config(guard);
	for (size_t i = 0; names[i] != NULL; i++)
		protect_name(guard, names[i]);
	for (size_t i = 0; i < more->count; i++)
		protect_name(guard, more->item[i]);
}

static bool
is_known(const struct crb_protected_request *request, const char *name)
{
	if (crb_folder_holds(GIT, name))
		return true;
	for (size_t i = 0; names[i] != NULL; i++)
		if (crb_folder_holds(name, names[i]) ||
		    crb_folder_holds(names[i], name))
			return true;
	for (size_t i = 0; i < request->more->count; i++)
		if (crb_folder_holds(name, request->more->item[i]) ||
		    crb_folder_holds(request->more->item[i], name))
			return true;
	return false;
}

/* A path below the workspace as we write paths. */
static enum crb_status
check_name(const struct crb_protected_request *request, const char *from,
    const char *name, struct crb_err *err)
{
	char path[CRB_PATH_MAX], clean[CRB_PATH_MAX];

	if (name[0] != '/' && name[0] != '\0' &&
	    crb_path_join(path, request->workspace, name, err) == CRB_OK &&
	    crb_folder_clean(path, clean, err) == CRB_OK &&
	    strcmp(path, clean) == 0)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_USAGE,
	    "%s %s: give it as a plain path in the workspace, such as .vscode "
	    "or .git/config",
	    from, name);
}

/* What is not protected by name may be so by git's configuration. */
enum crb_status
crb_protected_check(
    const struct crb_protected_request *request, struct crb_err *err)
{
	char path[CRB_PATH_MAX];

	for (size_t i = 0; i < request->more->count; i++)
		if (check_name(request, "the configuration's read_only:",
			request->more->item[i], err) != CRB_OK)
			return err->status;
	for (size_t i = 0; i < request->open->count; i++) {
		const char *name = request->open->item[i];

		if (check_name(request, "--open", name, err) != CRB_OK ||
		    crb_path_join(path, request->workspace, name, err) !=
			CRB_OK)
			return err->status;
		if (!is_known(request, name) && access(path, F_OK) == -1)
			return crb_err_set(err, CRB_ERR_USAGE,
			    "--open %s: it is not there, and is no file that "
			    "is kept read-only (see: man credbroker, run)",
			    name);
	}
	return CRB_OK;
}

/* --ro-bind in a writable folder: not to be moved away either. */
static void
pin_asked(struct crb_guard *guard)
{
	size_t count = guard->mounts->count;
	char above[CRB_PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct crb_mount *at = &guard->mounts->at[i];

		if (!at->asked || at->kind != CRB_MOUNT_READ ||
		    !crb_folder_holds(guard->source, at->target) ||
		    strcmp(guard->source, at->target) == 0)
			continue;
		crb_folder_above(at->target, above);
		if (strcmp(above, guard->source) != 0)
			crb_guard_pin(guard, above);
	}
}

enum crb_status
crb_protected_apply(const struct crb_protected_request *request,
    struct crb_mounts *mounts, struct crb_protected *out, struct crb_err *err)
{
	size_t count = mounts->count;

	for (size_t i = 0; i < count; i++) {
		const struct crb_mount *at = &mounts->at[i];
		struct crb_guard guard = {
			.request = request, .mounts = mounts, .out = out
		};
		struct stat st;

		if (at->kind != CRB_MOUNT_WRITE ||
		    stat(at->source, &st) == -1 || !S_ISDIR(st.st_mode))
			continue;
		if (crb_path_join(guard.source, at->source, "", err) !=
			CRB_OK ||
		    crb_path_join(guard.target, at->target, "", err) != CRB_OK)
			return err->status;
		guard.workspace = strcmp(guard.source, request->workspace) == 0;
		protect(&guard);
		pin_asked(&guard);
	}
	return CRB_OK;
}

static void
remove_made(struct crb_protected *protected)
{
	for (size_t i = 0; i < protected->lock_count; i++) {
		int fd = protected->locks[i];

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			(void)unlink(protected->made.at[i]);
	}
}

void
crb_protected_end(const struct crb_protected_request *request,
    struct crb_protected *protected, struct crb_args *appeared)
{
	char path[CRB_PATH_MAX], text[CRB_PATH_MAX];
	struct stat st;

	remove_made(protected);
	for (size_t i = 0; i < protected->absent.count; i++)
		if (join(path, request->workspace, protected->absent.at[i]) &&
		    lstat(path, &st) == 0)
			crb_args_add(appeared, protected->absent.at[i]);
	for (size_t i = 0; i + 1 < protected->links.count; i += 2) {
		const char *at = protected->links.at[i];
		ssize_t len = readlink(at, text, sizeof(text) - 1);

		text[len > 0 ? len : 0] = '\0';
		if (strcmp(text, protected->links.at[i + 1]) != 0)
			crb_args_add(appeared, at);
	}
}

void
crb_protected_clear(struct crb_protected *protected)
{
	for (size_t i = 0; i < protected->lock_count; i++)
		(void)close(protected->locks[i]);
	free(protected->locks);
	crb_args_clear(&protected->shown);
	crb_args_clear(&protected->notices);
	crb_args_clear(&protected->absent);
	crb_args_clear(&protected->links);
	crb_args_clear(&protected->made);
	*protected = (struct crb_protected){ .lock_count = 0 };
}
