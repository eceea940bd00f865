#ifndef CRB_GATEWAY_LEASE_H
#define CRB_GATEWAY_LEASE_H

#include <stdint.h>
#include <sys/queue.h>

#include <microhttpd.h>

#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/gateway/lease_format.h"

struct crb_gateway;
struct crb_session;

/*
 * A session's lease as the gateway has it: keys that are handed out to this
 * session, from a response that is made once for each kind of client.  Keys
 * and bodies are in the slab, and are wiped when the lease is dropped or
 * replaced.
 */
struct crb_lease;

/* Leases whose fetches the core has not been told of. */
struct crb_lease_counts {
	TAILQ_HEAD(, crb_lease) waiting;
	struct crb_timer timer;
};
void crb_lease_counts_init(struct crb_gateway *gateway);
/* Forgets them: the leases must be gone. */
void crb_lease_counts_clear(struct crb_gateway *gateway);

/* What the core says of them; one that is malformed is worse than none. */
void crb_lease_take(
    struct crb_gateway *gateway, const struct crb_msg_lease *msg);
/*
 * It is wiped, whoever is being answered with it is cut off, and the core is
 * told.
 */
void crb_lease_drop(
    struct crb_gateway *gateway, const struct crb_msg_lease_drop *msg);
/* All of a session's, without telling. */
void crb_leases_clear(struct crb_session *session);

/* One that lasts `least` seconds from `now` on, both of the wall clock. */
struct crb_lease *crb_lease_find(const struct crb_session *session,
    struct crb_slice name, int64_t now, int64_t least);

/*
 * It is handed out, which is counted.  The response is the lease's: its body
 * is wiped when the lease is dropped.  NULL when out of memory.
 */
struct MHD_Response *crb_lease_fetch(
    struct crb_lease *lease, enum crb_lease_format format);
/* The same, in a response of its own: the caller destroys it. */
struct MHD_Response *crb_lease_fetch_alone(
    struct crb_lease *lease, enum crb_lease_format format);

#endif /* !CRB_GATEWAY_LEASE_H */
