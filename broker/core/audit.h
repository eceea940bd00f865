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
 * checkpoint now and then (Ed25519, the key derived from the root key).
 * Written with one write(2) a turn and fsynced within 100 ms.
 */
struct crb_audit;

/* Every member may be NULL or 0 for "not said"; text is escaped, borrowed. */
struct crb_audit_event {
	const char *event;	/* "session.issue", "exchange.begin" */
	const char *who;	/* "uid 1000", "session 7Kq2" */
	const char *task;
	const char *session;
	const char *credential;
	const char *scope;	/* canonical text */
	const char *request;	/* "GET github.com/acme/api.git/info/refs?..." */
	const char *decision;	/* "allow", "deny" */
	const char *rule;
	const char *tier;
	const char *outcome;	/* "ok", or a status's code */
	const char *detail;
	int64_t exchange;
	int64_t status;		/* HTTP */
	int64_t up, down;	/* body bytes; logged when `bytes` */
	bool bytes;
};

/* The event as one JSON object without chain, for the outbox; an own line. */
CRB_NODISCARD enum crb_status crb_audit_render(struct crb_audit *audit,
    const struct crb_audit_event *event, char **line, struct crb_err *err);

/*
 * Open the log in `folder`/audit for appending: verifies the chain of the
 * newest file, drops a torn last line that was never acknowledged.  `key` is
 * the audit sub-key (copied).  The key's public half is written beside the log.
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
 * Append lines made by crb_audit_render() that are durable in the outbox.
 * A line whose number the log has already is passed over (replay).
 */
CRB_NODISCARD enum crb_status crb_audit_append(struct crb_audit *audit,
    const char *line, struct crb_err *err);

/* Lines up to this number are on the disk. */
uint64_t crb_audit_durable(const struct crb_audit *audit);
/* The last write or fsync failed: nothing may happen until one succeeds. */
bool crb_audit_healthy(const struct crb_audit *audit, struct crb_err *why);

/*
 * Read back, newest last: lines that fit the filter, after number `after`, at
 * most `most`.  Every member of the filter may be NULL.
 */
struct crb_audit_filter {
	const char *session, *task, *credential, *event, *decision;
	int64_t since;		/* wall seconds; 0: all */
	uint64_t after;
	unsigned most;
	bool newest;		/* the last `most` instead of the first */
};
CRB_NODISCARD enum crb_status crb_audit_read(const struct crb_audit *audit,
    const struct crb_audit_filter *filter, json_t **out, struct crb_err *err);

/* Chain and signatures of every file of a log, without a broker. */
struct crb_audit_verdict {
	uint64_t lines, checkpoints;
	uint64_t unsigned_lines;	/* behind the last checkpoint */
};
CRB_NODISCARD enum crb_status crb_audit_verify(const char *folder,
    struct crb_audit_verdict *out, struct crb_err *err);

#endif /* !CRB_AUDIT_H */
