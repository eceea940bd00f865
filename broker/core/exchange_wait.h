#ifndef CRB_EXCHANGE_WAIT_H
#define CRB_EXCHANGE_WAIT_H

#include "broker/core/session.h"

/*
 * An exchange that was allowed, and for which there are no keys yet: it waits
 * for a lease, and is judged again then.
 */

/* The lease is there (why NULL), or will not be. */
typedef void crb_exchange_wait_fn(struct crb_core *core,
    const struct crb_msg_exchange *msg, const struct crb_err *why);

/*
 * Keep a copy of the message and want a lease of the credential.  `fn` is
 * called later, and with the gateway that asked, unless this fails: when the
 * gateway is gone by then, nobody is left to be told.
 */
CRB_NODISCARD enum crb_status crb_exchange_wait(struct crb_session *session,
    const char *credential, const struct crb_msg_exchange *msg,
    crb_exchange_wait_fn *fn, struct crb_err *err);

#endif /* !CRB_EXCHANGE_WAIT_H */
