#ifndef CRB_EGRESS_MINT_H
#define CRB_EGRESS_MINT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/egress/minting.h"
#include "broker/egress/trust.h"

/*
 * Leases are minted in a few threads, since what a backend does is straight-
 * line blocking code.  Every MINT is answered by one MINTED, from the loop.
 * All functions are called in the loop's thread.
 */
#define CRB_MINT_THREADS 4
/*
 * Of one credential, so that an upstream that hangs keeps no other from being
 * asked.
 */
#define CRB_MINT_ALIKE_MAX 3
#define CRB_MINT_QUEUE_MAX 256 /* that wait for a thread */

/* Less in all than the core waits for an answer. */
extern const struct crb_mint_limits crb_mint_limits;

struct crb_mints;

struct crb_mints_options {
	struct crb_loop *loop;
	struct crb_trust *trust;                       /* borrowed */
	const struct crb_backend_ops *const *backends; /* NULL-terminated */
	const struct crb_mint_limits *limits;          /* borrowed */
	void (*minted)(void *ctx, const struct crb_msg_minted *minted);
	void *ctx;
};

/* No thread is started before there is something to mint. */
CRB_NODISCARD enum crb_status crb_mints_new(
    const struct crb_mints_options *options, struct crb_mints **out,
    struct crb_err *err);
/* Breaks off what is under way, silently and at once.  NULL is allowed. */
void crb_mints_free(struct crb_mints *mints);

/* `minted` is called later; at once when it cannot even wait. */
void crb_mints_start(struct crb_mints *mints, const struct crb_msg_mint *msg);

/*
 * Mint nothing more for a session.  What an upstream is being asked goes on,
 * so that it is known what it gave.
 */
void crb_mints_drop(struct crb_mints *mints, struct crb_slice session);

/* Nothing is to be answered. */
bool crb_mints_idle(const struct crb_mints *mints);

#endif /* !CRB_EGRESS_MINT_H */
