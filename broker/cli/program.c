#include "broker/cli/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "broker/cli/folders.h"
#include "broker/cli/install_root.h"
#include "broker/cli/sandbox_args.h"
#include "broker/cli/session_request.h"

/* An interpreter may be a script itself, and so on. */
#define DEPTH_MAX 8
/* The kernel reads no more of a line. */
#define LINE_MAX_BYTES 256

/* Links are added when it is known what is seen anyway. */
struct find {
	const struct crb_program_search *search;
	struct crb_mounts links;
	unsigned depth;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cut the next word off *text; false at the end. */
static bool
next_word(const char **text, char word[CRB_PATH_MAX])
{
	size_t len = 0;

	while (is_blank(**text))
		(*text)++;
	while ((*text)[len] != '\0' && (*text)[len] != '\n' &&
	    !is_blank((*text)[len]) && len < CRB_PATH_MAX - 1)
		len++;
	memcpy(word, *text, len);
	word[len] = '\0';
	*text += len;
	return len > 0;
}

/* "env [-S] [NAME=VALUE...] program": the first word that is neither. */
static void
env_program(const char *text, char program[CRB_PATH_MAX])
{
	static const char split[] = "-S";
	char word[CRB_PATH_MAX];

	program[0] = '\0';
	while (next_word(&text, word)) {
		const char *at = word;

		if (strncmp(at, split, 2) == 0)
			at += 2;
		else if (strncmp(at, "--split-string=", 15) == 0)
			at += 15;
		if (*at == '\0' || *at == '-' || strchr(at, '=') != NULL)
			continue;
		memmove(program, at, strlen(at) + 1);
		return;
	}
}

bool
crb_program_interpreter(const char *line, char interpreter[CRB_PATH_MAX],
    char program[CRB_PATH_MAX])
{
	const char *text = line + 2;

	program[0] = '\0';
	if (strncmp(line, "#!", 2) != 0 || !next_word(&text, interpreter))
		return false;
	if (strcmp(crb_folder_name(interpreter), "env") == 0)
		env_program(text, program);
	return true;
}

static bool
read_line(const char *path, char line[LINE_MAX_BYTES])
{
	CRB_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len;

	if (fd == -1 || (len = read(fd, line, LINE_MAX_BYTES - 1)) <= 0)
		return false;
	line[len] = '\0';
	return true;
}

static bool
is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    access(path, X_OK) == 0;
}

static bool
search_path(const char *path, const char *name, char out[CRB_PATH_MAX])
{
	struct crb_slice rest, piece;

	if (path == NULL || *path == '\0')
		path = "/usr/bin:/bin";
	rest = CRB_SLICE(path);
	while (crb_slice_cut(&rest, ':', &piece)) {
		int n = snprintf(out, CRB_PATH_MAX, "%.*s/%s", (int)piece.len,
		    piece.p, name);

		if (piece.len > 0 && piece.p[0] == '/' && n < CRB_PATH_MAX &&
		    is_program(out))
			return true;
	}
	return false;
}

static void
note_link(void *ctx, const char *at, const char *text)
{
	struct find *find = ctx;

	crb_mounts_add(&find->links, CRB_MOUNT_LINK, text, at);
}

/* Whether the sandbox has it without our doing. */
static bool
is_seen(const struct crb_program_search *search, const char *path)
{
	const struct crb_mount *over;

	if (crb_sandbox_shows(path) ||
	    crb_folder_holds(search->workspace, path))
		return true;
	over = crb_mounts_over(search->mounts, path);
	return over != NULL && crb_mount_shows(over);
}

static void
show(void *ctx, const char *path)
{
	const struct crb_program_search *search = ctx;

	if (!is_seen(search, path))
		crb_mounts_add(search->mounts, CRB_MOUNT_READ, path, path);
}

static void
show_root(struct find *find, const char *path)
{
	if (!is_seen(find->search, path))
		crb_install_root(find->search->home, path, show,
		    (void *)(uintptr_t)find->search);
}

/* Folders of the host's that no program is run from. */
static enum crb_status
judge_place(const struct crb_program_search *search, const char *path,
    struct crb_err *err)
{
	static const char *const never[] = { "/proc", "/sys", "/dev", "/run",
		"/etc" };

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		if (crb_folder_holds(never[i], path))
			return crb_err_set(err, CRB_ERR_USAGE,
			    "%s: a sandbox does not see %s of the host", path,
			    never[i]);
	if (crb_masked_over(search->masked, path) != NULL)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "%s: that is in a place of credentials, or the broker's "
		    "own, which no sandbox sees",
		    path);
	return CRB_OK;
}

static enum crb_status follow(struct find *find, const char *path,
    char at[CRB_PATH_MAX], struct crb_err *err);

