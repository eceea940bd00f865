#ifndef CRB_CORE_LINK_H
#define CRB_CORE_LINK_H

#include "broker/core/core.h"

/* What each process says to the core, and its coming and going. */
CRB_NODISCARD enum crb_status crb_supervisor_up(
    struct crb_core *core, int fd, struct crb_err *err);
/* The policies were looked at: whoever waits for that is served. */
void crb_supervisor_settled(struct crb_core *core);
CRB_NODISCARD enum crb_status crb_gateway_up(
    struct crb_core *core, int fd, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_egress_up(
    struct crb_core *core, int fd, struct crb_err *err);

/*
 * Without its bus a process is of no use, and it may not end by itself: what
 * was said on the bus may be an attacker's.
 */
void crb_peer_lost(struct crb_core *core, const struct crb_link *link);

#endif /* !CRB_CORE_LINK_H */
