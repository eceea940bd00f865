#include "shim/inventory_view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shim/cleanup.h"

/*
 * Entries of one folder that "*" is compared with; and folders that are read
 * and paths that are given for one pattern.
 */
#define ENTRIES_MAX 16384
#define STEPS_MAX 8192

/* linux/openat2.h, which musl does not bring along. */
#define OPENAT2_CALL 437
#define OPENAT2_NO_MAGICLINKS 0x02
#define OPENAT2_NO_SYMLINKS 0x04
#define OPENAT2_IN_ROOT 0x10
struct openat2_how {
	unsigned long long flags;
	unsigned long long mode;
	unsigned long long resolve;
};

static int
openat2(int at, const char *path, int flags, unsigned resolve)
{
	const struct openat2_how how = {
		.flags = (unsigned long long)flags,
		.resolve = resolve,
	};

	return (int)syscall(OPENAT2_CALL, at, path, &how, sizeof(how));
}

/*
 * In another's root an absolute link must not lead into ours, and only the
 * kernel can see to that: there is no other way then.
 */
static int
open_in(const struct crb_view *view, const char *path, enum crb_links links,
    int flags)
{
	unsigned resolve = links == CRB_LINKS_REFUSE ? OPENAT2_NO_SYMLINKS : 0;
	int fd;

	/* openat2(2) is strict about what goes with O_PATH. */
	flags |= O_CLOEXEC;
	flags |= (flags & O_PATH) == 0 ? O_NONBLOCK | O_NOCTTY : 0;
	if (view->foreign)
		return openat2(view->root, path, flags,
		    resolve | OPENAT2_IN_ROOT | OPENAT2_NO_MAGICLINKS);
	if (links == CRB_LINKS_FOLLOW)
		return openat(AT_FDCWD, path, flags);
	fd = openat2(AT_FDCWD, path, flags, resolve);
	if (fd == -1 && (errno == ENOSYS || errno == EPERM))
		fd = openat(AT_FDCWD, path, flags | O_NOFOLLOW);
	return fd;
}

/* Relative paths are the current folder's. */
static const char *
absolute(
    const struct crb_view *view, const char *path, char buf[CRB_VIEW_PATH_MAX])
{
	int n;

	if (path[0] == '/')
		return path;
	n = snprintf(buf, CRB_VIEW_PATH_MAX, "%s/%s", view->cwd, path);
	if (view->cwd[0] == '\0' || n >= CRB_VIEW_PATH_MAX) {
		errno = ENOENT;
		return NULL;
	}
	return buf;
}

int
crb_view_find(
    const struct crb_view *view, const char *path, enum crb_links links)
{
	char buf[CRB_VIEW_PATH_MAX];

	path = absolute(view, path, buf);
	return path != NULL ? open_in(view, path, links, O_PATH) : -1;
}

/*
 * The file behind an O_PATH descriptor, to be read.  Not by its path again:
 * by then it may be a device.  Without /proc the path has to do, and no link
 * at its end.
 */
static int
reopen(const struct crb_view *view, int found, const char *path)
{
	char link[40];
	int fd;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && errno == ENOENT)
		fd = open_in(view, path, CRB_LINKS_REFUSE, O_RDONLY);
	return fd;
}

/*
 * The kernel's own trees have no end, and reading some of their files does
 * something: /proc/kmsg forgets what it has told.
 */
static bool
is_kernels(int fd)
{
	static const unsigned kinds[] = {
		0x9fa0,     /* proc */
		0x62656572, /* sysfs */
		0x63677270, /* cgroup2 */
		0x27e0eb,   /* cgroup */
		0x64626720, /* debugfs */
		0x74726163, /* tracefs */
		0x73636673, /* securityfs */
		0x1cd1,     /* devpts */
	};
	struct statfs st;

	if (fstatfs(fd, &st) == -1)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if ((unsigned)st.f_type == kinds[i])
			return true;
	}
	return false;
}

int
crb_view_folder(
    const struct crb_view *view, const char *path, enum crb_links links)
{
	CRB_AUTO_FD int fd = -1;
	char buf[CRB_VIEW_PATH_MAX];

	path = absolute(view, path, buf);
	if (path != NULL)
		fd = open_in(view, path, links, O_RDONLY | O_DIRECTORY);
	if (fd != -1 && links == CRB_LINKS_REFUSE && is_kernels(fd))
		return -1;
	return CRB_STEAL_FD(fd);
}

