#include "broker/bus/aws_payload.h"

#define HASH_LEN 64

static const struct {
	const char *value;
	enum crb_aws_payload payload;
} known[] = {
	{ "UNSIGNED-PAYLOAD", CRB_AWS_PAYLOAD_UNSIGNED },
	{ "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", CRB_AWS_PAYLOAD_CHUNKED },
	{ "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
	    CRB_AWS_PAYLOAD_TRAILER },
	{ "STREAMING-UNSIGNED-PAYLOAD-TRAILER", CRB_AWS_PAYLOAD_TRAILER },
};

enum crb_status
crb_aws_payload_parse(
    struct crb_slice value, enum crb_aws_payload *out, struct crb_err *err)
{
	if (value.len == HASH_LEN &&
	    crb_slice_consists(value, CRB_DIGITS "abcdef")) {
		*out = CRB_AWS_PAYLOAD_HASH;
		return CRB_OK;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (crb_slice_is(value, known[i].value)) {
			*out = known[i].payload;
			return CRB_OK;
		}
	}
	if (crb_slice_starts(value, "STREAMING-AWS4-ECDSA-"))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "bodies in chunks that are signed for several regions at "
		    "once (Signature Version 4A) are not supported");
	if (crb_slice_starts(value, "STREAMING-"))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "bodies in chunks or events that are signed in this way "
		    "are not supported");
	return crb_err_set(err, CRB_ERR_INVALID,
	    "x-amz-content-sha256 is neither a SHA-256 in lower-case "
	    "hexadecimal nor UNSIGNED-PAYLOAD nor a known way of streaming");
}
