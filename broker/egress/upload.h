#ifndef CRB_EGRESS_UPLOAD_H
#define CRB_EGRESS_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "broker/bus/messages.h"
#include "broker/egress/aws_chunked.h"
#include "broker/egress/judged_body.h"

/*
 * The request's body on its way from a stream to libcurl.  Nothing is read
 * from the stream before libcurl asks, which is the back-pressure, and nothing
 * is kept: a body is never sent twice, since nobody knows what the first time
 * did.  Every request ends with REQUEST_END, one without a body too, unless
 * its head says that it is all there is.
 *
 * A body of which the core has judged something is held back until that has
 * come.  One that must be known before it is sent is collected first; one in
 * aws-chunked is decoded on its way.
 */
struct crb_upload {
	int fd; /* of the stream, borrowed */
	enum crb_body kind;
	uint64_t left;   /* of a body with a length */
	uint64_t passed; /* bytes given to libcurl */
	uint8_t *packet; /* the one in hand, and `at` in it */
	uint8_t *spare;  /* CRB_STREAM_PACKET_MAX, borrowed, shared */
	const char *at;
	size_t in_hand;
	struct crb_slice behind; /* of the packet, behind what was judged */
	bool paused;             /* libcurl waits for more */
	bool ended;              /* the end came */
	struct crb_aws_chunked *decoder; /* owned; or NULL */
	struct crb_buf body;             /* collected */
	struct crb_judged_body judged;
};

/* Of this job's request; clear it always. */
CRB_NODISCARD enum crb_status crb_upload_init(struct crb_upload *upload, int fd,
    const struct crb_msg_job *job, uint8_t *spare, struct crb_err *err);
void crb_upload_clear(struct crb_upload *upload);

/*
 * Fill `to`; *len is 0 at the end.  When nothing is there yet, `paused` is set.
 */
CRB_NODISCARD enum crb_status crb_upload_read(struct crb_upload *upload,
    char *to, size_t size, size_t *len, struct crb_err *err);

/*
 * Something of the body was judged, and has to be seen first: read what there
 * is, as it comes on the stream; *right when that was it.  Then
 * crb_upload_read() gives it again.  CRB_ERR_DENIED: something else came.
 */
bool crb_upload_is_held(const struct crb_upload *upload);
CRB_NODISCARD enum crb_status crb_upload_hold(
    struct crb_upload *upload, bool *right, struct crb_err *err);

/*
 * Read what there is of the body without sending it, at most `most` bytes;
 * *whole when that was all.  Then crb_upload_read() gives it again.
 */
CRB_NODISCARD enum crb_status crb_upload_collect(
    struct crb_upload *upload, size_t most, bool *whole, struct crb_err *err);

/* The head was all of the request: of one without a body, it must be. */
CRB_NODISCARD enum crb_status crb_upload_end(
    struct crb_upload *upload, struct crb_err *err);

/* The whole body was passed on, so that only REQUEST_END may come. */
bool crb_upload_passed(const struct crb_upload *upload);
/* Look for that REQUEST_END, unless the end has come. */
CRB_NODISCARD enum crb_status crb_upload_finish(
    struct crb_upload *upload, struct crb_err *err);

#endif /* !CRB_EGRESS_UPLOAD_H */
