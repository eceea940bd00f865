#ifndef CRB_SIGV4_H
#define CRB_SIGV4_H

#include <stdbool.h>

#include "backends/backend.h"

/*
 * AWS Signature Version 4 in the Authorization header
 * (docs.aws.amazon.com/IAM, "Create a signed AWS API request").  Pure.
 */
struct crb_sigv4_keys {
	const char *id;
	const char *secret;
	const char *token; /* of a session; NULL: none */
};

/*
 * The headers to add to `request`, as "name: value\n" lines appended to `out`:
 * authorization, x-amz-date, x-amz-content-sha256 (of s3 only),
 * x-amz-security-token.  Signed are Host, those, and request->headers (or
 * NULL), which may not name what is added.  The target is what will be sent,
 * in any spelling: of s3 its path is signed encoded once, of other services
 * once more than it stands, and a path that these would normalise is refused;
 * of a query a "+" is a space.  The payload is a SHA-256, or UNSIGNED-PAYLOAD
 * of s3.  CRB_ERR_INVALID says what cannot be signed, without repeating it.
 * `out` should be wiped, for what it holds is good for a request; a failure
 * leaves it as it was, but for one that is too small.
 */
CRB_NODISCARD enum crb_status crb_sigv4_sign(const struct crb_sigv4_keys *keys,
    const struct crb_sign_request *request, struct crb_buf *out,
    struct crb_err *err);

/* S3 and its kin, for which an unsigned payload is allowed. */
bool crb_sigv4_is_s3(const char *service);

/* SHA-256 in lower-case hexadecimal and a NUL: what `payload` wants. */
#define CRB_SIGV4_HASH 65
void crb_sigv4_hash(const void *body, size_t len, char out[CRB_SIGV4_HASH]);

#endif /* !CRB_SIGV4_H */
