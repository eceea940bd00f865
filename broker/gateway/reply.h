#ifndef CRB_REPLY_H
#define CRB_REPLY_H

#include "broker/gateway/exchange.h"

/* What the headers of upstream's response say, and which a client gets. */

/* It is in pkt-lines of git's protocol. */
bool crb_reply_is_framed(const struct crb_reply *reply);

/*
 * Those that say nothing about the response's length or framing; false when
 * they cannot be passed on.
 */
bool crb_reply_add_headers(
    const struct crb_exchange *exchange, struct MHD_Response *response);

#endif /* !CRB_REPLY_H */
