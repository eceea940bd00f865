#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define LINKS_MAX 40u /* as the kernel's own limit */

enum crb_status
crb_path_join(
    char out[CRB_PATH_MAX], const char *a, const char *b, struct crb_err *err)
{
	size_t len = strlen(a);
	bool bare = len == 0 || a[len - 1] == '/' || b[0] == '\0';
	const char *between = bare ? "" : "/";
	int n;

	n = snprintf(out, CRB_PATH_MAX, "%s%s%s", a, between, b);
	if (n < 0 || n >= CRB_PATH_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a path over %d bytes", CRB_PATH_MAX - 1);
	return CRB_OK;
}

/*
 * A walk down a path, one component at a time, on descriptors, so that what is
 * judged is what is walked through.
 */
struct walk {
	uid_t owner;
	int fd;                  /* where we are, O_PATH */
	struct stat st;          /* of it */
	char at[CRB_PATH_MAX];   /* its real name, for messages */
	char rest[CRB_PATH_MAX]; /* still to come */
	unsigned links;
};

static void
walk_clear(const struct walk *walk)
{
	crb_fd_cleanup(&walk->fd);
}

static enum crb_status
too_long(struct crb_err *err)
{
	return crb_err_set(
	    err, CRB_ERR_TOO_LARGE, "a path over %d bytes", CRB_PATH_MAX - 1);
}

static enum crb_status
walk_error(const struct walk *walk, const char *name, struct crb_err *err)
{
	const char *between = strcmp(walk->at, "/") == 0 ? "" : "/";

	if (errno == ENOENT)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s%s%s: no such file or folder", walk->at, between, name);
	return crb_err_errno(err, "%s%s%s", walk->at, between, name);
}

static bool
is_trusted(uid_t uid, uid_t owner)
{
	return uid == 0 || uid == owner;
}

/* The folder that the walk is at: on the way to something, or the end. */
static enum crb_status
judge(const struct walk *walk, bool is_parent, struct crb_err *err)
{
	const struct stat *st = &walk->st;

	if (!is_trusted(st->st_uid, walk->owner))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: the folder belongs to uid %u, who could replace what "
		    "is in it; use another place, or: chown %u %s",
		    walk->at, (unsigned)st->st_uid, (unsigned)walk->owner,
		    walk->at);
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return CRB_OK;
	/* In a sticky folder others cannot touch what is not theirs. */
	if (is_parent && (st->st_mode & S_ISVTX) != 0)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_INVALID,
	    "%s: the folder can be written by others; use another place, or: "
	    "chmod go-w %s",
	    walk->at, walk->at);
}

/* Cut the first component off walk->rest; false when there is none. */
static bool
next_name(struct walk *walk, char name[CRB_PATH_MAX])
{
	const char *start = walk->rest + strspn(walk->rest, "/");
	size_t len = strcspn(start, "/");

	memcpy(name, start, len);
	name[len] = '\0';
	memmove(walk->rest, start + len, strlen(start + len) + 1);
	return len > 0;
}

static bool
is_last(const struct walk *walk)
{
	return walk->rest[strspn(walk->rest, "/")] == '\0';
}

static enum crb_status
go_to(struct walk *walk, int *fd, const struct stat *st, const char *name,
    struct crb_err *err)
{
	size_t len = strlen(walk->at);
	char *slash;

	if (strcmp(name, "..") == 0) {
		slash = strrchr(walk->at, '/');
		slash[slash == walk->at ? 1 : 0] = '\0';
	} else {
		len = len == 1 ? 0 : len; /* "/" */
		if (len + 1 + strlen(name) >= sizeof(walk->at))
			return too_long(err);
		walk->at[len] = '/';
		memcpy(walk->at + len + 1, name, strlen(name) + 1);
	}
	(void)close(walk->fd);
	walk->fd = CRB_STEAL_FD(*fd);
	walk->st = *st;
	return CRB_OK;
}

