#ifndef CRB_LEASE_GATEWAY_H
#define CRB_LEASE_GATEWAY_H

#include "broker/core/session.h"

/* What the gateway has to know of a session's leases, after SESSION_OPEN. */
void crb_lease_announce(struct crb_session *session);

/* What crb_lease_keys() gave, which counts it, was handed out. */
void crb_lease_given(struct crb_session *session, const char *credential);
/* The gateway has handed out a lease so often. */
void crb_lease_fetched(
    struct crb_core *core, const struct crb_msg_lease_fetched *msg);

#endif /* !CRB_LEASE_GATEWAY_H */
