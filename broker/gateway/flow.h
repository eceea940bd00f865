#ifndef CRB_FLOW_H
#define CRB_FLOW_H

#include <stdbool.h>
#include <stdint.h>

struct crb_exchange;
struct crb_session;

/*
 * The gateway's end of a stream to egress.  A session keeps it between
 * exchanges; it carries one at a time.
 */
struct crb_flow {
	struct crb_session *session;
	struct crb_exchange *exchange; /* NULL while idle */
	uint32_t id;
	int fd;
	/* The other end is closed; what it wrote can still be read. */
	bool hung;
	struct crb_flow *next;
};

/*
 * The flow that the core means: a new one when *fd is one (which is taken),
 * otherwise the idle one with this number.  NULL when there is none.
 */
struct crb_flow *crb_flow_take(struct crb_session *session, uint32_t id,
    int *fd, struct crb_exchange *exchange);

/* Back to the session; closed unless it is clean. */
void crb_flow_release(struct crb_flow *flow, bool clean);

/* Close every flow of the session; exchanges lose theirs. */
void crb_flow_close_all(struct crb_session *session);
/* Close this idle one, if it is there. */
void crb_flow_close(struct crb_session *session, uint32_t id);

/*
 * Hear of these by crb_exchange_flow_event() while the exchange is parked.  One
 * that is hung is readable until all of it has been read, and says nothing any
 * more.
 */
void crb_flow_want(struct crb_flow *flow, unsigned events);

#endif /* !CRB_FLOW_H */
