/*
 * Decoding in pieces comes to the same as all at once, and never to more than
 * was said; nothing bad is given out whole.  Input: the trailer, the length,
 * the sizes of a piece and of the room for what comes out, the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "broker/egress/aws_chunked.h"

#define BODY_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	struct crb_buf out;
	bool ended; /* the end came and was right */
	bool done;
};

/* Until it is used up, or refused. */
static enum crb_status
feed(struct crb_aws_chunked *chunked, struct crb_slice body, size_t piece,
    size_t room, struct result *result)
{
	char bytes[256];
	struct crb_slice in;
	struct crb_err err;
	size_t len, before;

	while (body.len > 0) {
		in.p = body.p;
		in.len = body.len < piece ? body.len : piece;
		body.p += in.len;
		body.len -= in.len;
		do {
			before = in.len;
			if (crb_aws_chunked_feed(chunked, &in, bytes, room,
				&len, &err) != CRB_OK)
				return err.status;
			if (len > room ||
			    (in.len == before && len == 0 && before > 0))
				abort();
			crb_buf_add(&result->out, bytes, len);
			if (crb_aws_chunked_done(chunked))
				result->ended = true;
		} while (in.len > 0 || len == room);
	}
	return crb_aws_chunked_finish(chunked, &err);
}

static void
run(uint64_t length, const char *trailer, struct crb_slice body, size_t piece,
    size_t room, struct result *result)
{
	CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked = NULL;
	struct crb_err err;

	if (crb_aws_chunked_new(length, trailer, &chunked, &err) != CRB_OK)
		abort();
	result->done = feed(chunked, body, piece, room, result) == CRB_OK;
	if (result->done != crb_aws_chunked_done(chunked) ||
	    result->out.len > length ||
	    (result->done && result->out.len != length) ||
	    (!result->ended && length > 0 && result->out.len == length))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const trailers[] = { "", "x-amz-checksum-crc32",
		"x-amz-checksum-crc32c", "x-amz-checksum-sha1",
		"x-amz-checksum-sha256" };
	struct result whole = { .out = CRB_BUF_INIT(BODY_MAX) };
	struct result pieces = { .out = CRB_BUF_INIT(BODY_MAX) };
	struct crb_slice body;
	const char *trailer;

	if (size < 4 || size - 4 > BODY_MAX)
		return 0;
	trailer = trailers[data[0] % 5];
	body = (struct crb_slice){ (const char *)data + 4, size - 4 };
	run(data[1], trailer, body, body.len, 256, &whole);
	run(data[1], trailer, body, 1u + data[2], 1u + data[3], &pieces);
	if (whole.done != pieces.done ||
	    (whole.done &&
		(whole.out.len != pieces.out.len ||
		    strcmp(crb_buf_text(&whole.out),
			crb_buf_text(&pieces.out)) != 0)))
		abort();
	crb_buf_clear(&whole.out);
	crb_buf_clear(&pieces.out);
	return 0;
}
