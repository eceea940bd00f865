#include "broker/cli/import/original.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/io.h"

#define FILE_MAX (256u << 10)

static enum crb_status
open_it(const char *path, int flags, int *out, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	struct stat st;

	/* O_NONBLOCK, or a named pipe would hold us before we can tell. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return crb_err_set(
		    err, CRB_ERR_NOT_FOUND, "%s: no such file", path);
	if (fd == -1)
		return crb_err_errno(err, "%s", path);
	if (fstat(fd, &st) == -1)
		return crb_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "%s: not a regular file", path);
	*out = CRB_STEAL_FD(fd);
	return CRB_OK;
}

static enum crb_status
read_it(int fd, const char *path, struct crb_buf *text, struct stat *seen,
    struct crb_err *err)
{
	if (fstat(fd, seen) == -1)
		return crb_err_errno(err, "%s", path);
	if (crb_io_read_all(fd, text, CRB_FOREVER, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

/* All of a file or nothing: what has an error may be something else. */
static enum crb_status
parse_it(const struct crb_source *source, const struct crb_buf *text,
    struct crb_found_list *out, struct crb_err *err)
{
	size_t before = out->count;

	if (source->parse(crb_buf_text(text), text->len, out, err) == CRB_OK)
		return CRB_OK;
	while (out->count > before)
		crb_found_clear(&out->at[--out->count]);
	return err->status;
}

enum crb_status
crb_original_read(struct crb_original *original,
    const struct crb_source *source, const char *path, size_t number,
    struct crb_found_list *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(FILE_MAX);
	CRB_AUTO_FD int fd = -1;
	size_t before = out->count;
	struct stat at_path;

	*original = (struct crb_original){ .source = source };
	if (crb_path_join(original->path, path, "", err) != CRB_OK ||
	    open_it(path, 0, &fd, err) != CRB_OK)
		return err->status;
	original->link = lstat(path, &at_path) == -1 ||
	    S_ISLNK(at_path.st_mode);
	if (read_it(fd, path, &text, &original->seen, err) != CRB_OK)
		return err->status;
	if (parse_it(source, &text, out, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	for (size_t i = before; i < out->count; i++)
		if (!out->at[i].elsewhere)
			out->at[i].origin = number;
	return CRB_OK;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && a->st_mode == b->st_mode &&
	    a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	    a->st_nlink == b->st_nlink &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Before anything is done, and once more at the last moment. */
static enum crb_status
check_ours(const void *ctx, int folder, const char *name, struct crb_err *err)
{
	const struct crb_original *original = ctx;
	struct stat now;

	if (fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == -1)
		return crb_err_errno(err, "looking at it");
	if (original->link || S_ISLNK(now.st_mode))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a symbolic link; remove it there by hand");
	if (now.st_uid != geteuid())
		return crb_err_set(err, CRB_ERR_INVALID,
		    "somebody else's file; left as it is");
	if (now.st_nlink != 1)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "has another name (a hard link), where it would stay");
	if (!same_file(&original->seen, &now))
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "changed since it was read; left as it is");
	return CRB_OK;
}

/* What other files say of keys of AWS goes into their parameters. */
static bool
is_wanted(const struct crb_found *found, const struct crb_found_list *list,
    const size_t *which, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (crb_found_alike(found, &list->at[which[i]]) ||
		    (strcmp(found->backend, "static") != 0 &&
			crb_found_same_secret(found, &list->at[which[i]])))
			return true;
	}
	return false;
}

static void
cut_bytes(struct crb_buf *text, size_t from, size_t to)
{
	size_t tail = text->len - to;

	memmove(text->data + from, text->data + to, tail);
	sodium_memzero(text->data + from + tail, text->len - from - tail);
	text->len = from + tail;
}

/* Its mode would be a list's mask, which could open the new file further. */
static enum crb_status
check_no_list(int fd, const char *path, struct crb_err *err)
{
	if (fgetxattr(fd, "system.posix_acl_access", NULL, 0) >= 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: has an access control list; remove it there by hand",
		    path);
	return CRB_OK;
}

/* One at a time, reading anew: what is cut moves what stands behind it. */
static enum crb_status
cut_one(crb_import_fn *parse, struct crb_buf *text,
    const struct crb_found_list *list, const size_t *which, size_t count,
    bool *done, struct crb_err *err)
{
	CRB_AUTO_FOUND struct crb_found_list now = { 0 };

	if (parse(crb_buf_text(text), text->len, &now, err) != CRB_OK)
		return err->status;
	for (size_t i = 0; i < now.count; i++) {
		const struct crb_found *found = &now.at[i];

		if (!is_wanted(found, list, which, count))
			continue;
		if (found->sticks[0] != '\0')
			return crb_err_set(err, CRB_ERR_INVALID,
			    "line %u: %s; remove it by hand", found->line,
			    found->sticks);
		if (found->from >= found->to || found->to > text->len)
			return crb_err_set(err, CRB_ERR_SYSTEM,
			    "line %u: cannot be cut", found->line);
		cut_bytes(text, found->from, found->to);
		*done = false;
		return CRB_OK;
	}
	*done = true;
	return CRB_OK;
}

enum crb_status
crb_original_edit(crb_import_fn *parse, struct crb_buf *text,
    const struct crb_found_list *list, const size_t *which, size_t count,
    struct crb_err *err)
{
	bool done = false;

	while (!done) {
		if (cut_one(parse, text, list, which, count, &done, err) !=
		    CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static enum crb_status
replace(const struct crb_original *original, const struct crb_buf *text,
    struct crb_err *err)
{
	const struct crb_io_replacement replacement = {
		.bytes = crb_buf_text(text),
		.len = text->len,
		.mode = original->seen.st_mode & 07777,
		.group = original->seen.st_gid,
		.check = check_ours,
		.ctx = original,
	};

	return crb_io_replace_file(original->path, &replacement, err);
}

enum crb_status
crb_original_cut(const struct crb_original *original,
    const struct crb_found_list *list, const size_t *which, size_t count,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT_WIPED(FILE_MAX);
	CRB_AUTO_FD int fd = -1;
	struct stat now;

	if (check_ours(original, AT_FDCWD, original->path, err) != CRB_OK)
		return crb_err_context(err, "%s", original->path);
	if (open_it(original->path, O_NOFOLLOW, &fd, err) != CRB_OK ||
	    check_no_list(fd, original->path, err) != CRB_OK ||
	    read_it(fd, original->path, &text, &now, err) != CRB_OK)
		return err->status;
	if (!same_file(&original->seen, &now))
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "%s: changed since it was read; left as it is",
		    original->path);
	if (crb_original_edit(original->source->parse, &text, list, which,
		count, err) != CRB_OK)
		return crb_err_context(err, "%s", original->path);
	return replace(original, &text, err);
}