static enum crb_status
follow_interpreter(struct find *find, const char *real, struct crb_err *err)
{
	char line[LINE_MAX_BYTES], at[CRB_PATH_MAX];
	char interpreter[CRB_PATH_MAX], program[CRB_PATH_MAX];

	if (!read_line(real, line) ||
	    !crb_program_interpreter(line, interpreter, program))
		return CRB_OK;
	if (interpreter[0] != '/' || !is_program(interpreter))
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s wants %s to run it, which is not there", real,
		    interpreter);
	if (follow(find, interpreter, at, err) != CRB_OK)
		return err->status;
	if (program[0] == '\0' || program[0] == '/')
		return program[0] == '\0' ? CRB_OK
					  : follow(find, program, at, err);
	if (!search_path(find->search->path, program, at))
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s wants %s to run it, which is not on PATH", real,
		    program);
	memcpy(interpreter, at, sizeof(interpreter));
	return follow(find, interpreter, at, err);
}

/* *at is the path with its folder real: the name may say what it does. */
static enum crb_status
follow(struct find *find, const char *path, char at[CRB_PATH_MAX],
    struct crb_err *err)
{
	char folder[CRB_PATH_MAX], real[CRB_PATH_MAX];

	if (++find->depth > DEPTH_MAX)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: too many interpreters of interpreters", path);
	crb_folder_above(path, folder);
	if (crb_folder_walk(folder, note_link, find, real, err) != CRB_OK ||
	    crb_path_join(at, strcmp(real, "/") == 0 ? "" : real,
		crb_folder_name(path), err) != CRB_OK ||
	    crb_folder_walk(path, note_link, find, real, err) != CRB_OK)
		return err->status;
	if (!crb_sandbox_shows(real) &&
	    judge_place(find->search, real, err) != CRB_OK)
		return err->status;
	show_root(find, at);
	show_root(find, real);
	return follow_interpreter(find, real, err);
}

static void
add_links(struct find *find)
{
	const struct crb_program_search *search = find->search;

	for (size_t i = 0; i < find->links.count; i++) {
		const struct crb_mount *link = &find->links.at[i];

		if (!is_seen(search, link->target))
			crb_mounts_add(search->mounts, CRB_MOUNT_LINK,
			    link->source, link->target);
	}
}

/*
 * With a slash: absolute, or from the workspace.  `inside` is what the sandbox
 * calls it, `out` the host, which differs below a mount's target.
 */
static enum crb_status
place_of(const struct crb_program_search *search, const char *command,
    char inside[CRB_PATH_MAX], char out[CRB_PATH_MAX], struct crb_err *err)
{
	const struct crb_mount *over;

	if (command[0] == '/'
		? crb_path_join(inside, command, "", err)
		: crb_path_join(inside, search->workspace, command, err))
		return err->status;
	over = crb_mounts_over(search->mounts, inside);
	if (over == NULL || !crb_mount_shows(over))
		return crb_path_join(out, inside, "", err);
	if (snprintf(out, CRB_PATH_MAX, "%s%s", over->source,
		crb_folder_rest(over->target, inside)) >= CRB_PATH_MAX)
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "a path is too long");
	return CRB_OK;
}

static enum crb_status
find_file(const char *command, const struct crb_program_search *search,
    char inside[CRB_PATH_MAX], char out[CRB_PATH_MAX], int *exit,
    struct crb_err *err)
{
	inside[0] = '\0';
	if (strchr(command, '/') == NULL) {
		if (search_path(search->path, command, out))
			return CRB_OK;
		*exit = CRB_PROGRAM_MISSING;
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s: not on PATH, so there is nothing to run; no session "
		    "was opened",
		    command);
	}
	if (place_of(search, command, inside, out, err) != CRB_OK)
		return err->status;
	if (access(out, F_OK) == -1) {
		*exit = CRB_PROGRAM_MISSING;
		return crb_err_errno(err, "%s", out);
	}
	if (is_program(out))
		return CRB_OK;
	*exit = CRB_PROGRAM_NOT_RUN;
	return crb_err_set(
	    err, CRB_ERR_USAGE, "%s: not a program that may be run", out);
}

enum crb_status
crb_program_find(const char *command, const struct crb_program_search *search,
    struct crb_program *out, int *exit, struct crb_err *err)
{
	struct find find = { .search = search };
	char inside[CRB_PATH_MAX], found[CRB_PATH_MAX];
	enum crb_status status;

	/* The shim is mounted there for every sandbox. */
	if (crb_folder_holds(CRB_SANDBOX_BIN, command)) {
		*out = (struct crb_program){ .in_workspace = false };
		return crb_path_join(out->path, command, "", err);
	}
	if (find_file(command, search, inside, found, exit, err) != CRB_OK)
		return err->status;
	status = follow(&find, found, out->path, err);
	if (status == CRB_OK)
		add_links(&find);
	else
		*exit = CRB_PROGRAM_NOT_RUN;
	crb_mounts_clear(&find.links);
	/* A mount of the caller's may show it in another place only. */
	if (inside[0] != '\0' && strcmp(inside, found) != 0)
		memcpy(out->path, inside, sizeof(inside));
	out->in_workspace = crb_folder_holds(search->workspace, out->path);
	return status;
}
