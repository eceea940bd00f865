#ifndef CRB_AWS_ARN_H
#define CRB_AWS_ARN_H

#include <stdbool.h>

/*
 * Names of AWS's things (docs.aws.amazon.com/IAM, "IAM identifiers"):
 * arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE, where region and account may
 * be empty, and each but the service may be a pattern.
 */
bool crb_aws_arn_ok(const char *text);

/* An ARN of `service` whose resource starts so and goes on. */
bool crb_aws_arn_is(
    const char *text, const char *service, const char *resource);

/* Printable ASCII, perhaps none. */
bool crb_aws_printable(const char *text);

#endif /* !CRB_AWS_ARN_H */
