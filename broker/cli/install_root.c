#include "broker/cli/install_root.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "broker/cli/folders.h"

#define SHOWN_MAX 3
#define NODE_MODULES "/node_modules/"

/*
 * Where tools are installed, below the home or absolute.  A "*" stands for one
 * name, and for the same one in what is shown; no `show` is the place itself.
 * ~/.local is not shown whole: share and state hold keyrings and our own
 * folders, too.
 */
static const struct layout {
	const char *place;
	const char *show[SHOWN_MAX];
} layouts[] = {
	{ ".local/bin", { ".local/bin", ".local/lib" } },
	{ ".local/lib", { ".local/bin", ".local/lib" } },
	{ ".local/share/mise", { ".local/share/mise", ".config/mise" } },
	{ ".local/share/*", { NULL } },
	{ ".local/pipx", { NULL } },
	{ ".pyenv", { NULL } },
	{ ".rbenv", { NULL } },
	{ ".nodenv", { NULL } },
	{ ".goenv", { NULL } },
	{ ".asdf", { ".asdf", ".asdfrc", ".tool-versions" } },
	{ ".volta", { NULL } },
	{ ".fnm", { NULL } },
	{ ".bun", { NULL } },
	{ ".deno", { NULL } },
	{ ".rye", { NULL } },
	{ ".claude/local", { NULL } },
	{ ".cargo/bin", { ".cargo/bin", ".rustup" } },
	{ ".rustup", { ".cargo/bin", ".rustup" } },
	{ ".sdkman/candidates", { NULL } },
	{ "/nix/store", { NULL } },
	{ "/gnu/store", { NULL } },
	{ "/home/linuxbrew/.linuxbrew", { NULL } },
};

/* Folders of a prefix that programs are in, and those that they need. */
static const char *const program_folders[] = { "bin", "sbin", "libexec", NULL };
static const char *const prefix_parts[] = { "bin", "sbin", "libexec", "lib",
	"lib32", "lib64", "share", "include", "pyvenv.cfg", NULL };

/* What says that a folder is somebody's work and not an installation. */
static const char *const project_signs[] = { ".git", ".env", ".envrc", ".hg",
	NULL };

/* What was found, and whom to tell. */
struct search {
	const char *home;
	crb_install_fn *show;
	void *ctx;
};

static bool
join(char out[CRB_PATH_MAX], const char *a, const char *b)
{
	struct crb_err err;

	return crb_path_join(out, a, b, &err) == CRB_OK;
}

static bool
show_if_there(const struct search *search, const char *path)
{
	if (access(path, F_OK) == -1)
		return false;
	search->show(search->ctx, path);
	return true;
}

/* Whether `path` is at or below the pattern; *len of it, *star what "*" is. */
static bool
matches(
    const char *pattern, const char *path, size_t *len, struct crb_slice *star)
{
	const char *at = path;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '*') {
			star->p = at;
			star->len = strcspn(at, "/");
			if (star->len == 0)
				return false;
			at += star->len;
		} else if (*at++ != *pattern) {
			return false;
		}
	}
	*len = (size_t)(at - path);
	return *at == '\0' || *at == '/';
}

static void
show_place(const struct search *search, const char *base, const char *what)
{
	char path[CRB_PATH_MAX];

	if (join(path, base, what))
		(void)show_if_there(search, path);
}

static bool
by_layout(const struct search *search, const char *path)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
		const struct layout *at = &layouts[i];
		bool absolute = at->place[0] == '/';
		const char *rest = path, *base = absolute ? "" : search->home;
		struct crb_slice star = { "", 0 };
		char itself[CRB_PATH_MAX];
		size_t len;

		if (!absolute) {
			if (!crb_folder_holds(search->home, path))
				continue;
			rest = crb_folder_rest(search->home, path);
			rest += *rest == '/';
		}
		if (!matches(at->place, rest, &len, &star))
			continue;
		(void)snprintf(itself, sizeof(itself), "%.*s", (int)len, rest);
		if (at->show[0] == NULL)
			show_place(search, base, itself);
		for (size_t j = 0; j < SHOWN_MAX && at->show[j] != NULL; j++)
			show_place(search, base, at->show[j]);
		return true;
	}
	return false;
}

/* A home, or a folder that holds one, is nobody's install root. */
static bool
too_wide(const struct search *search, const char *folder)
{
	return crb_folder_holds(folder, search->home);
}

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static bool
show_prefix(const struct search *search, const char *prefix)
{
	char part[CRB_PATH_MAX];

	if (too_wide(search, prefix))
		return false;
	for (size_t i = 0; prefix_parts[i] != NULL; i++)
		if (join(part, prefix, prefix_parts[i]))
			(void)show_if_there(search, part);
	return true;
}

static bool
by_node_modules(const struct search *search, const char *path)
{
	const char *found = strstr(path, NODE_MODULES);
	char above[CRB_PATH_MAX], prefix[CRB_PATH_MAX], folder[CRB_PATH_MAX];

	if (found == NULL)
		return false;
	(void)snprintf(above, sizeof(above), "%.*s", (int)(found - path), path);
	if (strcmp(crb_folder_name(above), "lib") == 0) {
		crb_folder_above(above, prefix);
		if (show_prefix(search, prefix))
			return true;
	}
	return join(folder, above, "node_modules") &&
	    show_if_there(search, folder);
}

static bool
by_prefix(const struct search *search, const char *path)
{
	char folder[CRB_PATH_MAX], prefix[CRB_PATH_MAX];

	crb_folder_above(path, folder);
	crb_folder_above(folder, prefix);
	/* A manager's shims need what it manages. */
	if (strcmp(crb_folder_name(folder), "shims") == 0 &&
	    !too_wide(search, prefix))
		return show_if_there(search, prefix);
	if (!is_one_of(crb_folder_name(folder), program_folders))
		return false;
	return show_prefix(search, prefix) || show_if_there(search, folder);
}

static bool
is_project(const char *folder)
{
	char path[CRB_PATH_MAX];

	for (size_t i = 0; project_signs[i] != NULL; i++)
		if (join(path, folder, project_signs[i]) &&
		    access(path, F_OK) == 0)
			return true;
	return false;
}

static bool
by_folder(const struct search *search, const char *path)
{
	char folder[CRB_PATH_MAX];

	crb_folder_above(path, folder);
	return !too_wide(search, folder) && !is_project(folder) &&
	    show_if_there(search, folder);
}

void
crb_install_root(
    const char *home, const char *path, crb_install_fn *show, void *ctx)
{
	const struct search search = { home, show, ctx };

	if (by_layout(&search, path) || by_node_modules(&search, path) ||
	    by_prefix(&search, path) || by_folder(&search, path))
		return;
	(void)show_if_there(&search, path);
}
