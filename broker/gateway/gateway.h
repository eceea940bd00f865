#ifndef CRB_GATEWAY_H
#define CRB_GATEWAY_H

#include <sys/queue.h>
#include <sys/resource.h>

#include "broker/bus/bus.h"
#include "broker/gateway/exchanges.h"
#include "broker/gateway/lease.h"
#include "broker/gateway/session.h"

struct crb_server;

TAILQ_HEAD(crb_connections, crb_connection);

/*
 * The gateway: endpoints of live sessions on one side, the bus to the core on
 * the other.  It holds no key and no secret, opens no file and connects
 * nowhere; every descriptor but those of accept4() comes by the bus.
 */
struct crb_gateway {
	struct crb_loop *loop;
	struct crb_bus *bus;
	struct crb_server *server;
	struct crb_sessions sessions;
	struct crb_exchanges exchanges;
	struct crb_lease_counts counts;
	/* Connections by descriptor. */
	struct crb_connection **connections;
	size_t connection_room;
	struct crb_connections idle, heads; /* who waits, oldest first */
	/* One packet of a stream at a time. */
	uint8_t *packet;
	unsigned long calls; /* that the HTTP server has made of us */
	int64_t wall;        /* seconds of the clock, when it last ran */
	rlim_t descriptors;  /* at most */
	/* Those of all sessions. */
	size_t connection_count, flow_count;
	size_t held; /* bytes of bodies that wait for a verdict */
	bool stopping;
};

/* Takes `bus_fd`, whether or not it succeeds. */
CRB_NODISCARD enum crb_status crb_gateway_new(struct crb_loop *loop, int bus_fd,
    struct crb_gateway **out, struct crb_err *err);
void crb_gateway_free(struct crb_gateway *gateway);

/* Send, and stop the gateway when that cannot be: the core would wait. */
void crb_gateway_send(
    struct crb_gateway *gateway, enum crb_msg_type type, const void *msg);
/*
 * Ask the core something for a sandbox.  False when it is not asked, because
 * it does not keep up: the bus has to stay open for what must be said.
 */
bool crb_gateway_ask(
    struct crb_gateway *gateway, enum crb_msg_type type, const void *msg);

#endif /* !CRB_GATEWAY_H */
