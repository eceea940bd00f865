#include "broker/cli/git_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

#define FILE_BYTES_MAX (1u << 20)
#define DEPTH_MAX 8
#define FOLDERS_MAX 512

/* "This folder": what git takes a missing one for. */
#define SAME_FOLDER ".\n"

/* A repository that is looked at. */
struct repository {
	struct crb_guard *guard;
	const char *folder;   /* the .git */
	const char *worktree; /* what relative hooks are found from, or NULL */
	bool worktree_config; /* config.worktree counts */
};

/* Bounds the walk through submodules. */
struct tally {
	unsigned depth, folders;
};

static bool
join(char out[CRB_PATH_MAX], const char *a, const char *b)
{
	struct crb_err err;

	return crb_path_join(out, a, b, &err) == CRB_OK;
}

static bool
read_text(const char *path, struct crb_buf *text)
{
	struct crb_err err;
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    crb_io_read_file(path, text, &err) == CRB_OK;
}

/* A path that a file of git's names, from a folder; it must be there. */
static bool
resolve(const char *folder, const char *text, char out[CRB_PATH_MAX])
{
	char path[CRB_PATH_MAX];
	struct crb_err err;

	return join(path, text[0] == '/' ? "" : folder, text) &&
	    crb_folder_real(path, out, &err) == CRB_OK;
}

static void
protect_named(struct crb_guard *guard, const char *folder, const char *name)
{
	char path[CRB_PATH_MAX];

	if (join(path, folder, name))
		(void)crb_guard_protect(guard, path);
}

/* Of the guarded folder, but not that itself. */
static void
protect_if_inside(struct crb_guard *guard, const char *folder, const char *text)
{
	char real[CRB_PATH_MAX];

	if (resolve(folder, text, real) && strcmp(real, guard->source) != 0 &&
	    crb_folder_holds(guard->source, real))
		(void)crb_guard_protect(guard, real);
}

static void
on_variable(void *ctx, const char *key, const char *value)
{
	struct repository *repository = ctx;
	char real[CRB_PATH_MAX];

	if (strcmp(key, "core.hookspath") == 0 && repository->worktree != NULL)
		protect_if_inside(
		    repository->guard, repository->worktree, value);
	else if (strcmp(key, "include.path") == 0 ||
	    strcmp(key, "includeif.path") == 0)
		protect_if_inside(repository->guard, repository->folder, value);
	else if (strcmp(key, "extensions.worktreeconfig") == 0)
		repository->worktree_config = strcmp(value, "true") == 0;
	else if (strcmp(key, "core.worktree") == 0 &&
	    resolve(repository->folder, value, real))
		/* A submodule's: the file there says where this is. */
		protect_named(repository->guard, real, ".git");
}

static void
read_config(struct repository *repository, const char *path)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(FILE_BYTES_MAX);

	if (read_text(path, &text))
		crb_git_config_read(
		    text.data, text.len, on_variable, repository);
}

/*
 * While a session protects it, a shared lock is held on the file, so that the
 * last of them removes it.  False when it went away meanwhile.
 */
static bool
hold(struct crb_guard *guard, const char *path, int fd)
{
	struct crb_protected *out = guard->out;
	struct stat mine, there;

	if (flock(fd, LOCK_SH) == -1 || fstat(fd, &mine) == -1 ||
	    lstat(path, &there) == -1 || mine.st_ino != there.st_ino)
		return false;
	out->locks = reallocarray(
	    out->locks, out->lock_count + 1, sizeof(*out->locks));
	if (out->locks == NULL)
		abort();
	out->locks[out->lock_count++] = fd;
	crb_args_add(&out->made, path);
	return true;
}

