#ifndef CRB_GATHER_H
#define CRB_GATHER_H

#include "base/text.h"
#include "broker/gateway/pktline.h"

/*
 * Lets a response in pkt-lines pass in whole lines only.  Cut within a line,
 * it would need padding, at which git's unpacking may fail before git has read
 * and shown the message behind.  What are no pkt-lines passes as it comes.
 */
struct crb_gather {
	char *bytes; /* NULL: not open */
	size_t len;
	size_t whole; /* of them, whole lines */
	struct crb_pktline line;
};

/* False without memory for it. */
bool crb_gather_open(struct crb_gather *gather);
void crb_gather_close(struct crb_gather *gather);

/*
 * At most CRB_BODY_MAX bytes more.  Returns what may pass now, which is valid
 * until the next call; what was returned before is of no interest any more.
 */
struct crb_slice crb_gather_add(
    struct crb_gather *gather, struct crb_slice bytes);
/* Nothing more comes: what is left of a line that never became whole. */
struct crb_slice crb_gather_rest(struct crb_gather *gather);

#endif /* !CRB_GATHER_H */
