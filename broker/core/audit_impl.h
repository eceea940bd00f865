#ifndef CRB_AUDIT_IMPL_H
#define CRB_AUDIT_IMPL_H

#include <pthread.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/path.h"
#include "broker/core/audit.h"
#include "broker/core/audit_chain.h"

/* Private to the audit log's own sources. */

/*
 * What stands between the writing thread and the disk: the flusher.  After a
 * failed fsync the kernel may have forgotten what it could not write, and a
 * second fsync would then succeed; so what is not yet durable is kept, and
 * written again before the next try.
 */
struct crb_flusher {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t thread;
	bool started;

	/* under the lock: */
	int fd;                 /* of the newest file; owned */
	off_t durable_at;       /* where `pending` begins in the file */
	struct crb_buf pending; /* written, not yet known to be durable */
	struct crb_audit_mark written, durable;
	int failed; /* errno of the last fsync, 0 when it was good */
	bool urgent, stop;
	int64_t retry_ms;
};

CRB_NODISCARD enum crb_status crb_flusher_start(
    struct crb_flusher *flusher, struct crb_err *err);
/* Syncs once more, stops, closes the file. */
void crb_flusher_stop(struct crb_flusher *flusher);

/*
 * Write one line (or more) whose last has `mark`, at the end of the file:
 * whole, or not at all.  CRB_ERR_UNRECORDED.
 */
CRB_NODISCARD enum crb_status crb_flusher_write(struct crb_flusher *flusher,
    const char *bytes, size_t len, const struct crb_audit_mark *mark,
    struct crb_err *err);
CRB_NODISCARD enum crb_status crb_flusher_sync(
    struct crb_flusher *flusher, struct crb_err *err);
/* Go on in another file, of `size` durable bytes; all before is synced. */
void crb_flusher_turn_to(struct crb_flusher *flusher, int fd, off_t size);

struct crb_audit {
	char folder[CRB_PATH_MAX]; /* STATE/audit */
	int folder_fd;
	struct crb_loop *loop;
	struct crb_audit_limits limits;
	uint8_t *secret; /* Ed25519, guarded */
	uint8_t public[CRB_AUDIT_PUBLIC_BYTES];

	unsigned file;       /* number of the newest */
	off_t size;          /* of it */
	uint64_t file_first; /* number of its first line */
	struct crb_audit_chain chain;
	uint64_t next_seq; /* of what is rendered */

	struct crb_buf event;        /* scratch, of what is recorded */
	struct crb_buf fields, line; /* of the log's own lines; of each */
	struct crb_timer checkpoint, retry;
	enum crb_status write_failed; /* CRB_OK when the last was good */
	struct crb_err why;

	struct crb_flusher flusher;
};

/* Write `fields` as the next line; `seq` 0: it has none. */
CRB_NODISCARD enum crb_status crb_audit_put(struct crb_audit *audit,
    const char *fields, size_t len, uint64_t seq, struct crb_err *err);
/* A line of the log's own: "log.open", with the outbox's last number. */
CRB_NODISCARD enum crb_status crb_audit_note(struct crb_audit *audit,
    const char *event, const char *detail, struct crb_err *err);
/* Sign what is not yet signed. */
CRB_NODISCARD enum crb_status crb_audit_sign(
    struct crb_audit *audit, struct crb_err *err);

#endif /* !CRB_AUDIT_IMPL_H */