/* Whole from the first moment: the user's git may look at any time. */
static void
put_same(const char *folder, const char *path)
{
	static const char same[] = SAME_FOLDER;
	CRB_AUTO_FD int fd = open(
	    folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	char made[64];

	if (fd == -1 || write(fd, same, sizeof(same) - 1) == -1)
		return;
	(void)snprintf(made, sizeof(made), "/proc/self/fd/%d", fd);
	(void)!linkat(AT_FDCWD, made, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/*
 * git takes its configuration and hooks from where `commondir` says, and the
 * file need not be there: so it is made to say what its absence says.
 */
static void
make_commondir(struct crb_guard *guard, const char *folder)
{
	char path[CRB_PATH_MAX], text[sizeof(SAME_FOLDER)] = "";

	if (!join(path, folder, "commondir") || crb_guard_open(guard, path))
		return;
	for (unsigned tries = 0; tries < 3; tries++) {
		CRB_AUTO_FD int fd = -1;

		put_same(folder, path);
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd == -1)
			break;
		if (read(fd, text, sizeof(text) - 1) < 0 ||
		    strcmp(text, SAME_FOLDER) != 0) {
			crb_args_printf(&guard->out->notices,
			    "%s leads git to another configuration: look at "
			    "it",
			    crb_guard_name(guard, path));
			return;
		}
		if (hold(guard, path, fd)) {
			(void)CRB_STEAL_FD(fd);
			return;
		}
	}
	crb_args_printf(&guard->out->notices,
	    "%s could not be made: an agent could, and lead git to another "
	    "configuration",
	    crb_guard_name(guard, path));
}

static void
protect_config(struct repository *repository)
{
	struct crb_guard *guard = repository->guard;
	char path[CRB_PATH_MAX];
	int fd;

	if (!join(path, repository->folder, "config"))
		return;
	read_config(repository, path);
	(void)crb_guard_protect(guard, path);
	if (!join(path, repository->folder, "config.worktree"))
		return;
	if (repository->worktree_config && !crb_guard_open(guard, path) &&
	    (fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) !=
		-1)
		(void)close(fd);
	read_config(repository, path);
	(void)crb_guard_protect(guard, path);
}

static void
protect_hooks(struct repository *repository)
{
	char path[CRB_PATH_MAX];

	if (!join(path, repository->folder, "hooks"))
		return;
	/* A folder that is there can be protected. */
	if (!crb_guard_open(repository->guard, path))
		(void)mkdir(path, 0755);
	(void)crb_guard_protect(repository->guard, path);
}

static void protect_modules(
    struct crb_guard *guard, const char *folder, struct tally *tally);
static void protect_worktrees(struct crb_guard *guard, const char *folder);

static void
protect_repository(struct crb_guard *guard, const char *folder,
    const char *worktree, struct tally *tally)
{
	struct repository repository = { guard, folder, worktree, false };
	char modules[CRB_PATH_MAX];

	crb_guard_pin(guard, folder);
	protect_config(&repository);
	protect_hooks(&repository);
	make_commondir(guard, folder);
	protect_named(guard, folder, "commondir");
	protect_worktrees(guard, folder);
	if (join(modules, folder, "modules"))
		protect_modules(guard, modules, tally);
}

/* Calls `each` with every folder in `folder`; links are passed over. */
static void
each_folder(struct crb_guard *guard, const char *folder, struct tally *tally,
    void (*each)(struct crb_guard *, const char *, struct tally *))
{
	CRB_AUTO_FREE struct dirent **names = NULL;
	int count = scandir(folder, &names, NULL, NULL);

	for (int i = 0; i < count; i++) {
		CRB_AUTO_FREE struct dirent *entry = names[i];
		char path[CRB_PATH_MAX];

		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    join(path, folder, entry->d_name) &&
		    crb_guard_look(guard, path) == CRB_GUARD_FOLDER)
			each(guard, path, tally);
	}
}

/* A submodule's repository, or a folder with such: names may have slashes. */
static void
protect_module(struct crb_guard *guard, const char *path, struct tally *tally)
{
	char config[CRB_PATH_MAX];

	if (++tally->folders > FOLDERS_MAX || tally->depth >= DEPTH_MAX)
		return;
	tally->depth++;
	/* Not HEAD: an agent can take that away, and put it back. */
	if (join(config, path, "config") && access(config, F_OK) == 0)
		protect_repository(guard, path, NULL, tally);
	else
		protect_modules(guard, path, tally);
	tally->depth--;
}

static void
protect_modules(
    struct crb_guard *guard, const char *folder, struct tally *tally)
{
	each_folder(guard, folder, tally, protect_module);
}

/* What a worktree's folder says of where things are. */
static void
protect_worktree(struct crb_guard *guard, const char *path, struct tally *tally)
{
	(void)tally;
	crb_guard_pin(guard, path);
	protect_named(guard, path, "commondir");
	protect_named(guard, path, "gitdir");
	protect_named(guard, path, "config.worktree");
}

static void
protect_worktrees(struct crb_guard *guard, const char *folder)
{
	char path[CRB_PATH_MAX];

	if (join(path, folder, "worktrees"))
		each_folder(guard, path, NULL, protect_worktree);
}

/* The first line of a file, without `prefix`; it must be there. */
static bool
read_line(const char *path, const char *prefix, char out[CRB_PATH_MAX])
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(CRB_PATH_MAX);
	size_t skip = strlen(prefix), len;

	if (!read_text(path, &text) || text.len <= skip ||
	    strncmp(crb_buf_text(&text), prefix, skip) != 0)
		return false;
	len = strcspn(crb_buf_text(&text) + skip, "\n");
	(void)snprintf(
	    out, CRB_PATH_MAX, "%.*s", (int)len, crb_buf_text(&text) + skip);
	return true;
}

