#ifndef CRB_AWS_AUTHORIZATION_H
#define CRB_AWS_AUTHORIZATION_H

#include <stdbool.h>

#include "base/err.h"
#include "base/text.h"

/*
 * The Authorization header of AWS Signature Version 4
 * (docs.aws.amazon.com/IAM, "Create a signed AWS API request"):
 *
 *   AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/aws4_request,
 *   SignedHeaders=host;x-amz-date, Signature=64 hexadecimal digits
 *
 * A sandbox signs with keys that are none, so its signature says nothing and
 * is not looked at.  What it signed for says where the request is meant to go.
 */
struct crb_aws_authorization {
	struct crb_slice region;  /* "us-east-1" */
	struct crb_slice service; /* "s3" */
};

/* It is one of AWS's schemes, well-formed or not. */
bool crb_aws_authorization_is(struct crb_slice value);

/*
 * Each of the three once, in any order, blanks allowed around the commas, and
 * nothing else.  Slices of *out are the value's.  CRB_ERR_INVALID, or
 * CRB_ERR_DENIED for a way of signing that is not supported.
 */
CRB_NODISCARD enum crb_status crb_aws_authorization_parse(
    struct crb_slice value, struct crb_aws_authorization *out,
    struct crb_err *err);

#endif /* !CRB_AWS_AUTHORIZATION_H */
