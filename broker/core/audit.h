#ifndef CRB_AUDIT_H
#define CRB_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/loop.h"
#include "base/secret.h"

/*
 * The audit log: append-only JSON lines, "audit/NNNNNN.jsonl" in the state
 * folder, each line chained to the one before it by a hash, with a signed
 * checkpoint (Ed25519, the key derived from the root key) after 1,000 lines,
 * after 60 s and when it is closed.  A file is full at 64 MiB; the chain goes
 * on in the next.  Lines are described in audit_line.h.
 *
 * A line is in the file when the call that wrote it returns, and on the disk
 * within 100 ms: a thread of its own waits for the disk.
 *
 * Everything but crb_audit_read() and crb_audit_verify() is called from the
 * loop's thread.
 */
struct crb_audit;

#define CRB_AUDIT_ASKED_MAX 4096

/* Every member may be NULL or 0 for "not said"; text is escaped, borrowed. */
struct crb_audit_event {
	const char *event; /* "session.issue", "exchange.begin" */
	const char *who;   /* "uid 1000", "session 7Kq2" */
	const char *task;
	const char *session;
	const char *credential;
	const char *scope;    /* canonical text */
	const char *request;  /* "GET github.com/acme/api.git/info/refs?..." */
	const char *decision; /* "allow", "deny" */
	const char *rule;
	const char *tier;
	const char *outcome; /* "ok", or a status's code */
	const char *detail;
	const char *order; /* of a lease, JSON */
	const char *asked; /* of the tiers, JSON; crb_tiers_text() */
	int64_t exchange;
	int64_t status;   /* HTTP */
	int64_t up, down; /* body bytes; logged when `bytes` */
	bool bytes;
};

/*
 * The event as one JSON object without chain, for the outbox; an own line,
 * malloc()ed, no newline.  It has the outbox's next number, which is how an
 * append knows what the log has already: so lines are to be appended in the
 * order in which they were rendered.
 */
CRB_NODISCARD enum crb_status crb_audit_render(struct crb_audit *audit,
    const struct crb_audit_event *event, char **line, struct crb_err *err);

/*
 * Open the log in `folder`/audit for appending: verifies the chain of the
 * newest file, drops a torn last line that was never acknowledged.  `key` is
 * the audit sub-key (used here only).  The public half of the key that signs
 * is written to audit/public-key.  Anything else that does not fit is
 * CRB_ERR_CORRUPT, naming file and line.  `loop` may be NULL: then only what
 * is called happens, and nothing by the clock.
 */
CRB_NODISCARD enum crb_status crb_audit_open(const char *folder,
    const struct crb_key *key, struct crb_loop *loop, struct crb_audit **out,
    struct crb_err *err);
/* Flushes, fsyncs, closes. */
void crb_audit_free(struct crb_audit *audit);

/*
 * Record an event that need not be durable yet: it is in the file (not yet on
 * the disk) when this returns; fsynced within 100 ms.  CRB_ERR_UNRECORDED when
 * it could not be written: then what it speaks of must not happen.
 */
CRB_NODISCARD enum crb_status crb_audit_record(struct crb_audit *audit,
    const struct crb_audit_event *event, struct crb_err *err);

/*
 * Append a line made by crb_audit_render() that is durable in the outbox.
 * One whose number the log has already is passed over (replay).
 */
CRB_NODISCARD enum crb_status crb_audit_append(
    struct crb_audit *audit, const char *line, struct crb_err *err);

/* The number of the last line that is written. */
uint64_t crb_audit_last(const struct crb_audit *audit);
/* Lines up to this number are on the disk. */
uint64_t crb_audit_durable(struct crb_audit *audit);
/* Wait until all that is written is on the disk. */
CRB_NODISCARD enum crb_status crb_audit_sync(
    struct crb_audit *audit, struct crb_err *err);

/*
 * The last durable line, to be kept elsewhere; and whether the log still has
 * it.  CRB_ERR_CORRUPT: the log was cut or replaced since.
 */
#define CRB_AUDIT_MARK_HASH 32
struct crb_audit_mark {
	uint64_t n; /* 0: none */
	uint8_t hash[CRB_AUDIT_MARK_HASH];
};
void crb_audit_mark(struct crb_audit *audit, struct crb_audit_mark *out);
CRB_NODISCARD enum crb_status crb_audit_has_mark(struct crb_audit *audit,
    const struct crb_audit_mark *mark, struct crb_err *err);

/* For tests; the defaults are those above. */
struct crb_audit_limits {
	int64_t file_bytes;
	uint64_t checkpoint_lines;
	int64_t checkpoint_ms;
	int64_t retry_ms; /* after a failure */
};
void crb_audit_set_limits(
    struct crb_audit *audit, const struct crb_audit_limits *limits);

/* The last write or fsync failed: nothing may happen until one succeeds. */
bool crb_audit_healthy(struct crb_audit *audit, struct crb_err *why);

/*
 * Read back, newest last: an array of lines (without their chain) that fit the
 * filter, after number `after`, at most `most`.  Every member of the filter
 * may be NULL.  Checkpoints are left out unless `event` asks for them.  Reads
 * the files only, so another thread may do it.
 */
struct crb_audit_filter {
	const char *session, *task, *credential, *event, *decision;
	int64_t since; /* wall seconds; 0: all */
	uint64_t after;
	unsigned most;
	bool newest; /* the last `most` instead of the first */
};
CRB_NODISCARD enum crb_status crb_audit_read(const struct crb_audit *audit,
    const struct crb_audit_filter *filter, json_t **out, struct crb_err *err);

/*
 * Chain and signatures of every file of the log in `folder`/audit, without a
 * broker.  `public` is the key that must have signed; NULL trusts the one
 * beside the log, which whoever rewrites the log can replace too.
 */
struct crb_audit_verdict {
	uint64_t lines, checkpoints;
	uint64_t first;          /* number of the first line */
	uint64_t unsigned_lines; /* behind the last checkpoint */
};
CRB_NODISCARD enum crb_status crb_audit_verify(const char *folder,
    const uint8_t *public, struct crb_audit_verdict *out, struct crb_err *err);
/* The key that signs this log; 32 bytes, borrowed. */
const uint8_t *crb_audit_public(const struct crb_audit *audit);

#endif /* !CRB_AUDIT_H */
