#ifndef CRB_SIGV4_CANONICAL_H
#define CRB_SIGV4_CANONICAL_H

#include "backends/sigv4.h"
#include "base/buf.h"

/*
 * The canonical request of Signature Version 4, which a service builds anew of
 * what it got.  Pure.
 */

/* Signed headers of one request, Host and ours among them. */
#define CRB_SIGV4_HEADERS_MAX 128u
/* Parameters of one query. */
#define CRB_SIGV4_PARAMETERS_MAX 1024u
/* Bytes of a canonical request. */
#define CRB_SIGV4_CANONICAL_MAX (256u << 10)

/*
 * `ours` are the headers that the signer adds, as "name: value\n" lines.
 * Appends the canonical request to `out`, and to `names` what it signs, as
 * "host;x-amz-date".
 */
CRB_NODISCARD enum crb_status crb_sigv4_canonical(
    const struct crb_sign_request *request, const char *ours,
    struct crb_buf *out, struct crb_buf *names, struct crb_err *err);

#endif /* !CRB_SIGV4_CANONICAL_H */
