#ifndef CRB_EGRESS_TRANSFER_H
#define CRB_EGRESS_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/egress/download.h"
#include "broker/egress/request.h"
#include "broker/egress/scrub.h"
#include "broker/egress/signing.h"
#include "broker/egress/trust.h"
#include "broker/egress/upload.h"

/*
 * How many bytes of bodies a session may still send and receive: all of its
 * jobs draw on it, so that they do not use it twice.
 */
struct crb_budget {
	uint64_t bound; /* of all of them, as the core says */
	uint64_t left;
};

/*
 * What libcurl works on for a job: the request with the secret in it, its body
 * on the way up, the answer on the way down.
 */
struct crb_transfer {
	struct crb_loop *loop; /* for its clock, borrowed */
	struct crb_scrub *scrub;
	struct crb_request request;
	struct crb_signing signing;
	bool collects; /* the body, to sign it */
	struct crb_upload upload;
	struct crb_download download;

	struct crb_budget *budget; /* borrowed */
	uint64_t taken;            /* of it; bytes of bodies */
	bool spent;                /* there were more: it is cut off */

	int64_t active;     /* when a byte last moved */
	int64_t head_since; /* when the answer's head began; 0: not yet */

	bool failed; /* in one of libcurl's callbacks: */
	struct crb_err err;
};

struct crb_transfer_options {
	struct crb_loop *loop;
	struct crb_trust *trust;
	struct crb_request_limits limits;
	struct crb_budget *budget; /* outlives the transfer */
	uint8_t *spare;            /* CRB_STREAM_PACKET_MAX, shared */
	int fd;                    /* of the stream */
};

/* The transfer stays where it is: libcurl points at it.  Clear it always. */
CRB_NODISCARD enum crb_status crb_transfer_init(struct crb_transfer *transfer,
    const struct crb_msg_job *msg, const struct crb_transfer_options *options,
    struct crb_err *err);
void crb_transfer_clear(struct crb_transfer *transfer);

/*
 * The client's headers: *ready when libcurl may begin.  Otherwise the body has
 * to come first: call crb_transfer_collect() as it does.
 */
CRB_NODISCARD enum crb_status crb_transfer_head(struct crb_transfer *transfer,
    struct crb_slice block, bool *ready, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_transfer_collect(
    struct crb_transfer *transfer, bool *ready, struct crb_err *err);

/* A byte has moved, for the time-outs. */
void crb_transfer_moved(struct crb_transfer *transfer);

/* The stream has more of the request: let libcurl go on. */
CRB_NODISCARD enum crb_status crb_transfer_readable(
    struct crb_transfer *transfer, struct crb_err *err);

/*
 * Pass on what has come, and let libcurl go on when there is room again.  Not
 * within its callbacks, and not after its end.
 */
CRB_NODISCARD enum crb_status crb_transfer_flush(
    struct crb_transfer *transfer, struct crb_err *err);

/*
 * It is over, and this is what it has used: what was passed on, or, when it
 * was cut off, all that it took and the rest of the budget.  What it took
 * otherwise and did not use is there for others.
 */
void crb_transfer_used(
    struct crb_transfer *transfer, uint64_t *up, uint64_t *down);

/* libcurl is done: CRB_OK when a whole answer came. */
CRB_NODISCARD enum crb_status crb_transfer_result(
    struct crb_transfer *transfer, CURLcode code, struct crb_err *err);

#endif /* !CRB_EGRESS_TRANSFER_H */
