#ifndef CRB_SESSION_H
#define CRB_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/loop.h"
#include "base/process.h"
#include "base/token.h"
#include "broker/bus/messages.h"
#include "broker/core/aws_mode.h"
#include "broker/core/core.h"
#include "broker/core/grant.h"
#include "broker/core/rate.h"

/* A session: one issue of a task to one sandbox. */
enum crb_session_state {
	CRB_SESSION_OPENING, /* not yet recorded; nobody sees it */
	CRB_SESSION_LIVE,
	CRB_SESSION_EXPIRED,
	CRB_SESSION_REVOKED,
	CRB_SESSION_PROCESS_ENDED,
	CRB_SESSION_FAILED, /* its leases could not be minted at its issue */
	CRB_SESSION_STATE_COUNT
};

/* What a state is called, and what the sandbox is told: one table. */
struct crb_session_state_info {
	const char *name;  /* "process ended" */
	const char *code;  /* "session_revoked" */
	const char *title; /* "Session revoked" */
	const char *event; /* of the audit log */
};
const struct crb_session_state_info *crb_session_state_info(
    enum crb_session_state state);

#define CRB_SESSION_ID_LEN 8
#define CRB_SESSION_GRANTS_MAX 32
#define CRB_LABELS_MAX 16

struct crb_session_grant {
	unsigned number; /* never used again in this session */
	bool pending;    /* not recorded yet: gives nothing */
	struct crb_grant *grant;
};

struct crb_lease;
TAILQ_HEAD(crb_lease_list, crb_lease);

struct crb_exchange;
TAILQ_HEAD(crb_exchange_list, crb_exchange);

struct crb_session {
	TAILQ_ENTRY(crb_session) link;
	struct crb_core *core;
	struct crb_record_id record;
	char id[CRB_SESSION_ID_MAX + 1];
	char *task;
	char *profile;   /* or NULL */
	char *workspace; /* or NULL */
	uint16_t port;   /* of the host's, that the forwarder has; 0: none */
	enum crb_aws_mode aws;
	char *aws_credential; /* that it is about; or NULL */
	json_t *labels;       /* an object */
	enum crb_session_state state;
	bool busy;           /* a change of its grants or expiry is committed */
	bool announced;      /* the gateway knows it */
	bool closed;         /* its folder is gone */
	unsigned last_grant; /* the highest number ever given */
	size_t grant_count;
	struct crb_session_grant *grants;
	uint64_t terms; /* other grants than before: so often */
	int64_t created, expires, ended; /* wall seconds */
	uid_t owner;                     /* of the folder */
	uid_t issuer;    /* whose session it is: who asked for it */
	char *user;      /* his name, as it was then; or NULL */
	json_t *groups;  /* names of his groups, as they were then; an array */
	bool ask_always; /* all that it does has to be approved */
	uint64_t mints;  /* of leases, so far */
	uint8_t token_hash[CRB_TOKEN_HASH_BYTES];
	bool bound;
	struct crb_process_id process;
	int pidfd;              /* -1: polled, or not bound */
	int listener;           /* of the endpoint; -1: none */
	struct crb_timer timer; /* expiry, then the end of the tombstone */
	uint64_t requests, refused, up, down;
	/* Refusals that may still be recorded one by one, and those that were
	 * not. */
	struct crb_rate refusals;
	struct crb_rate rate; /* of requests */
	uint64_t unrecorded;
	uint64_t kept; /* crb_session_counted(), as the record has it */
	struct crb_exchange_list exchanges;
	unsigned exchange_count;
	unsigned waiting; /* exchanges for which a lease is minted first */
	uint32_t *idle;   /* streams that can be used again */
	unsigned idle_count;
	struct crb_lease_list leases;
	struct crb_lease_records lease_records;
	struct crb_rate fetches; /* lines of the audit log about them */
	int64_t streamed; /* when one came to them last; the loop's clock */
};

CRB_NODISCARD enum crb_status crb_session_new(struct crb_core *core,
    const char *task, struct crb_session **out, struct crb_err *err);
/* Out of the maps, everything closed. */
void crb_session_free(struct crb_session *session);
/* Into the maps. */
CRB_NODISCARD enum crb_status crb_session_enter(
    struct crb_session *session, struct crb_err *err);

/* By the id, or by a prefix of at least 3 characters that no other has. */
CRB_NODISCARD enum crb_status crb_session_find(const struct crb_core *core,
    const char *id, struct crb_session **out, struct crb_err *err);
/* The same among those that one user issued. */
CRB_NODISCARD enum crb_status crb_session_find_of(const struct crb_core *core,
    uid_t issuer, const char *id, struct crb_session **out,
    struct crb_err *err);
/* What it has counted, as one number. */
uint64_t crb_session_counted(const struct crb_session *session);
/* Until it expires, in seconds; not less than 0. */
int64_t crb_session_left(const struct crb_session *session);
/* By the id. */
struct crb_session *crb_session_get(
    const struct crb_core *core, struct crb_slice id);

/* Takes the reference.  A new one's number is last_grant + 1. */
CRB_NODISCARD enum crb_status crb_session_add_grant(struct crb_session *session,
    unsigned number, struct crb_grant *grant, struct crb_err *err);
/* Names and texts of labels, and how many: an object. */
CRB_NODISCARD enum crb_status crb_labels_check(
    const json_t *labels, struct crb_err *err);

/* The record and back; NULL without memory. */
json_t *crb_session_record(const struct crb_session *session);
CRB_NODISCARD enum crb_status crb_session_load(struct crb_core *core,
    const struct crb_record_id *id, const struct crb_secret *plain,
    struct crb_session **out, struct crb_err *err);
/* What people may see. */
json_t *crb_session_shown(const struct crb_session *session);
/* runtime/sessions/ID */
CRB_NODISCARD enum crb_status crb_session_folder(
    const struct crb_session *session, char out[CRB_PATH_MAX],
    struct crb_err *err);

#endif /* !CRB_SESSION_H */
