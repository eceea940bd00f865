#ifndef CRB_AWS_SCOPE_H
#define CRB_AWS_SCOPE_H

#include "broker/gateway/exchange.h"

/*
 * Requests below /http/ that are signed as AWS's clients do.  A web page
 * cannot have a browser send such a header unasked, so it stands in for the
 * session's own; what it was signed for goes to the core.
 */
bool crb_aws_scope_applies(const struct crb_exchange *exchange);
/* False when it is refused; otherwise aws_service and aws_region are set. */
bool crb_aws_scope_take(
    struct crb_exchange *exchange, struct crb_refusal *refusal);

/* An error is best told as S3 would; as other services would. */
bool crb_aws_scope_is_s3(const struct crb_exchange *exchange);
bool crb_aws_scope_is_other(const struct crb_exchange *exchange);

/* The refusal as an error of S3's: application/xml. */
void crb_aws_scope_xml(const struct crb_refusal *refusal, struct crb_buf *out);

#endif /* !CRB_AWS_SCOPE_H */
