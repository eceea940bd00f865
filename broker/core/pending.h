#ifndef CRB_PENDING_H
#define CRB_PENDING_H

#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/core/map.h"

/*
 * Requests of the core to another process that wait for their reply, by the
 * number in both.  Each ends exactly once: by its reply, when the link is
 * lost, or at its deadline; `msg` is NULL for the latter two and `why` says
 * which.  The reply's descriptor is the callee's to take (CRB_STEAL_FD).
 */
struct crb_pending {
	struct crb_loop *loop;
	struct crb_map map;
	uint32_t last;
};

typedef void crb_pending_fn(
    void *ctx, struct crb_msg *msg, const struct crb_err *why);

void crb_pending_init(struct crb_pending *pending, struct crb_loop *loop);

/* Expect a reply; *request is the number to send. */
CRB_NODISCARD enum crb_status crb_pending_add(struct crb_pending *pending,
    int64_t timeout_ms, crb_pending_fn *fn, void *ctx, uint32_t *request,
    struct crb_err *err);
/* It was never sent: forget it without a call. */
void crb_pending_forget(struct crb_pending *pending, uint32_t request);
/* False when nobody waits for it (any more). */
bool crb_pending_reply(
    struct crb_pending *pending, uint32_t request, struct crb_msg *msg);
/* End all that wait. */
void crb_pending_fail(struct crb_pending *pending, const struct crb_err *why);

#endif /* !CRB_PENDING_H */