static void
read_all(int fd, struct crb_text *text)
{
	char more;

	while (text->len < sizeof(text->bytes)) {
		ssize_t n = read(fd, text->bytes + text->len,
		    sizeof(text->bytes) - text->len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text->len += (size_t)n;
	}
	text->cut = read(fd, &more, 1) == 1;
	explicit_bzero(&more, 1);
}

static bool
read_file(const struct crb_view *view, const char *path, enum crb_links links,
    bool kernels, struct crb_text *text)
{
	CRB_AUTO_FD int found = crb_view_find(view, path, links);
	CRB_AUTO_FD int fd = -1;
	struct stat st;

	crb_text_clear(text);
	if (found == -1 || fstat(found, &text->st) == -1 ||
	    !S_ISREG(text->st.st_mode) || is_kernels(found) != kernels)
		return false;
	fd = reopen(view, found, path);
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return false;
	read_all(fd, text);
	return true;
}

bool
crb_view_read(const struct crb_view *view, const char *path,
    enum crb_links links, struct crb_text *text)
{
	return read_file(view, path, links, false, text);
}

bool
crb_view_read_proc(
    const struct crb_view *view, const char *path, struct crb_text *text)
{
	return read_file(view, path, CRB_LINKS_FOLLOW, true, text);
}

void
crb_text_clear(struct crb_text *text)
{
	explicit_bzero(text->bytes, text->len);
	text->len = 0;
	text->cut = false;
}

const char *
crb_view_env(const struct crb_view *view, const char *name)
{
	size_t len = strlen(name);

	for (char **at = view->env; *at != NULL; at++) {
		if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
			return *at + len + 1;
	}
	return NULL;
}

bool
crb_view_matches(const char *pattern, size_t len, const char *name)
{
	const char *star = memchr(pattern, '*', len);
	size_t name_len = strlen(name), before, after;

	if (star == NULL)
		return name_len == len && memcmp(pattern, name, len) == 0;
	before = (size_t)(star - pattern);
	after = len - before - 1;
	if (before == 0 && name[0] == '.')
		return false;
	return name_len >= before + after &&
	    memcmp(name, pattern, before) == 0 &&
	    memcmp(name + name_len - after, star + 1, after) == 0;
}

/* One expansion: the path so far, and how much more may come of it. */
struct expansion {
	const struct crb_view *view;
	crb_view_fn *fn;
	void *ctx;
	unsigned left;
	bool cut; /* ... and there was more */
	char path[CRB_VIEW_PATH_MAX];
};

#define AUTO_DIR __attribute__((cleanup(dir_cleanup)))
static void
dir_cleanup(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

static void expand(struct expansion *e, size_t len, const char *rest);

/* path[0..len) and "/name" are there: go on with `rest`. */
static void
descend(struct expansion *e, size_t len, const char *name, size_t name_len,
    const char *rest)
{
	if (len + name_len + 2 > sizeof(e->path))
		return;
	e->path[len] = '/';
	memcpy(e->path + len + 1, name, name_len);
	e->path[len + 1 + name_len] = '\0';
	expand(e, len + 1 + name_len, rest);
	e->path[len] = '\0';
}

static void
expand_star(struct expansion *e, size_t len, const char *part, size_t part_len)
{
	AUTO_DIR DIR *dir = NULL;
	struct dirent *entry;
	int fd = crb_view_folder(
	    e->view, len > 0 ? e->path : "/", CRB_LINKS_FOLLOW);

	if (fd == -1)
		return;
	if ((dir = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return;
	}
	for (unsigned i = 0; (entry = readdir(dir)) != NULL; i++) {
		const char *name = entry->d_name;

		if (i == ENTRIES_MAX || e->left == 0) {
			e->cut = true;
			return;
		}
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    crb_view_matches(part, part_len, name))
			descend(e, len, name, strlen(name), part + part_len);
	}
}

/* `rest` begins with a slash, or is empty. */
static void
expand(struct expansion *e, size_t len, const char *rest)
{
	size_t n;

	if (rest[0] == '\0') {
		if (e->left == 0) {
			e->cut = true;
			return;
		}
		e->left--;
		e->fn(e->ctx, e->path);
		return;
	}
	rest++;
	n = strcspn(rest, "/");
	if (memchr(rest, '*', n) != NULL) {
		e->left -= e->left > 0 ? 1 : 0;
		expand_star(e, len, rest, n);
	} else {
		descend(e, len, rest, n, rest + n);
	}
}

static void
expand_from(struct expansion *e, const char *start, const char *rest)
{
	size_t len = strlen(start);
	char buf[CRB_VIEW_PATH_MAX];

	start = absolute(e->view, start, buf);
	if (start == NULL || (len = strlen(start)) >= sizeof(e->path))
		return;
	/* No slash at the end, since each part brings its own. */
	while (len > 0 && start[len - 1] == '/')
		len--;
	memcpy(e->path, start, len);
	e->path[len] = '\0';
	expand(e, len, rest);
}

static void
expand_variable(struct expansion *e, const char *name, const char *rest)
{
	const char *value = crb_view_env(e->view, name);

	if (value != NULL && value[0] != '\0')
		expand_from(e, value, rest);
}

bool
crb_view_each(const struct crb_view *view, const char *pattern, crb_view_fn *fn,
    void *ctx)
{
	struct expansion e = {
		.view = view, .fn = fn, .ctx = ctx, .left = STEPS_MAX
	};
	const char *rest = pattern + strcspn(pattern, "/");
	char name[48];

	switch (pattern[0]) {
	case '~':
		for (size_t i = 0; i < view->home_count; i++)
			expand_from(&e, view->homes[i], rest);
		break;
	case '$':
		(void)snprintf(name, sizeof(name), "%.*s",
		    (int)(rest - pattern - 1), pattern + 1);
		expand_variable(&e, name, rest);
		break;
	case '%':
		expand_variable(&e, "XDG_RUNTIME_DIR", rest);
		(void)snprintf(name, sizeof(name), "/run/user/*%s", rest);
		expand(&e, 0, name);
		break;
	default:
		expand(&e, 0, pattern);
		break;
	}
	return !e.cut;
}
