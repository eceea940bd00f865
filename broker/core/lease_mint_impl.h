#ifndef CRB_LEASE_MINT_IMPL_H
#define CRB_LEASE_MINT_IMPL_H

#include "broker/core/approval.h"
#include "broker/core/lease_impl.h"

/* What lease_mint.c (up to the question) and lease_outcome.c share. */
enum crb_mint_step {
	MINT_WAITING,   /* for its turn */
	MINT_HELD,      /* until somebody approves it */
	MINT_RECORDING, /* the intent */
	MINT_ASKED,     /* the egress has it */
	MINT_KEEPING,   /* what came of it is being recorded */
};

struct crb_mint {
	TAILQ_ENTRY(crb_mint) link;
	struct crb_core *core;
	enum crb_mint_step step;
	struct crb_lease *lease;         /* NULL: it is gone */
	struct crb_lease_record *record; /* NULL: not in memory */
	struct crb_record_id id;         /* of the record */
	struct crb_timer turn;           /* the end of its patience */
	char session[CRB_SESSION_ID_MAX + 1];
	char credential[CRB_NAME_MAX + 1];
	char approval[CRB_APPROVAL_ID_LEN + 1]; /* that it took; or "" */

	/* What came of it. */
	struct crb_err why; /* CRB_OK: it was minted */
	bool passes;        /* what went wrong may be over soon */
	bool refused;       /* by whoever was to approve it; or not yet */
	struct crb_secret *keys;
	int64_t expires;
};

/* It is MINT_WAITING from now on: its turn comes. */
CRB_NODISCARD enum crb_status crb_mint_queue(
    struct crb_mint *mint, struct crb_err *err);
/* In its turn: it is MINT_HELD from now on, and takes nobody's place. */
void crb_mint_hold(struct crb_mint *mint);

/*
 * lease_ask.c: a verdict that asks, about this order.  What was approved is
 * taken; else the mint is held, and begins anew once somebody approves.
 */
CRB_NODISCARD enum crb_status crb_mint_ask(struct crb_mint *mint, json_t *order,
    const struct crb_verdict *verdict, struct crb_err *err);

/* It is over; the lease, if there still is one, hears how. */
void crb_mint_finish(struct crb_mint *mint);
/* The same for a failure. */
void crb_mint_fail(struct crb_mint *mint, const struct crb_err *why);

/* A line of the audit log about it: collected, with what all have in common. */
CRB_NODISCARD enum crb_status crb_mint_event(
    struct crb_mint *mint, struct crb_audit_event *event, struct crb_err *err);
/* The egress's answer, or none: a crb_pending_fn. */
void crb_mint_answered(
    void *ctx, struct crb_msg *msg, const struct crb_err *why);
/*
 * Record what came of it, mint->why, and then finish.  `known`: unless it was
 * minted, it is certain that it was not.  `status` is the service's.
 */
void crb_mint_conclude(
    struct crb_mint *mint, bool known, unsigned status, const char *detail);

#endif /* !CRB_LEASE_MINT_IMPL_H */
