#include "broker/cli/folders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

/* As the kernel's own bound. */
#define LINKS_MAX 40

bool
crb_folder_holds(const char *folder, const char *inner)
{
	size_t len = strlen(folder);

	if (strcmp(folder, "/") == 0)
		return true;
	return strncmp(folder, inner, len) == 0 &&
	    (inner[len] == '\0' || inner[len] == '/');
}

const char *
crb_folder_rest(const char *folder, const char *inner)
{
	if (strcmp(folder, "/") == 0)
		return strcmp(inner, "/") == 0 ? "" : inner;
	return inner + strlen(folder);
}

enum crb_status
crb_folder_real(const char *path, char out[CRB_PATH_MAX], struct crb_err *err)
{
	CRB_AUTO_FREE char *real = realpath(path, NULL);

	if (real == NULL)
		return crb_err_errno(err, "%s", path);
	return crb_path_join(out, real, "", err);
}

static enum crb_status
append(char out[CRB_PATH_MAX], struct crb_slice name, struct crb_err *err)
{
	size_t len = strlen(out);

	if (len + 1 + name.len >= CRB_PATH_MAX)
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "a path is too long");
	out[len] = '/';
	memcpy(out + len + 1, name.p, name.len);
	out[len + 1 + name.len] = '\0';
	return CRB_OK;
}

enum crb_status
crb_folder_clean(const char *path, char out[CRB_PATH_MAX], struct crb_err *err)
{
	struct crb_slice rest = CRB_SLICE(path), name;

	if (path[0] != '/')
		return crb_err_set(
		    err, CRB_ERR_USAGE, "%s: not an absolute path", path);
	out[0] = '\0';
	while (crb_slice_cut(&rest, '/', &name)) {
		if (name.len == 0 || crb_slice_is(name, "."))
			continue;
		if (crb_slice_is(name, ".."))
			return crb_err_set(
			    err, CRB_ERR_USAGE, "%s: has a \"..\"", path);
		if (append(out, name, err) != CRB_OK)
			return err->status;
	}
	if (out[0] == '\0')
		memcpy(out, "/", 2);
	return CRB_OK;
}

void
crb_folder_above(const char *path, char out[CRB_PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	int len = slash == NULL || slash == path ? 1 : (int)(slash - path);

	(void)snprintf(out, CRB_PATH_MAX, "%.*s", len, path);
}

const char *
crb_folder_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* A walk under way: `at` is real, `rest` is still to be followed. */
struct walk {
	char at[CRB_PATH_MAX];
	char rest[CRB_PATH_MAX];
	unsigned links;
};

/* Put a link's text in front of what is left. */
static enum crb_status
enter_link(struct walk *walk, const char *text, struct crb_err *err)
{
	char rest[CRB_PATH_MAX];

	if (++walk->links > LINKS_MAX ||
	    snprintf(rest, sizeof(rest), "%s/%s", text, walk->rest) >=
		(int)sizeof(rest))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: too many symbolic links", walk->at);
	if (text[0] == '/')
		walk->at[0] = '\0';
	memcpy(walk->rest, rest, sizeof(rest));
	return CRB_OK;
}

static enum crb_status
step(struct walk *walk, struct crb_slice name, crb_link_fn *link, void *ctx,
    struct crb_err *err)
{
	char next[CRB_PATH_MAX], text[CRB_PATH_MAX];
	struct stat st;
	ssize_t len;

	if (name.len == 0 || crb_slice_is(name, "."))
		return CRB_OK;
	if (crb_slice_is(name, "..")) {
		char *slash = strrchr(walk->at, '/');

		if (slash != NULL)
			*slash = '\0';
		return CRB_OK;
	}
	memcpy(next, walk->at, sizeof(next));
	if (append(next, name, err) != CRB_OK)
		return err->status;
	if (lstat(next, &st) == -1)
		return crb_err_errno(err, "%s", next);
	if (!S_ISLNK(st.st_mode)) {
		memcpy(walk->at, next, sizeof(next));
		return CRB_OK;
	}
	if ((len = readlink(next, text, sizeof(text) - 1)) == -1)
		return crb_err_errno(err, "%s", next);
	text[len] = '\0';
	link(ctx, next, text);
	return enter_link(walk, text, err);
}

enum crb_status
crb_folder_walk(const char *path, crb_link_fn *link, void *ctx,
    char real[CRB_PATH_MAX], struct crb_err *err)
{
	struct walk walk = { .at = "" };

	if (path[0] != '/')
		return crb_err_set(
		    err, CRB_ERR_USAGE, "%s: not an absolute path", path);
	if (crb_path_join(walk.rest, path, "", err) != CRB_OK)
		return err->status;
	while (walk.rest[0] != '\0') {
		char name[CRB_PATH_MAX];
		size_t len = strcspn(walk.rest, "/");
		size_t skip = len + (walk.rest[len] == '/');

		memcpy(name, walk.rest, len);
		memmove(
		    walk.rest, walk.rest + skip, strlen(walk.rest + skip) + 1);
		if (step(&walk, (struct crb_slice){ name, len }, link, ctx,
			err) != CRB_OK)
			return err->status;
	}
	return crb_path_join(real, walk.at[0] != '\0' ? walk.at : "/", "", err);
}
