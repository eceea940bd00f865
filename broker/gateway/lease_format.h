#ifndef CRB_LEASE_FORMAT_H
#define CRB_LEASE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/text.h"

/* Keys of AWS, as they are leased, and as they are handed out: pure. */

/* One for each kind of client. */
enum crb_lease_format {
	CRB_LEASE_CONTAINER, /* container credentials: /v1/aws/NAME */
	CRB_LEASE_IMDS,      /* EC2 metadata: security-credentials/NAME */
	CRB_LEASE_PROCESS,   /* credential_process */
	CRB_LEASE_FORMATS
};

/* Slices of the text that was split. */
struct crb_lease_keys {
	struct crb_slice id, secret;
	struct crb_slice token; /* empty: none */
};

/*
 * "ID\nSECRET" or "ID\nSECRET\nTOKEN", without a final newline.  False when it
 * is anything else.
 */
bool crb_lease_keys_split(struct crb_slice text, struct crb_lease_keys *out);

/* What a client is given: a JSON object; `out` should be wiped. */
struct crb_lease_terms {
	int64_t updated, expires; /* wall clock, seconds */
};
void crb_lease_write(enum crb_lease_format format,
    const struct crb_lease_keys *keys, const struct crb_lease_terms *terms,
    struct crb_buf *out);

#endif /* !CRB_LEASE_FORMAT_H */
