#ifndef CRB_EGRESS_H
#define CRB_EGRESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/egress/job.h"

/*
 * The egress: takes jobs from the core's bus, and keeps sessions apart.  It
 * holds secrets for as long as their jobs last, and knows nothing of the
 * store, the policy, or a sandbox's socket.
 */
struct crb_egress;

/* Takes `bus`, whether or not it succeeds.  The loop stops when it is gone. */
CRB_NODISCARD enum crb_status crb_egress_new(struct crb_loop *loop, int bus,
    const struct crb_job_limits *limits, struct crb_egress **out,
    struct crb_err *err);
void crb_egress_free(struct crb_egress *egress);

/* No job is under way, and no mint. */
bool crb_egress_idle(const struct crb_egress *egress);

/* Tell the core something. */
void crb_egress_report(
    struct crb_egress *egress, enum crb_msg_type type, const void *msg);

#endif /* !CRB_EGRESS_H */
