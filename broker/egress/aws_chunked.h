#ifndef CRB_EGRESS_AWS_CHUNKED_H
#define CRB_EGRESS_AWS_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/*
 * Bodies in the content coding aws-chunked (docs.aws.amazon.com/AmazonS3,
 * "Signature calculations for the Authorization header: transferring payload in
 * multiple chunks", and the pages on trailers), decoded as they come:
 *
 *	SIZE[;chunk-signature=HEX64] CRLF DATA CRLF ...
 *	0[;chunk-signature=HEX64] CRLF
 *	[CHECKSUM-HEADER:BASE64 CRLF [x-amz-trailer-signature:HEX64 CRLF]] CRLF
 *
 * The signatures are of keys that a sandbox made up, and so are not looked at.
 * Pure; memory is constant; one thread at a time.
 */
struct crb_aws_chunked;

/*
 * `length` is x-amz-decoded-content-length.  `trailer` is the value of
 * x-amz-trailer in lower case, "" for none; one that cannot be verified is
 * CRB_ERR_INVALID, which says so.  The caller owns *out.
 */
CRB_NODISCARD enum crb_status crb_aws_chunked_new(uint64_t length,
    const char *trailer, struct crb_aws_chunked **out, struct crb_err *err);
void crb_aws_chunked_free(struct crb_aws_chunked *chunked);

/*
 * Decode from the front of *in, which moves on, to `out`, until one of them is
 * used up; *len bytes were written.  The body's last byte is held back until
 * the end has come and the checksum was right, so that whoever sends on with a
 * Content-Length of `length` completes nothing bad.  It may need one more call
 * then, with room, and with *in empty.  (A body of no bytes has nothing to hold
 * back: nothing should be sent of it before crb_aws_chunked_done().)
 * CRB_ERR_INVALID: the body is malformed, is not as long as was said, has
 * something behind it, or has another checksum; from then on every call fails.
 */
CRB_NODISCARD enum crb_status crb_aws_chunked_feed(
    struct crb_aws_chunked *chunked, struct crb_slice *in, char *out,
    size_t size, size_t *len, struct crb_err *err);

/* All of it came, was verified, and was written to `out`. */
bool crb_aws_chunked_done(const struct crb_aws_chunked *chunked);
/* No more comes: CRB_ERR_INVALID unless it is done. */
CRB_NODISCARD enum crb_status crb_aws_chunked_finish(
    struct crb_aws_chunked *chunked, struct crb_err *err);

#define CRB_AUTO_AWS_CHUNKED __attribute__((cleanup(crb_aws_chunked_cleanup)))
static inline void
crb_aws_chunked_cleanup(struct crb_aws_chunked **chunked)
{
	crb_aws_chunked_free(*chunked);
}

#endif /* !CRB_EGRESS_AWS_CHUNKED_H */
