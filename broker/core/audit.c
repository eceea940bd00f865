#include "broker/core/audit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/core/audit_impl.h"

static void
set_timer(struct crb_audit *audit, struct crb_timer *timer, int64_t ms)
{
	struct crb_err err;

	if (audit->loop != NULL &&
	    crb_timer_set(audit->loop, timer, ms, &err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer for the audit log",
		    CRB_LOG_REASON, err.msg, CRB_LOG_END);
}

/* A line to write, its number and its place in the chain still to be given. */
struct line {
	const char *fields;
	size_t len;
	bool has_seq;
	uint64_t seq;
	bool sign;
};

static void
remember_failure(struct crb_audit *audit, const struct crb_err *err)
{
	if (audit->write_failed == CRB_OK)
		crb_log(CRB_LOG_ERROR, "audit log not written", CRB_LOG_REASON,
		    err->msg, CRB_LOG_END);
	audit->write_failed = CRB_ERR_UNRECORDED;
	audit->why = *err;
	set_timer(audit, &audit->retry, audit->limits.retry_ms);
}

static void
take_over(struct crb_audit *audit, const struct line *line,
    const struct crb_audit_mark *mark)
{
	struct crb_audit_chain *chain = &audit->chain;

	chain->n = mark->n;
	memcpy(chain->hash, mark->hash, sizeof(chain->hash));
	if (line->has_seq)
		chain->seq = line->seq;
	if (line->sign) {
		chain->unsigned_lines = 0;
	} else if (++chain->unsigned_lines == 1) {
		set_timer(
		    audit, &audit->checkpoint, audit->limits.checkpoint_ms);
	}
	audit->size += (off_t)audit->line.len;
	audit->write_failed = CRB_OK;
}

static enum crb_status
write_line(
    struct crb_audit *audit, const struct line *line, struct crb_err *err)
{
	const struct crb_audit_made made = {
		.n = audit->chain.n + 1,
		.has_seq = line->has_seq,
		.seq = line->seq,
		.prev = audit->chain.hash,
		.secret = line->sign ? audit->secret : NULL,
	};
	struct crb_audit_mark mark = { .n = made.n };

	crb_buf_reset(&audit->line);
	crb_audit_line_make(
	    &audit->line, &made, line->fields, line->len, mark.hash);
	if (crb_buf_check(&audit->line, "a line of the audit log", err) !=
		CRB_OK ||
	    crb_flusher_write(&audit->flusher, audit->line.data,
		audit->line.len, &mark, err) != CRB_OK) {
		err->status = CRB_ERR_UNRECORDED;
		remember_failure(audit, err);
		return err->status;
	}
	take_over(audit, line, &mark);
	return CRB_OK;
}

/* A line about the log itself repeats the outbox's number. */
static enum crb_status
write_own(struct crb_audit *audit, const struct crb_audit_event *event,
    bool sign, struct crb_err *err)
{
	struct line line = {
		.has_seq = true,
		.seq = audit->chain.seq,
		.sign = sign,
	};

	crb_buf_reset(&audit->fields);
	crb_audit_line_fields(
	    &audit->fields, crb_clock_ms(CLOCK_REALTIME), event);
	line.fields = crb_buf_text(&audit->fields);
	line.len = audit->fields.len;
	return write_line(audit, &line, err);
}

enum crb_status
crb_audit_note(struct crb_audit *audit, const char *event, const char *detail,
    struct crb_err *err)
{
	const struct crb_audit_event note = { .event = event,
		.detail = detail };

	return write_own(audit, &note, false, err);
}

enum crb_status
crb_audit_sign(struct crb_audit *audit, struct crb_err *err)
{
	const struct crb_audit_event note = { .event = "checkpoint" };

	if (audit->chain.unsigned_lines == 0)
		return CRB_OK;
	return write_own(audit, &note, true, err);
}

/* The next file; the one before it is signed and on the disk. */
static enum crb_status
next_file(struct crb_audit *audit, struct crb_err *err)
{
	char name[CRB_AUDIT_NAME_MAX];
	enum crb_status status;
	int fd;

	if ((status = crb_audit_sign(audit, err)) != CRB_OK ||
	    (status = crb_flusher_sync(&audit->flusher, err)) != CRB_OK)
		return status;
	crb_audit_file_name(audit->file + 1, name);
	fd = openat(audit->folder_fd, name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 || fsync(audit->folder_fd) == -1) {
		(void)crb_err_errno(err, "audit/%s", name);
		if (fd != -1) {
			(void)close(fd);
			(void)unlinkat(audit->folder_fd, name, 0);
		}
		err->status = CRB_ERR_UNRECORDED;
		remember_failure(audit, err);
		return err->status;
	}
	crb_flusher_turn_to(&audit->flusher, fd, 0);
	audit->file++;
	audit->size = 0;
	audit->file_first = audit->chain.n + 1;
	return CRB_OK;
}

enum crb_status
crb_audit_put(struct crb_audit *audit, const char *fields, size_t len,
    uint64_t seq, struct crb_err *err)
{
	const struct line line = {
		.fields = fields,
		.len = len,
		.has_seq = seq != 0,
		.seq = seq,
	};
	struct crb_err ignored;
	enum crb_status status;

	if (audit->size >= audit->limits.file_bytes &&
	    (status = next_file(audit, err)) != CRB_OK)
		return status;
	/* A file begins with the outbox's number, so that an open finds it. */
	if (audit->size == 0 &&
	    (status = crb_audit_note(audit, "log.next", NULL, err)) != CRB_OK)
		return status;
	if ((status = write_line(audit, &line, err)) != CRB_OK)
		return status;
	/* The line stands; a failed checkpoint is tried again by the clock. */
	if (audit->chain.unsigned_lines >= audit->limits.checkpoint_lines)
		(void)!crb_audit_sign(audit, &ignored);
	return CRB_OK;
}

enum crb_status
crb_audit_record(struct crb_audit *audit, const struct crb_audit_event *event,
    struct crb_err *err)
{
	/* Not the scratch of the log's own lines, which may come before it. */
	struct crb_buf *fields = &audit->event;

	crb_buf_reset(fields);
	crb_audit_line_fields(fields, crb_clock_ms(CLOCK_REALTIME), event);
	if (crb_buf_check(fields, "an audit event", err) != CRB_OK) {
		err->status = CRB_ERR_UNRECORDED;
		return err->status;
	}
	return crb_audit_put(audit, fields->data, fields->len, 0, err);
}

enum crb_status
crb_audit_render(struct crb_audit *audit, const struct crb_audit_event *event,
    char **line, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(CRB_AUDIT_FIELDS_MAX);
	enum crb_status status;

	crb_buf_printf(&buf, "{\"seq\":%" PRIu64 ",", audit->next_seq);
	crb_audit_line_fields(&buf, crb_clock_ms(CLOCK_REALTIME), event);
	crb_buf_char(&buf, '}');
	if ((status = crb_buf_check(&buf, "an audit event", err)) != CRB_OK)
		return status;
	if ((*line = crb_buf_steal(&buf)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for an audit event");
	audit->next_seq++;
	return CRB_OK;
}

enum crb_status
crb_audit_append(struct crb_audit *audit, const char *line, struct crb_err *err)
{
	const size_t len = strlen(line);
	const char *fields;
	uint64_t seq;

	if (!crb_audit_rendered(line, len, &seq, &fields))
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "not an event that was rendered for the audit log");
	if (seq <= audit->chain.seq)
		return CRB_OK;
	if (seq >= audit->next_seq)
		audit->next_seq = seq + 1;
	return crb_audit_put(
	    audit, fields, len - (size_t)(fields - line) - 1, seq, err);
}

uint64_t
crb_audit_last(const struct crb_audit *audit)
{
	return audit->chain.n;
}

void
crb_audit_mark(struct crb_audit *audit, struct crb_audit_mark *out)
{
	(void)pthread_mutex_lock(&audit->flusher.lock);
	*out = audit->flusher.durable;
	(void)pthread_mutex_unlock(&audit->flusher.lock);
}

uint64_t
crb_audit_durable(struct crb_audit *audit)
{
	struct crb_audit_mark mark;

	crb_audit_mark(audit, &mark);
	return mark.n;
}

enum crb_status
crb_audit_sync(struct crb_audit *audit, struct crb_err *err)
{
	return crb_flusher_sync(&audit->flusher, err);
}

bool
crb_audit_healthy(struct crb_audit *audit, struct crb_err *why)
{
	int failed;

	if (audit->write_failed != CRB_OK) {
		*why = audit->why;
		return false;
	}
	(void)pthread_mutex_lock(&audit->flusher.lock);
	failed = audit->flusher.failed;
	(void)pthread_mutex_unlock(&audit->flusher.lock);
	if (failed == 0)
		return true;
	(void)crb_err_set(why, CRB_ERR_UNRECORDED,
	    "the audit log does not reach the disk: %s", strerror(failed));
	return false;
}

const uint8_t *
crb_audit_public(const struct crb_audit *audit)
{
	return audit->public;
}

void
crb_audit_set_limits(
    struct crb_audit *audit, const struct crb_audit_limits *limits)
{
	audit->limits = *limits;
	(void)pthread_mutex_lock(&audit->flusher.lock);
	audit->flusher.retry_ms = limits->retry_ms;
	(void)pthread_mutex_unlock(&audit->flusher.lock);
}