/*
 * The folder of a worktree, and the repository that it belongs to.  What the
 * `.git` file says is an agent's word, for the agent could write it; but only
 * the repository's owner makes it point back.
 */
static bool
find_common(const char *file, const char *gitdir, char common[CRB_PATH_MAX])
{
	char path[CRB_PATH_MAX], text[CRB_PATH_MAX], real[CRB_PATH_MAX];
	char worktrees[CRB_PATH_MAX];

	if (!join(path, gitdir, "gitdir") || !read_line(path, "", text) ||
	    !resolve(gitdir, text, real) || strcmp(real, file) != 0 ||
	    !join(path, gitdir, "commondir") || !read_line(path, "", text) ||
	    !resolve(gitdir, text, common))
		return false;
	crb_folder_above(gitdir, path);
	return join(worktrees, common, "worktrees") &&
	    strcmp(path, worktrees) == 0;
}

static void
protect_outside(struct crb_guard *guard, const char *common)
{
	struct crb_guard other = *guard;
	struct tally tally = { 0, 0 };

	if (crb_masked_over(guard->request->masked, common) != NULL ||
	    crb_masked_broker_in(guard->request->masked, common) != NULL ||
	    crb_folder_holds(common, guard->request->home)) {
		crb_args_printf(&guard->out->notices,
		    "the worktree's repository %s is in a place that no "
		    "sandbox sees, so git does not work",
		    common);
		return;
	}
	memcpy(other.source, common, strlen(common) + 1);
	memcpy(other.target, common, strlen(common) + 1);
	other.workspace = false;
	crb_mounts_add(guard->mounts, CRB_MOUNT_WRITE, common, common);
	crb_args_printf(&guard->out->notices,
	    "a worktree: its repository %s can be written, too", common);
	protect_repository(&other, common, guard->source, &tally);
}

/* A worktree's or a submodule's. */
static void
protect_file(struct crb_guard *guard, const char *file)
{
	char text[CRB_PATH_MAX], gitdir[CRB_PATH_MAX], common[CRB_PATH_MAX];
	struct tally tally = { 0, 0 };

	(void)crb_guard_protect(guard, file);
	if (!read_line(file, "gitdir: ", text) ||
	    !resolve(guard->source, text, gitdir))
		return;
	if (crb_folder_holds(guard->source, gitdir))
		protect_repository(guard, gitdir, guard->source, &tally);
	else if (find_common(file, gitdir, common))
		protect_outside(guard, common);
	else
		crb_args_printf(&guard->out->notices,
		    "%s names a repository outside, %s, which the sandbox "
		    "does not see: git does not work (--bind it, if it is "
		    "yours)",
		    crb_guard_name(guard, file), gitdir);
}

void
crb_git_folder_protect(struct crb_guard *guard)
{
	struct tally tally = { 0, 0 };
	char path[CRB_PATH_MAX];

	if (!join(path, guard->source, ".git"))
		return;
	switch (crb_guard_look(guard, path)) {
	case CRB_GUARD_FOLDER:
		protect_repository(guard, path, guard->source, &tally);
		return;
	case CRB_GUARD_FILE:
		protect_file(guard, path);
		return;
	case CRB_GUARD_LINK:
		(void)crb_guard_protect(guard, path);
		return;
	case CRB_GUARD_ABSENT:
	default:
		return;
	}
}
