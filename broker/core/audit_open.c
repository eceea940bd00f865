#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "broker/core/audit_impl.h"
#include "broker/core/audit_key.h"

static const struct crb_audit_limits usual = {
	.file_bytes = (int64_t)64 << 20,
	.checkpoint_lines = 1000,
	.checkpoint_ms = 60000,
	.retry_ms = 1000,
};

static void
checkpoint_due(void *ctx)
{
	struct crb_audit *audit = ctx;
	struct crb_err err;

	/* The retry timer is set when it fails, and signs when it succeeds. */
	(void)!crb_audit_sign(audit, &err);
}

/* The first line after a failure says that there was one. */
static void
retry_due(void *ctx)
{
	struct crb_audit *audit = ctx;
	struct crb_err err;
	const struct crb_err why = audit->why;

	if (audit->write_failed != CRB_OK &&
	    crb_audit_note(audit, "log.resumed", why.msg, &err) == CRB_OK)
		crb_log(CRB_LOG_INFO, "audit log written again", CRB_LOG_END);
	if (audit->write_failed == CRB_OK &&
	    audit->chain.unsigned_lines >= audit->limits.checkpoint_lines)
		(void)!crb_audit_sign(audit, &err);
}

static enum crb_status
open_folder(struct crb_audit *audit, const char *folder, struct crb_err *err)
{
	enum crb_status status;

	status = crb_path_join(audit->folder, folder, CRB_AUDIT_FOLDER, err);
	if (status != CRB_OK ||
	    (status = crb_path_make(audit->folder, err)) != CRB_OK)
		return status;
	audit->folder_fd = open(
	    audit->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (audit->folder_fd == -1)
		return crb_err_errno(err, "%s", audit->folder);
	return crb_audit_public_have(audit->folder, audit->public, err);
}

/*
 * Where the newest file ends.  One that has no whole line yet (a crash just
 * after it was made) leaves the chain where the file before it ends.
 */
static enum crb_status
walk_newest(struct crb_audit *audit, const struct crb_audit_files *files,
    off_t *good, off_t *torn, struct crb_err *err)
{
	const unsigned newest = files->number[files->count - 1];
	off_t ignored;
	enum crb_status status;

	audit->chain.anywhere = newest != 1;
	status = crb_audit_chain_file(audit->folder, newest, &audit->chain,
	    audit->public, good, torn, err);
	audit->file_first = audit->chain.n + 1 - audit->chain.lines;
	if (status != CRB_OK || audit->chain.lines > 0 || newest == 1)
		return status;
	if (files->count == 1 || files->number[files->count - 2] != newest - 1)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "audit: file %06u is missing", newest - 1);
	status = crb_audit_chain_file(audit->folder, newest - 1, &audit->chain,
	    audit->public, &ignored, &ignored, err);
	audit->file_first = audit->chain.n + 1;
	return status;
}

/* Drop what was torn, and have on the disk what was not. */
static enum crb_status
open_file(struct crb_audit *audit, off_t good, off_t torn, int *out,
    struct crb_err *err)
{
	char name[CRB_AUDIT_NAME_MAX];
	CRB_AUTO_FD int fd = -1;
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;

	crb_audit_file_name(audit->file, name);
	if ((fd = openat(audit->folder_fd, name, flags, 0600)) == -1)
		return crb_err_errno(err, "audit/%s", name);
	if (torn != 0 && ftruncate(fd, good) == -1)
		return crb_err_errno(err, "audit/%s: cannot be cut", name);
	if (fsync(fd) == -1 || fsync(audit->folder_fd) == -1)
		return crb_err_errno(err, "audit/%s", name);
	*out = CRB_STEAL_FD(fd);
	return CRB_OK;
}

static enum crb_status
find_end(struct crb_audit *audit, off_t *torn, struct crb_err *err)
{
	CRB_AUTO_AUDIT_FILES struct crb_audit_files files = { 0 };
	struct crb_flusher *flusher = &audit->flusher;
	off_t good = 0;
	enum crb_status status;

	status = crb_audit_files_list(audit->folder, &files, err);
	if (status != CRB_OK)
		return status;
	audit->file = files.count == 0 ? 1 : files.number[files.count - 1];
	audit->file_first = 1;
	if (files.count != 0 &&
	    (status = walk_newest(audit, &files, &good, torn, err)) != CRB_OK)
		return status;
	status = open_file(audit, good, *torn, &flusher->fd, err);
	if (status != CRB_OK)
		return status;
	audit->size = flusher->durable_at = good;
	audit->next_seq = audit->chain.seq + 1;
	flusher->durable.n = audit->chain.n;
	memcpy(flusher->durable.hash, audit->chain.hash,
	    sizeof(flusher->durable.hash));
	flusher->written = flusher->durable;
	return CRB_OK;
}

