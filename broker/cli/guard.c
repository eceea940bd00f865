#include "broker/cli/guard.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/cli/folders.h"

const char *
crb_guard_name(const struct crb_guard *guard, const char *path)
{
	const char *rest = crb_folder_rest(guard->source, path);

	if (!guard->workspace || !crb_folder_holds(guard->source, path))
		return path;
	return *rest == '/' ? rest + 1 : rest;
}

static bool
target_of(
    const struct crb_guard *guard, const char *path, char out[CRB_PATH_MAX])
{
	return crb_folder_holds(guard->source, path) &&
	    snprintf(out, CRB_PATH_MAX, "%s%s", guard->target,
		crb_folder_rest(guard->source, path)) < CRB_PATH_MAX;
}

/* Calls `each` with every folder between the guarded one and `path`. */
static bool
each_above(const struct crb_guard *guard, const char *path,
    bool (*each)(void *ctx, const char *folder), void *ctx)
{
	size_t start = strlen(guard->source) + 1;
	char folder[CRB_PATH_MAX];

	if (!crb_folder_holds(guard->source, path) || strlen(path) < start)
		return true;
	for (const char *at = path + start; (at = strchr(at, '/')) != NULL;
	     at++) {
		(void)snprintf(
		    folder, sizeof(folder), "%.*s", (int)(at - path), path);
		if (!each(ctx, folder))
			return false;
	}
	return true;
}

static bool
is_folder(void *ctx, const char *path)
{
	struct stat st;

	(void)ctx;
	return lstat(path, &st) == -1 || S_ISDIR(st.st_mode);
}

enum crb_guard_kind
crb_guard_look(const struct crb_guard *guard, const char *path)
{
	struct stat st;

	if (!each_above(guard, path, is_folder, NULL))
		return CRB_GUARD_LINK;
	if (lstat(path, &st) == -1)
		return CRB_GUARD_ABSENT;
	if (S_ISLNK(st.st_mode))
		return CRB_GUARD_LINK;
	return S_ISDIR(st.st_mode) ? CRB_GUARD_FOLDER : CRB_GUARD_FILE;
}

/* Read-only already, with all that is in it. */
static bool
is_read_only(const struct crb_guard *guard, const char *target)
{
	for (size_t i = 0; i < guard->mounts->count; i++) {
		const struct crb_mount *at = &guard->mounts->at[i];

		if (at->kind == CRB_MOUNT_READ &&
		    crb_folder_holds(guard->target, at->target) &&
		    crb_folder_holds(at->target, target))
			return true;
	}
	return false;
}

static bool
pin_one(void *ctx, const char *folder)
{
	struct crb_guard *guard = ctx;
	char target[CRB_PATH_MAX];

	if (target_of(guard, folder, target) && !is_read_only(guard, target))
		crb_mounts_add(guard->mounts, CRB_MOUNT_PIN, folder, target);
	return true;
}

void
crb_guard_pin(struct crb_guard *guard, const char *path)
{
	if (crb_guard_look(guard, path) != CRB_GUARD_FOLDER)
		return;
	(void)each_above(guard, path, pin_one, guard);
	(void)pin_one(guard, path);
}

bool
crb_guard_open(const struct crb_guard *guard, const char *path)
{
	const struct crb_list *open = guard->request->open;
	const char *name = crb_guard_name(guard, path);

	if (!guard->workspace)
		return false;
	for (size_t i = 0; i < open->count; i++)
		if (crb_folder_holds(open->item[i], name))
			return true;
	return false;
}

/*
 * The link itself can be replaced: no mount covers it.  What it leads to is
 * protected when it is one of ours to give.
 */
static void
protect_link(struct crb_guard *guard, const char *path)
{
	const char *name = crb_guard_name(guard, path);
	char real[CRB_PATH_MAX], text[CRB_PATH_MAX];
	struct crb_err err;
	ssize_t len = readlink(path, text, sizeof(text) - 1);

	crb_args_printf(&guard->out->notices,
	    "%s is behind a symbolic link, which the agent can replace", name);
	if (len > 0) {
		text[len] = '\0';
		crb_args_add(&guard->out->links, path);
		crb_args_add(&guard->out->links, text);
	}
	if (crb_folder_real(path, real, &err) == CRB_OK &&
	    strcmp(real, guard->source) != 0 &&
	    crb_folder_holds(guard->source, real))
		(void)crb_guard_protect(guard, real);
}

static void
note_other_names(struct crb_guard *guard, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1)
		crb_args_printf(&guard->out->notices,
		    "%s has another name (a hard link), by which the agent "
		    "may write it",
		    crb_guard_name(guard, path));
}

enum crb_guard_kind
crb_guard_protect(struct crb_guard *guard, const char *path)
{
	enum crb_guard_kind kind = crb_guard_look(guard, path);
	char target[CRB_PATH_MAX];

	if (kind == CRB_GUARD_ABSENT || crb_guard_open(guard, path))
		return kind;
	if (kind == CRB_GUARD_LINK) {
		protect_link(guard, path);
		return kind;
	}
	if (!target_of(guard, path, target) || is_read_only(guard, target))
		return kind;
	(void)each_above(guard, path, pin_one, guard);
	crb_mounts_add(guard->mounts, CRB_MOUNT_READ, path, target);
	note_other_names(guard, path);
	return kind;
}
