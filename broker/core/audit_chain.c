#include "broker/core/audit_chain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK ((size_t)256 << 10)
#define NUMBER_MAX 999999u

enum crb_status
crb_audit_chain_step(struct crb_audit_chain *chain, const char *line,
    size_t len, const uint8_t *public, struct crb_err *err)
{
	struct crb_audit_frame frame;
	enum crb_status status;

	if ((status = crb_audit_line_parse(line, len, &frame, err)) != CRB_OK)
		return status;
	if (!chain->anywhere && frame.n != chain->n + 1)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "number %" PRIu64 " follows number %" PRIu64
		    ": lines are missing or moved",
		    frame.n, chain->n);
	if (!chain->anywhere &&
	    memcmp(frame.prev, chain->hash, sizeof(frame.prev)) != 0)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "the chain breaks: the line before it is another");
	if (frame.has_seq && frame.seq < chain->seq)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "outbox number %" PRIu64 " follows %" PRIu64, frame.seq,
		    chain->seq);
	if (frame.has_signature && public != NULL &&
	    !crb_audit_line_signed(line, &frame, public))
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "its signature does not fit");
	chain->anywhere = false;
	chain->n = frame.n;
	if (frame.has_seq)
		chain->seq = frame.seq;
	memcpy(chain->hash, frame.hash, sizeof(chain->hash));
	chain->lines++;
	chain->checkpoints += frame.has_signature;
	chain->unsigned_lines = frame.has_signature ? 0
						    : chain->unsigned_lines + 1;
	return CRB_OK;
}

void
crb_audit_file_name(unsigned number, char out[CRB_AUDIT_NAME_MAX])
{
	(void)snprintf(out, CRB_AUDIT_NAME_MAX, "%06u.jsonl",
	    number > NUMBER_MAX ? NUMBER_MAX : number);
}

void
crb_audit_files_clear(struct crb_audit_files *files)
{
	free(files->number);
	*files = (struct crb_audit_files){ 0 };
}

/* 0 for what is not a file of the log. */
static unsigned
number_of(const char *name)
{
	char want[CRB_AUDIT_NAME_MAX];
	unsigned number = 0;

	for (size_t i = 0; i < 6; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (unsigned)(name[i] - '0');
	}
	crb_audit_file_name(number, want);
	return strcmp(name, want) == 0 ? number : 0;
}

static int
ascending(const void *a, const void *b)
{
	const unsigned *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static enum crb_status
collect(DIR *dir, struct crb_audit_files *files, struct crb_err *err)
{
	const struct dirent *entry;
	size_t cap = 0;

	while ((entry = readdir(dir)) != NULL) {
		const unsigned number = number_of(entry->d_name);

		if (number == 0)
			continue;
		if (files->count == cap) {
			unsigned *more;

			cap = cap == 0 ? 16 : cap * 2;
			more = reallocarray(files->number, cap, sizeof(*more));
			if (more == NULL)
				return crb_err_set(err, CRB_ERR_NOMEM,
				    "no memory for a list of files");
			files->number = more;
		}
		files->number[files->count++] = number;
	}
	if (files->count > 0)
		qsort(files->number, files->count, sizeof(*files->number),
		    ascending);
	return CRB_OK;
}

enum crb_status
crb_audit_files_list(
    const char *folder, struct crb_audit_files *out, struct crb_err *err)
{
	CRB_AUTO_AUDIT_FILES struct crb_audit_files files = { 0 };
	enum crb_status status;
	DIR *dir;

	if ((dir = opendir(folder)) == NULL && errno != ENOENT)
		return crb_err_errno(err, "%s", folder);
	if (dir != NULL) {
		status = collect(dir, &files, err);
		(void)closedir(dir);
		if (status != CRB_OK)
			return status;
	}
	*out = files;
	files = (struct crb_audit_files){ 0 };
	return CRB_OK;
}

/* Hand out the lines in `text`; *used: how many bytes they were. */
static enum crb_status
split(const char *text, size_t len, crb_audit_line_fn *fn, void *ctx,
    size_t *used, struct crb_err *err)
{
	enum crb_status status;
	const char *end;

	*used = 0;
	while ((end = memchr(text + *used, '\n', len - *used)) != NULL) {
		const size_t line = (size_t)(end - (text + *used));

		if (line >= CRB_AUDIT_LINE_MAX)
			break;
		if ((status = fn(ctx, text + *used, line, err)) != CRB_OK)
			return status;
		*used += line + 1;
	}
	if (len - *used >= CRB_AUDIT_LINE_MAX)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "a line is longer than credbroker writes");
	return CRB_OK;
}

enum crb_status
crb_audit_lines(int fd, off_t from, off_t to, crb_audit_line_fn *fn, void *ctx,
    off_t *torn, struct crb_err *err)
{
	CRB_AUTO_FREE char *buf = malloc(CHUNK + CRB_AUDIT_LINE_MAX);
	size_t have = 0, used = 0;
	enum crb_status status;

	if (buf == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for lines");
	while (from < to) {
		const size_t want = to - from < (off_t)CHUNK
		    ? (size_t)(to - from)
		    : CHUNK;
		const ssize_t n = pread(fd, buf + have, want, from);

		if (n == -1)
			return crb_err_errno(err, "cannot be read");
		if (n == 0)
			break;
		from += n;
		have += (size_t)n;
		status = split(buf, have, fn, ctx, &used, err);
		if (status != CRB_OK)
			return status;
		have -= used;
		memmove(buf, buf + used, have);
	}
	*torn = (off_t)have;
	return CRB_OK;
}

struct walk {
	struct crb_audit_chain *chain;
	const uint8_t *public;
	uint64_t line; /* in this file, from 1 */
};

static enum crb_status
step(void *ctx, const char *line, size_t len, struct crb_err *err)
{
	struct walk *walk = ctx;

	walk->line++;
	return crb_audit_chain_step(walk->chain, line, len, walk->public, err);
}

enum crb_status
crb_audit_chain_file(const char *folder, unsigned number,
    struct crb_audit_chain *chain, const uint8_t *public, off_t *good,
    off_t *torn, struct crb_err *err)
{
	struct walk walk = { .chain = chain, .public = public };
	char name[CRB_AUDIT_NAME_MAX];
	CRB_AUTO_FD int dir = -1;
	CRB_AUTO_FD int fd = -1;
	struct stat st;

	crb_audit_file_name(number, name);
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir != -1)
		fd = openat(
		    dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1)
		return crb_err_errno(err, "audit/%s", name);
	if (!S_ISREG(st.st_mode))
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "audit/%s is not a regular file", name);
	if (crb_audit_lines(fd, 0, st.st_size, step, &walk, torn, err) !=
	    CRB_OK)
		return walk.line == 0
		    ? crb_err_context(err, "audit/%s", name)
		    : crb_err_context(
			  err, "audit/%s line %" PRIu64, name, walk.line);
	*good = st.st_size - *torn;
	return CRB_OK;
}
