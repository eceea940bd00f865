#ifndef CRB_ENDING_H
#define CRB_ENDING_H

#include "broker/core/pending.h"

/*
 * What waits until something has ended everywhere: each process that had it
 * has acknowledged, and its end is recorded.
 */
struct crb_ending;
typedef void crb_ending_fn(void *ctx, const struct crb_err *why);

/* `fn` (or NULL) is called once after crb_ending_ready(); why is the first
 * failure. */
CRB_NODISCARD enum crb_status crb_ending_new(
    crb_ending_fn *fn, void *ctx, struct crb_ending **out, struct crb_err *err);
/* Another `fn`, before crb_ending_ready(). */
void crb_ending_then(struct crb_ending *ending, crb_ending_fn *fn, void *ctx);
/* All that it waits for was given to it. */
void crb_ending_ready(struct crb_ending *ending);

/* One more thing to wait for, and how that went.  NULL: nobody waits. */
void crb_ending_expect(struct crb_ending *ending);
void crb_ending_settle(struct crb_ending *ending, const struct crb_err *why);
/*
 * A crb_pending_fn that settles `ctx`.  A process that was lost meanwhile has
 * nothing open any more, so only its silence is a failure.
 */
void crb_ending_acknowledged(
    void *ctx, struct crb_msg *msg, const struct crb_err *why);

#endif /* !CRB_ENDING_H */
