#ifndef CRB_SHIM_INVENTORY_VIEW_H
#define CRB_SHIM_INVENTORY_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * The files, folders and environment that are looked at: this process's own,
 * or another's through /proc.  Whoever made them is hostile: nothing of theirs
 * is opened before it is known to be a regular file, none of their links leads
 * out of their root, nothing waits, and everything is bounded.
 */

#define CRB_VIEW_PATH_MAX 4096
#define CRB_VIEW_HOMES_MAX 32
#define CRB_VIEW_TEXT_MAX (64 * 1024)

struct crb_view {
	bool foreign;
	int proc; /* the other process's folder in /proc */
	int root; /* where absolute paths start; AT_FDCWD: as usual */
	char **env;
	char *block; /* what env points into; NULL: not ours */
	size_t block_len;
	bool env_cut; /* there is more of the environment */
	char *homes[CRB_VIEW_HOMES_MAX];
	size_t home_count;
	char cwd[CRB_VIEW_PATH_MAX]; /* "": not known */
};

/* This process's own view. */
bool crb_view_open_own(struct crb_view *view);

/*
 * What process `pid` sees.  Root takes on that process's ids, and gives up all
 * capabilities unless it has those of root; the caller is then no more than
 * what is looked at.  False with errno.
 */
bool crb_view_open_other(struct crb_view *view, pid_t pid);

void crb_view_close(struct crb_view *view);

/* An environment variable's value, borrowed, or NULL. */
const char *crb_view_env(const struct crb_view *view, const char *name);

/* At most the first 64 KiB of a file; wiped by crb_text_clear(). */
struct crb_text {
	size_t len;
	bool cut;       /* there is more */
	struct stat st; /* of the file */
	char bytes[CRB_VIEW_TEXT_MAX];
};

/*
 * Clear before the scope ends: it may hold any secret.  Only what was read is
 * wiped, so initialise `len` alone.
 */
void crb_text_clear(struct crb_text *text);
#define CRB_AUTO_TEXT __attribute__((cleanup(crb_text_clear)))

/* How links are treated. */
enum crb_links {
	CRB_LINKS_FOLLOW, /* inside the view's root */
	CRB_LINKS_REFUSE, /* anywhere in the path */
};

/*
 * A descriptor (O_PATH) of whatever `path` is, the caller's; -1 with errno.
 * A relative path starts at the view's current folder.
 */
int crb_view_find(
    const struct crb_view *view, const char *path, enum crb_links links);

/*
 * Read a regular file; false when it is none, may not be read, or is one of
 * the kernel's (in /proc, /sys and such), to which a link may lead.
 */
bool crb_view_read(const struct crb_view *view, const char *path,
    enum crb_links links, struct crb_text *text);

/* The same for a file in /proc alone. */
bool crb_view_read_proc(
    const struct crb_view *view, const char *path, struct crb_text *text);

/*
 * The caller's descriptor of a folder to be read, or -1.  Where links are
 * refused, so are the kernel's trees.
 */
int crb_view_folder(
    const struct crb_view *view, const char *path, enum crb_links links);

/*
 * Call `fn` with each path that `pattern` stands for and that may be there:
 * "~" is every home, "$NAME" a variable's value, "%" every folder that may be
 * XDG_RUNTIME_DIR; a part of a path may have one "*".  Bounded: false when
 * there was more.
 */
typedef void crb_view_fn(void *ctx, const char *path);
bool crb_view_each(const struct crb_view *view, const char *pattern,
    crb_view_fn *fn, void *ctx);

/* Whether `name` is `pattern`, which may have one "*" (not a leading dot). */
bool crb_view_matches(const char *pattern, size_t len, const char *name);

#endif /* !CRB_SHIM_INVENTORY_VIEW_H */
