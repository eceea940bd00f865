#ifndef CRB_LINK_H
#define CRB_LINK_H

#include "broker/bus/bus.h"
#include "broker/core/pending.h"

/*
 * The core's end of the bus to another process, with the requests that wait
 * for a reply on it.  It may be down: then sending fails and nothing waits.
 */
struct crb_link {
	struct crb_bus *bus; /* NULL: down */
	struct crb_pending pending;
	crb_bus_fn *message;
	crb_bus_gone_fn *gone;
	crb_bus_drained_fn *drained;
	void *ctx;
	const char *name; /* "gateway" */
	int64_t pid;      /* 0: not known */
	unsigned started; /* how often it came up */
};

struct crb_link_options {
	struct crb_loop *loop;
	enum crb_role peer;
	crb_bus_fn *message;
	crb_bus_gone_fn *gone; /* after every pending request has failed */
	crb_bus_drained_fn *drained; /* or NULL */
	void *ctx;
};

void crb_link_init(
    struct crb_link *link, const char *name, struct crb_loop *loop);
/* Takes `fd`.  An older bus is closed first, as if the peer were gone. */
CRB_NODISCARD enum crb_status crb_link_up(struct crb_link *link, int fd,
    const struct crb_link_options *options, struct crb_err *err);
/* Close; pending requests fail, `gone` is not called. */
void crb_link_down(struct crb_link *link);

/* It is up, and takes more than replies. */
bool crb_link_open(const struct crb_link *link);
/*
 * What comes in is read again only once what goes out has drained: for a peer
 * whose every message makes us say something.
 */
void crb_link_hold(struct crb_link *link);

CRB_NODISCARD enum crb_status crb_link_send(struct crb_link *link,
    enum crb_msg_type type, const void *msg, int fd, struct crb_err *err);
/*
 * Send a request; `*number` is the field of *msg that tells it from others,
 * and is set here.  `fn` is called once unless this fails.
 */
CRB_NODISCARD enum crb_status crb_link_request(struct crb_link *link,
    enum crb_msg_type type, const void *msg, uint32_t *number,
    crb_pending_fn *fn, void *ctx, struct crb_err *err);
/* The same for what may take longer, in milliseconds. */
CRB_NODISCARD enum crb_status crb_link_request_long(struct crb_link *link,
    int64_t most, enum crb_msg_type type, const void *msg, uint32_t *number,
    crb_pending_fn *fn, void *ctx, struct crb_err *err);

#endif /* !CRB_LINK_H */
