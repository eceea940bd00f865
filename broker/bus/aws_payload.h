#ifndef CRB_AWS_PAYLOAD_H
#define CRB_AWS_PAYLOAD_H

#include "base/err.h"
#include "base/text.h"

/*
 * What x-amz-content-sha256 says of a body (docs.aws.amazon.com/AmazonS3,
 * "Signature calculations for the Authorization header").  The gateway refuses
 * what is not supported while it can still say so well, the egress acts on it;
 * neither believes the other.
 */
enum crb_aws_payload {
	CRB_AWS_PAYLOAD_HASH,     /* 64 hexadecimal digits */
	CRB_AWS_PAYLOAD_UNSIGNED, /* UNSIGNED-PAYLOAD */
	CRB_AWS_PAYLOAD_CHUNKED,  /* aws-chunked, to be decoded */
	CRB_AWS_PAYLOAD_TRAILER,  /* the same with a checksum behind it */
};

/* CRB_ERR_DENIED for what is known and not supported. */
CRB_NODISCARD enum crb_status crb_aws_payload_parse(
    struct crb_slice value, enum crb_aws_payload *out, struct crb_err *err);

#endif /* !CRB_AWS_PAYLOAD_H */
