#ifndef CRB_LEASE_IMPL_H
#define CRB_LEASE_IMPL_H

#include "broker/core/credential.h"
#include "broker/core/lease.h"
#include "broker/core/lease_record.h"

/* What lease.c, lease_mint.c and lease_gateway.c share. */

/* One with less left, in seconds, is of no use to anybody. */
#define CRB_LEASE_LEAST_S 60

struct crb_lease_wait {
	TAILQ_ENTRY(crb_lease_wait) link;
	crb_lease_fn *fn;
	void *ctx;
};
TAILQ_HEAD(crb_lease_waits, crb_lease_wait);

struct crb_lease {
	TAILQ_ENTRY(crb_lease) link;
	struct crb_session *session;
	char credential[CRB_NAME_MAX + 1];
	const char *form;

	struct crb_secret *keys; /* NULL: none that live */
	int64_t minted, expires; /* wall seconds */
	int64_t ahead;           /* so long before its end it is minted anew */
	bool told;               /* the gateway has it */
	bool fetched;            /* since it was minted */
	bool due;                /* it would be minted anew by now */
	bool denied;             /* a policy takes it back, in this turn */
	struct crb_timer timer;  /* until then, and until its end */

	struct crb_mint *mint; /* under way; or NULL */
	struct crb_lease_waits waits;
	unsigned waiting;
	struct crb_timer wake; /* for those that wait for a live one */

	/* The upstream was asked in vain, so often one after the other. */
	unsigned failures;
	int64_t again;      /* not before, on the loop's clock */
	bool passes;        /* what went wrong may be over by then */
	struct crb_err why; /* of that */
};

/* Of the session's; or NULL. */
struct crb_lease *crb_lease_find(
    const struct crb_session *session, const char *credential);
/*
 * How a mint ended, for the lease that it was for; who waits is told, and the
 * lease may be gone afterwards.  `keys` are taken.  `passes`: it may work in a
 * while.
 */
void crb_lease_minted(
    struct crb_lease *lease, struct crb_secret *keys, int64_t expires);
void crb_lease_failed(
    struct crb_lease *lease, const struct crb_err *why, bool passes);
/*
 * Nobody has approved it, so that the upstream was not asked: the next who
 * wants it may try at once.  What still lives is handed out.
 */
void crb_lease_refused(struct crb_lease *lease, const struct crb_err *why);
/* It was used, in the gateway or here. */
void crb_lease_used(struct crb_lease *lease);

/*
 * lease_mint.c: have it minted; crb_lease_minted() or crb_lease_failed()
 * follows from the loop.
 */
CRB_NODISCARD enum crb_status crb_mint_begin(
    struct crb_lease *lease, struct crb_err *err);
/* The lease is gone: what comes of it is recorded, and wiped. */
void crb_mint_orphan(struct crb_mint *mint);
/* lease_ask.c: nobody has approved that it is minted anew, and has to. */
bool crb_mint_unapproved(struct crb_session *session, const char *credential);
/* Its record is gone from memory. */
void crb_mint_unrecord(struct crb_mint *mint);

/* lease_gateway.c: its keys are for the sandbox, as its grants say. */
bool crb_lease_handed_out(
    const struct crb_session *session, const char *credential);
/* What was fetched and is not in the audit log yet goes there. */
void crb_lease_say_fetches(
    struct crb_core *core, struct crb_lease_record *record);
/* Give it to the gateway, and take it back. */
void crb_lease_tell(struct crb_lease *lease);
void crb_lease_tell_drop(struct crb_lease *lease, struct crb_ending *ending);

/*
 * So many seconds before the end of keys that last `seconds` they are minted
 * anew, without the chance in it.
 */
int64_t crb_lease_ahead(int64_t seconds);

#endif /* !CRB_LEASE_IMPL_H */