static enum crb_status
go_to_root(struct walk *walk, struct crb_err *err)
{
	crb_fd_cleanup(&walk->fd);
	memcpy(walk->at, "/", sizeof("/"));
	if ((walk->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    fstat(walk->fd, &walk->st) != 0)
		return crb_err_errno(err, "/");
	return CRB_OK;
}

/* Put what a link says in front of the rest. */
static enum crb_status
follow(struct walk *walk, int fd, const struct stat *st, const char *name,
    struct crb_err *err)
{
	char target[CRB_PATH_MAX];
	ssize_t n;
	size_t len, rest = strlen(walk->rest);

	if (!is_trusted(st->st_uid, walk->owner))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s/%s: a symbolic link that belongs to uid %u", walk->at,
		    name, (unsigned)st->st_uid);
	if (++walk->links > LINKS_MAX)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s/%s: too many symbolic links", walk->at, name);
	if ((n = readlinkat(fd, "", target, sizeof(target))) == -1)
		return walk_error(walk, name, err);
	len = (size_t)n;
	if (len + rest >= sizeof(walk->rest))
		return too_long(err);
	memmove(walk->rest + len, walk->rest, rest + 1);
	memcpy(walk->rest, target, len);
	return len > 0 && target[0] == '/' ? go_to_root(walk, err) : CRB_OK;
}

static enum crb_status
step(struct walk *walk, const char *name, bool follow_last, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	struct stat st;

	if (strcmp(name, ".") == 0)
		return CRB_OK;
	if ((fd = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)) ==
		-1 ||
	    fstat(fd, &st) != 0)
		return walk_error(walk, name, err);
	if (S_ISLNK(st.st_mode) && (follow_last || !is_last(walk)))
		return follow(walk, fd, &st, name, err);
	return go_to(walk, &fd, &st, name, err);
}

static enum crb_status
walk_start(struct walk *walk, const char *path, struct crb_err *err)
{
	char here[CRB_PATH_MAX];
	size_t len;

	if (path[0] == '\0')
		return crb_err_set(err, CRB_ERR_INVALID, "an empty path");
	if (path[0] != '/') {
		if (getcwd(here, sizeof(here)) == NULL)
			return crb_err_errno(err, "the current folder");
		if (crb_path_join(walk->rest, here, path, err) != CRB_OK)
			return err->status;
	} else {
		if ((len = strlen(path)) >= sizeof(walk->rest))
			return too_long(err);
		memcpy(walk->rest, path, len + 1);
	}
	return go_to_root(walk, err);
}

static enum crb_status
walk_down(
    struct walk *walk, const char *path, bool follow_last, struct crb_err *err)
{
	char name[CRB_PATH_MAX];

	if (walk_start(walk, path, err) != CRB_OK)
		return err->status;
	while (next_name(walk, name)) {
		if (!S_ISDIR(walk->st.st_mode))
			return crb_err_set(
			    err, CRB_ERR_INVALID, "%s: not a folder", walk->at);
		if (judge(walk, true, err) != CRB_OK)
			return err->status;
		if (step(walk, name, follow_last, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

#define AUTO_WALK __attribute__((cleanup(walk_clear)))

enum crb_status
crb_path_secure(const char *path, uid_t owner, struct crb_err *err)
{
	AUTO_WALK struct walk walk = { .owner = owner, .fd = -1 };

	if (walk_down(&walk, path, true, err) != CRB_OK)
		return err->status;
	if (S_ISDIR(walk.st.st_mode))
		return judge(&walk, false, err);
	return CRB_OK;
}

enum crb_status
crb_path_private(const char *path, uid_t owner, struct crb_err *err)
{
	AUTO_WALK struct walk walk = { .owner = owner, .fd = -1 };

	if (walk_down(&walk, path, false, err) != CRB_OK)
		return err->status;
	if (S_ISLNK(walk.st.st_mode))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: a symbolic link; name the file itself", path);
	if (!S_ISREG(walk.st.st_mode))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "%s: not a regular file", path);
	if (!is_trusted(walk.st.st_uid, owner))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: the file belongs to uid %u; use another, or: "
		    "chown %u %s",
		    path, (unsigned)walk.st.st_uid, (unsigned)owner, path);
	if ((walk.st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: others have access to the file; chmod 600 %s", path,
		    path);
	return CRB_OK;
}

enum crb_status
crb_path_make(const char *path, struct crb_err *err)
{
	char part[CRB_PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	if (len == 0 || len >= sizeof(part))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a path that is empty or too long");
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return crb_err_errno(err, "%s", part);
	}
	if (stat(path, &st) != 0)
		return crb_err_errno(err, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return crb_err_set(
		    err, CRB_ERR_EXISTS, "%s: not a folder", path);
	return CRB_OK;
}
