#ifndef CRB_SHOW_H
#define CRB_SHOW_H

#include <sodium.h>

#include "broker/gateway/exchange.h"

/*
 * What the core wants to see of an exchange before it decides: a push's
 * commands, or what a body is.  What was read for that is held, and goes
 * upstream first.  All that is held counts against a bound of its session's and
 * one of the gateway's, and no session gets more than half of what the others
 * have left.
 */
struct crb_show {
	enum crb_need need;
	size_t most;
	bool withdrawn;      /* the core was told that it will not see it */
	struct crb_buf held; /* from the body's start */
	size_t sent;         /* of it, upstream */
	crypto_hash_sha256_state hash; /* of a body, so far */
};

/* The core has asked for it. */
void crb_show_need(struct crb_gateway *gateway, struct crb_msg *msg);
/* libmicrohttpd has more of the body, in CRB_PHASE_SHOW. */
enum MHD_Result crb_show_collect(
    struct crb_exchange *exchange, const char *data, size_t *size);

/* Nobody waits any more: say so, if something is still to be said to it. */
void crb_show_leave(struct crb_exchange *exchange);
/* It goes upstream now, whether all was seen that was asked for or not. */
void crb_show_end(struct crb_exchange *exchange);

/* What was held is still to be sent; as far as the flow takes it now. */
CRB_NODISCARD enum crb_status crb_show_send(
    struct crb_exchange *exchange, struct crb_err *err);

/* Keep what a report-status needs of a body that passes, or is dropped. */
void crb_show_watch(
    struct crb_exchange *exchange, const char *data, size_t len);
/* Free what is held: it goes nowhere. */
void crb_show_release(struct crb_exchange *exchange);
/* The same, and nothing more of the body is looked at. */
void crb_show_drop(struct crb_exchange *exchange);

#endif /* !CRB_SHOW_H */
