#ifndef CRB_SIGV4_H
#define CRB_SIGV4_H

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
 * The headers to add to `request`, as "name: value\n" lines: authorization,
 * x-amz-date, x-amz-content-sha256 (of s3 only), x-amz-security-token.  Signed
 * are Host, those, and request->headers.  The target is what will be sent: of
 * s3 its path is signed as it stands, of other services encoded once more.
 * `out` should be wiped, for what it holds is good for a request.
 */
CRB_NODISCARD enum crb_status crb_sigv4_sign(const struct crb_sigv4_keys *keys,
    const struct crb_sign_request *request, struct crb_buf *out,
    struct crb_err *err);

/* SHA-256 in lower-case hexadecimal and a NUL: what `payload` wants. */
#define CRB_SIGV4_HASH 65
void crb_sigv4_hash(const void *body, size_t len, char out[CRB_SIGV4_HASH]);

#endif /* !CRB_SIGV4_H */
