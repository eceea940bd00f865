#ifndef CRB_BUS_H
#define CRB_BUS_H

#include "base/loop.h"
#include "broker/bus/messages.h"

/*
 * One end of a bus between two processes: a SOCK_SEQPACKET socket in a loop.
 * Sending never blocks; what the socket does not take waits in a bounded
 * queue, in order.  Packets pass through memory of the slab and are wiped.
 */
struct crb_bus;

/*
 * Called for each message.  Slices are valid until it returns.  A descriptor
 * that the function does not take (CRB_STEAL_FD(msg->fd)) is closed.
 */
typedef void crb_bus_fn(void *ctx, struct crb_msg *msg);
/*
 * Called once when the peer is gone, said something that does not decode, or
 * its queue is full.  The bus is dead by then; free it, now or later.
 */
typedef void crb_bus_gone_fn(void *ctx, const struct crb_err *why);

/* Called when a queue that was crowded is empty again; NULL is fine. */
typedef void crb_bus_drained_fn(void *ctx);

struct crb_bus_options {
	struct crb_loop *loop;
	enum crb_role self, peer;
	crb_bus_fn *message;
	crb_bus_gone_fn *gone;
	void *ctx;
	crb_bus_drained_fn *drained;
};

/* Takes `fd`, whether or not it succeeds. */
CRB_NODISCARD enum crb_status crb_bus_new(int fd,
    const struct crb_bus_options *options, struct crb_bus **out,
    struct crb_err *err);
/* NULL is allowed; so is any callback of the bus. */
void crb_bus_free(struct crb_bus *bus);

/*
 * Send a message; `fd` (or -1) is duplicated when it has to wait, and stays
 * the caller's.  CRB_ERR_LIMIT when the queue is full, and then `gone` follows
 * from the loop, since a message that is left out would be missed.
 *
 *   crb_bus_send(bus, CRB_MSG_JOB_CANCEL,
 *       &(struct crb_msg_job_cancel){ .job = id }, -1, err)
 */
CRB_NODISCARD enum crb_status crb_bus_send(struct crb_bus *bus,
    enum crb_msg_type type, const void *msg, int fd, struct crb_err *err);

/*
 * The queue is more than half full, or holds many descriptors.  Who can put off
 * what it has to say, or refuse a request, does so now, until `drained`.
 */
bool crb_bus_crowded(const struct crb_bus *bus);
/* Read nothing for now: what the peer sends then waits on its side. */
void crb_bus_pause(struct crb_bus *bus, bool paused);

/* A connected pair, CLOEXEC and non-blocking, with room for our packets. */
CRB_NODISCARD enum crb_status crb_bus_pair(int pair[2], struct crb_err *err);

#endif /* !CRB_BUS_H */
