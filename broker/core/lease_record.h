#ifndef CRB_LEASE_RECORD_H
#define CRB_LEASE_RECORD_H

#include "broker/core/core.h"
#include "broker/core/credential.h"

/*
 * The record of a lease: what was asked of the upstream for whom, and what came
 * of it, never the keys.  One for each time that it was asked, since keys work
 * until they expire, whatever becomes of the session.  It outlives a restart
 * and its session, and is deleted once what it speaks of has expired.
 */
enum crb_lease_state {
	CRB_LEASE_ASKED,   /* as it is recorded first: it may be minted */
	CRB_LEASE_UNKNOWN, /* nobody knows any more: it may have been minted */
	CRB_LEASE_MINTED,
	CRB_LEASE_STATE_COUNT
};

struct crb_mint;
struct crb_lease_record {
	TAILQ_ENTRY(crb_lease_record) link;
	struct crb_lease_records *list; /* the session's, or the core's */
	size_t *total;                  /* the core's number of all */
	struct crb_record_id record;
	char session[CRB_SESSION_ID_MAX + 1];
	char *task;
	uid_t issuer; /* of the session */
	char credential[CRB_NAME_MAX + 1];
	char backend[33];
	enum crb_lease_state state;
	int64_t asked, minted; /* wall seconds; minted 0: not known */
	int64_t expires;       /* at the latest */
	char id[129];          /* upstream's; "" when not known */
	char *order;           /* JSON */
	uint64_t fetched;
	uint64_t kept;         /* of that, as the record has it */
	uint64_t unsaid;       /* and what is not in the audit log */
	bool live;             /* its keys are handed out */
	bool injected;         /* they never are: only requests use them */
	struct crb_mint *mint; /* under way; or NULL */
};

/* So many of one session at once. */
#define CRB_LEASE_RECORDS_MAX 64
/* And of all sessions, those that are gone among them: 3 KiB each or so. */
#define CRB_LEASE_RECORDS_ALL 16384

/* An intent, in the session's list.  Not collected yet.  `order` is borrowed.
 */
CRB_NODISCARD enum crb_status crb_lease_record_new(struct crb_session *session,
    const struct crb_credential *credential, const json_t *order,
    struct crb_lease_record **out, struct crb_err *err);
/* Out of its list. */
void crb_lease_record_free(struct crb_lease_record *record);
/* Collect it as it is. */
CRB_NODISCARD enum crb_status crb_lease_record_put(struct crb_core *core,
    const struct crb_lease_record *record, struct crb_err *err);
/* Nothing was minted: collect its end, and free it. */
CRB_NODISCARD enum crb_status crb_lease_record_delete(struct crb_core *core,
    struct crb_lease_record *record, struct crb_err *err);
/*
 * Nobody knows whether it was minted: collect that.  One record of a session
 * and a credential says it for all, which may be another one.
 */
CRB_NODISCARD enum crb_status crb_lease_record_unknown(struct crb_core *core,
    struct crb_lease_record *record, struct crb_err *err);
/* From the store, after the sessions. */
CRB_NODISCARD enum crb_status crb_lease_record_load(struct crb_core *core,
    const struct crb_record_id *id, const struct crb_secret *plain,
    struct crb_err *err);
/* By the record's own id; or NULL. */
struct crb_lease_record *crb_lease_record_find(
    const struct crb_core *core, const struct crb_record_id *id);
/* The newest of a session that was minted of this credential; or NULL. */
struct crb_lease_record *crb_lease_record_newest(
    const struct crb_session *session, const char *credential);

/* The session goes, its records stay. */
void crb_lease_records_leave(struct crb_session *session);
void crb_lease_records_clear(struct crb_lease_records *list);
/* Write down what was counted, and delete what has expired. */
void crb_lease_records_keep(struct crb_core *core);

/* Their issued keys may still work at `now`. */
bool crb_lease_record_works(const struct crb_lease_record *record, int64_t now);
/* What people may see; NULL without memory. */
json_t *crb_lease_record_shown(const struct crb_lease_record *record);

#endif /* !CRB_LEASE_RECORD_H */