static enum crb_status
say_opened(struct crb_audit *audit, off_t torn, struct crb_err *err)
{
	char detail[64];

	(void)snprintf(detail, sizeof(detail),
	    "dropped %lld bytes of a line that was never finished",
	    (long long)torn);
	return crb_audit_note(
	    audit, "log.open", torn == 0 ? NULL : detail, err);
}

static enum crb_status
set_up(struct crb_audit *audit, const char *folder, const struct crb_key *key,
    struct crb_err *err)
{
	off_t torn = 0;
	enum crb_status status;

	if ((status = crb_audit_key_pair(
		 key, &audit->secret, audit->public, err)) != CRB_OK ||
	    (status = open_folder(audit, folder, err)) != CRB_OK ||
	    (status = find_end(audit, &torn, err)) != CRB_OK ||
	    (status = crb_flusher_start(&audit->flusher, err)) != CRB_OK)
		return status;
	return say_opened(audit, torn, err);
}

enum crb_status
crb_audit_open(const char *folder, const struct crb_key *key,
    struct crb_loop *loop, struct crb_audit **out, struct crb_err *err)
{
	struct crb_audit *audit = calloc(1, sizeof(*audit));
	enum crb_status status;

	if (audit == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for the audit log");
	audit->folder_fd = audit->flusher.fd = -1;
	audit->loop = loop;
	audit->limits = usual;
	audit->flusher.retry_ms = usual.retry_ms;
	audit->event = (struct crb_buf)CRB_BUF_INIT(CRB_AUDIT_FIELDS_MAX);
	audit->fields = (struct crb_buf)CRB_BUF_INIT(CRB_AUDIT_FIELDS_MAX);
	audit->line = (struct crb_buf)CRB_BUF_INIT(CRB_AUDIT_LINE_MAX);
	crb_timer_init(&audit->checkpoint, checkpoint_due, audit);
	crb_timer_init(&audit->retry, retry_due, audit);
	if ((status = set_up(audit, folder, key, err)) != CRB_OK) {
		crb_audit_free(audit);
		return status;
	}
	*out = audit;
	return CRB_OK;
}

void
crb_audit_free(struct crb_audit *audit)
{
	struct crb_err err;

	if (audit == NULL)
		return;
	if (audit->flusher.started)
		(void)!crb_audit_sign(audit, &err);
	if (audit->loop != NULL) {
		crb_timer_clear(audit->loop, &audit->checkpoint);
		crb_timer_clear(audit->loop, &audit->retry);
	}
	crb_flusher_stop(&audit->flusher);
	if (audit->folder_fd != -1)
		(void)close(audit->folder_fd);
	crb_buf_clear(&audit->event);
	crb_buf_clear(&audit->fields);
	crb_buf_clear(&audit->line);
	sodium_free(audit->secret);
	free(audit);
}

struct search {
	const struct crb_audit_mark *mark;
	bool found;
};

static enum crb_status
compare(void *ctx, const char *line, size_t len, struct crb_err *err)
{
	struct search *search = ctx;
	struct crb_audit_frame frame;
	enum crb_status status;

	if ((status = crb_audit_line_parse(line, len, &frame, err)) != CRB_OK)
		return status;
	if (frame.n == search->mark->n)
		search->found = memcmp(frame.hash, search->mark->hash,
				    sizeof(frame.hash)) == 0;
	return CRB_OK;
}

enum crb_status
crb_audit_has_mark(struct crb_audit *audit, const struct crb_audit_mark *mark,
    struct crb_err *err)
{
	struct search search = { .mark = mark };
	off_t torn;
	enum crb_status status;

	if (mark->n == 0)
		return CRB_OK;
	if (mark->n > audit->chain.n)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "the audit log ends at line %" PRIu64 ", but line %" PRIu64
		    " was written: it was cut or replaced; put the newest "
		    "files back into %s",
		    audit->chain.n, mark->n, audit->folder);
	/* Older files are for a full verification. */
	if (mark->n < audit->file_first)
		return CRB_OK;
	status = crb_audit_lines(
	    audit->flusher.fd, 0, audit->size, compare, &search, &torn, err);
	if (status == CRB_OK && !search.found)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "line %" PRIu64 " of the audit log is not the one that "
		    "was written: it was replaced; put the newest files back "
		    "into %s",
		    mark->n, audit->folder);
	return status;
}
