#ifndef CRB_AWS_REQUEST_H
#define CRB_AWS_REQUEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "broker/bus/messages.h"

/*
 * A request to an AWS service, or to one that speaks like it, that a sandbox
 * signed with keys that are none and that is signed again on its way.  What
 * may be done is decided by the service, by the keys' own policy; here it is
 * only decided whether the request is one thing to everybody, and whether what
 * comes back could be new keys.
 */
#define CRB_AWS_CREDENTIAL_MAX 64
/* The body of a service that must be told its hash first. */
#define CRB_AWS_BODY_MAX (1u << 20)

struct crb_aws_request {
	char credential[CRB_AWS_CREDENTIAL_MAX + 1];
	char service[CRB_SERVICE_MAX + 1]; /* "s3" */
	char region[CRB_REGION_MAX + 1];
	struct crb_slice path;  /* "/alpha/a%20key"; "/" at least */
	struct crb_slice query; /* empty: none */
};

/*
 * Slices of *out are borrowed from the message.  CRB_ERR_INVALID: malformed,
 * or not signed.  CRB_ERR_DENIED: of a kind that is not injected.
 */
CRB_NODISCARD enum crb_status crb_aws_request_parse(
    const struct crb_msg_exchange *msg, struct crb_aws_request *out,
    struct crb_err *err);

/* What is sent upstream: the path and the query as they were judged. */
void crb_aws_request_target(
    const struct crb_aws_request *request, struct crb_buf *out);

#endif /* !CRB_AWS_REQUEST_H */
