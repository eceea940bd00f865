#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/inventory.h"

/*
 * The tree of the current folder, breadth first: when it is too large, what is
 * deep is left out and not what comes late.
 */
#define DEPTH_MAX 12
#define FOLDERS_MAX 8192
#define ENTRIES_MAX 200000

struct folder {
	char *path;
	unsigned char depth;
	bool git; /* inside of a .git */
};

struct walk {
	struct crb_inventory *inventory;
	struct folder *folders;
	size_t count;
	size_t entries;
};

/* What a name in the tree is compared with. */
struct entry {
	struct walk *walk;
	const char *name;
	const char *path;
};

#define AUTO_WALK __attribute__((cleanup(walk_clear)))
static void
walk_clear(struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++)
		free(walk->folders[i].path);
	free(walk->folders);
}

#define AUTO_DIR __attribute__((cleanup(dir_cleanup)))
static void
dir_cleanup(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

static bool
is_one_of(const char *name, const char (*names)[16], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

#define IS_ONE_OF(name, names) \
	is_one_of(name, names, sizeof(names) / sizeof(*(names)))

static void
cut_short(struct walk *walk)
{
	crb_findings_note(&walk->inventory->findings,
	    "the tree of the current folder is too large: not all of it was "
	    "looked at");
}

static void
add_folder(struct walk *walk, const char *path, unsigned depth, bool git)
{
	struct folder *grown;

	if (walk->count == FOLDERS_MAX || depth > DEPTH_MAX) {
		cut_short(walk);
		return;
	}
	grown = reallocarray(
	    walk->folders, walk->count + 1, sizeof(*walk->folders));
	if (grown == NULL)
		return;
	walk->folders = grown;
	grown[walk->count] = (struct folder){
		.path = strdup(path),
		.depth = (unsigned char)depth,
		.git = git,
	};
	if (grown[walk->count].path != NULL)
		walk->count++;
}

/* A template of a .env is there to be shared. */
static bool
is_template(const char *name)
{
	static const char ends[][16] = { "example", "sample", "template",
		"dist", "schema" };
	const char *dot = strrchr(name, '.');

	return dot != NULL && IS_ONE_OF(dot + 1, ends);
}

static void
compare(void *ctx, const struct crb_place *place, const char *pattern)
{
	const struct entry *entry = ctx;

	if (crb_view_matches(pattern, strlen(pattern), entry->name))
		crb_inventory_file(entry->walk->inventory, place, entry->path,
		    CRB_LINKS_FOLLOW);
}

/*
 * A worktree's or submodule's .git is a file that says "gitdir: PATH"
 * (gitrepository-layout(5)); a worktree's configuration is two folders up.
 */
static void
look_at_gitdir(struct crb_inventory *inventory, const char *path)
{
	static const char word[] = "gitdir: ";
	static const char *const there[] = { "config", "../../config" };
	CRB_AUTO_TEXT struct crb_text text;
	char full[CRB_VIEW_PATH_MAX];
	const char *value, *slash = strrchr(path, '/');
	size_t n = 0;

	text.len = 0;
	if (!crb_view_read(&inventory->view, path, CRB_LINKS_FOLLOW, &text) ||
	    text.len <= sizeof(word) ||
	    memcmp(text.bytes, word, sizeof(word) - 1) != 0)
		return;
	value = text.bytes + sizeof(word) - 1;
	while (n < text.len - (sizeof(word) - 1) && value[n] != '\n' &&
	    value[n] != '\0')
		n++;
	for (size_t i = 0; i < 2; i++) {
		bool whole = value[0] == '/';
		int len = snprintf(full, sizeof(full), "%.*s%s%.*s/%s",
		    whole ? 0 : (int)(slash - path), path, whole ? "" : "/",
		    (int)n, value, there[i]);

		if (len < (int)sizeof(full))
			crb_inventory_git(inventory, full, CRB_LINKS_FOLLOW);
	}
}

/* A folder's .git, whether a folder or a file. */
static void
look_at_git(struct crb_inventory *inventory, const char *folder)
{
	static const char *const names[] = { ".git/config",
		".git/config.worktree", ".git" };
	char path[CRB_VIEW_PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", folder, names[i]) >=
		    (int)sizeof(path))
			return;
		if (strcmp(names[i], ".git") == 0)
			look_at_gitdir(inventory, path);
		else
			crb_inventory_git(inventory, path, CRB_LINKS_FOLLOW);
	}
}

static bool
is_to_enter(const struct folder *folder, const char *name)
{
	static const char skipped[][16] = { "node_modules" };
	static const char git_skipped[][16] = { "objects", "refs", "logs",
		"hooks", "info", "lfs" };

	if (folder->git)
		return !IS_ONE_OF(name, git_skipped);
	return !IS_ONE_OF(name, skipped);
}

static void
look_at_entry(
    struct walk *walk, const struct folder *folder, const struct dirent *found)
{
	char path[CRB_VIEW_PATH_MAX];
	struct entry entry = { walk, found->d_name, path };
	bool git = folder->git || strcmp(found->d_name, ".git") == 0;

	if (snprintf(path, sizeof(path), "%s/%s", folder->path,
		found->d_name) >= (int)sizeof(path)) {
		cut_short(walk);
		return;
	}
	if ((found->d_type == DT_DIR || found->d_type == DT_UNKNOWN) &&
	    is_to_enter(folder, found->d_name))
		add_folder(walk, path, folder->depth + 1U, git);
	if (found->d_type == DT_DIR)
		return;
	if (git && strcmp(found->d_name, ".git") == 0)
		look_at_gitdir(walk->inventory, path);
	else if (git && strncmp(found->d_name, "config", 6) == 0)
		crb_inventory_git(walk->inventory, path, CRB_LINKS_FOLLOW);
	else if (!git && !is_template(found->d_name))
		crb_places_each(CRB_PLACES_TREE, compare, &entry);
}

static void
look_into(struct walk *walk, const struct folder *folder)
{
	AUTO_DIR DIR *dir = NULL;
	const struct dirent *found;
	int fd = crb_view_folder(
	    &walk->inventory->view, folder->path, CRB_LINKS_REFUSE);

	if (fd == -1)
		return;
	if ((dir = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return;
	}
	while ((found = readdir(dir)) != NULL) {
		if (++walk->entries > ENTRIES_MAX) {
			cut_short(walk);
			return;
		}
		if (strcmp(found->d_name, ".") != 0 &&
		    strcmp(found->d_name, "..") != 0)
			look_at_entry(walk, folder, found);
	}
}

/* git looks upwards from where it is run. */
static void
look_up(struct crb_inventory *inventory)
{
	char folder[CRB_VIEW_PATH_MAX];
	char *slash;

	memcpy(folder, inventory->view.cwd, sizeof(folder));
	while ((slash = strrchr(folder, '/')) != NULL) {
		*slash = '\0';
		look_at_git(inventory, folder);
	}
}

void
crb_inventory_tree(struct crb_inventory *inventory)
{
	AUTO_WALK struct walk walk = { .inventory = inventory };
	const char *cwd = inventory->view.cwd;

	if (cwd[0] == '\0') {
		crb_findings_note(&inventory->findings,
		    "the current folder is not to be seen: its tree was not "
		    "looked at");
		return;
	}
	add_folder(&walk, strcmp(cwd, "/") == 0 ? "" : cwd, 0, false);
	for (size_t i = 0; i < walk.count; i++) {
		const struct folder folder = walk.folders[i];

		look_into(&walk, &folder);
	}
	look_up(inventory);
}
