#ifndef CRB_QUERY_LEASE_H
#define CRB_QUERY_LEASE_H

#include "broker/core/session.h"

/*
 * Questions of a sandbox that may have to wait for a mint: CRB_QUERY_LEASE,
 * after whose answer the gateway has the lease, and CRB_QUERY_CREDENTIAL, whose
 * answer has its keys.
 */
void crb_query_lease(
    struct crb_session *session, const struct crb_msg_query *msg);

#endif /* !CRB_QUERY_LEASE_H */
