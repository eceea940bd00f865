#ifndef CRB_POLICIES_IMPL_H
#define CRB_POLICIES_IMPL_H

#include <sys/queue.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/zone.h"
#include "broker/core/core.h"
#include "broker/core/policies.h"
#include "broker/vault/policy_mark.h"
#include "policy/signature.h"

struct crb_policy_reading;

/* What policies.c, policies_read.c, policy_vet.c and policy_pin.c share. */
enum crb_tier_state {
	CRB_TIER_ABSENT, /* it does not constrain */
	CRB_TIER_GOOD,
	CRB_TIER_BAD, /* nothing may happen, for `problem` */
};

/* One tier's policy. */
struct crb_tier_policy {
	enum crb_tier_state state;
	struct crb_policy *policy; /* of CRB_TIER_GOOD */
	char sha256[CRB_POLICY_HASH_TEXT];
	char key[CRB_KEY_ID_TEXT]; /* that has signed it; "": none */
	int64_t since;             /* wall seconds, when it came into force */
	bool expired;              /* which has been recorded */
	/* Why the file as it is was not taken; "": it was. */
	char problem[CRB_ERR_MSG_MAX];
};
/* Becomes absent. */
void crb_tier_policy_clear(struct crb_tier_policy *tier);
/* The same content, signed by the same key; or both are not there. */
bool crb_tier_policy_same(
    const struct crb_tier_policy *a, const struct crb_tier_policy *b);
/* It has run out. */
bool crb_tier_policy_expired(const struct crb_tier_policy *tier, int64_t now);

/* Where the organization's key is from. */
enum crb_pin_source { CRB_PIN_NONE, CRB_PIN_FILE, CRB_PIN_VAULT, CRB_PIN_BOTH };
struct crb_policy_pin {
	enum crb_pin_source source;
	struct crb_public_key key;
};

/* A file, as the supervisor gave it. */
enum crb_file_state { CRB_FILE_UNKNOWN, CRB_FILE_ABSENT, CRB_FILE_THERE };
struct crb_policy_text {
	struct crb_policy_reading *reading;
	enum crb_file_state state;
	struct crb_buf bytes;
	struct crb_err why; /* of CRB_FILE_UNKNOWN */
};

/* One look at all of them. */
struct crb_policy_reading {
	struct crb_policies *policies;
	unsigned awaited; /* answers of the supervisor */
	struct crb_policy_text file[CRB_POLICY_FILES];
	/* The key to be sealed, its line; "": the one that is stays. */
	char trust[CRB_POLICY_PIN_MAX];
	struct crb_policy_pin pin;
	/* Both keys are there, and not the same: what was good is not. */
	bool conflict;
	struct crb_tier_policy tier[CRB_TIERS];
	struct crb_policy_mark mark; /* as it is to be */
	bool marks;                  /* which is news */
};

/* The key that is pinned; an error when that cannot be told. */
CRB_NODISCARD enum crb_status crb_policy_pin_find(
    struct crb_policy_reading *reading, struct crb_err *err);

/* A line of the audit log for the key that is to be sealed, if one is. */
CRB_NODISCARD enum crb_status crb_policy_trust_record(
    const struct crb_policy_reading *reading, bool *any, struct crb_err *err);

/* What the files come to: `pin`, `tier` and `mark` of the reading. */
void crb_policy_vet(struct crb_policy_reading *reading);

/* Whoever waits for the policies to have been read. */
struct crb_policies_wait {
	STAILQ_ENTRY(crb_policies_wait) link;
	struct crb_ending *ending;
	bool quiet; /* it does not hear of a failure */
};
STAILQ_HEAD(crb_policies_waits, crb_policies_wait);

struct crb_policies {
	int clock; /* crb_clock_open() */
	struct crb_core *core;
	char path[CRB_POLICY_FILES][CRB_PATH_MAX];
	struct crb_zone_folder *zones;
	struct crb_tier_policy tier[CRB_TIERS];
	const struct crb_policy *now[CRB_TIERS]; /* of those */
	struct crb_limits limits;                /* likewise */
	struct crb_policy_pin pin;
	struct crb_policy_mark mark;
	bool marked; /* there is a record of that */
	bool unsure; /* whether what that says was written is not known */
	/* To be sealed by the next reading, and for whom; "": none. */
	char trust[CRB_POLICY_PIN_MAX], trusts[64];
	bool trusting; /* one is being sealed; until who waits was told */
	struct crb_record_id record;
	bool named;                         /* `record` is that one's id */
	bool read;                          /* once, since it was unlocked */
	bool tried;                         /* that too, well or not */
	struct crb_err trouble;             /* why not, then */
	int64_t when;                       /* wall seconds, when it was */
	struct crb_policy_reading *reading; /* under way; or NULL */
	bool again;                         /* once more after it */
	char who[64];                       /* wants it read, for the log */
	struct crb_policies_waits waits;
	struct crb_timer expiry; /* the next policy runs out */
	struct crb_timer retry;  /* what was read could not be recorded */
};

/* Put in force what was read; `ending` waits for what that ends. */
void crb_policies_take(
    struct crb_policy_reading *reading, struct crb_ending *ending);
/* Where the file of a tier is. */
const char *crb_policies_path(
    const struct crb_policies *policies, unsigned tier);
/* Leases that what is in force does not allow any more. */
void crb_policies_purge(
    struct crb_policies *policies, struct crb_ending *ending);

#endif /* !CRB_POLICIES_IMPL_H */
