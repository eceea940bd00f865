#ifndef CRB_STS_REPLY_H
#define CRB_STS_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * What STS answers (docs.aws.amazon.com/STS/latest/APIReference), as AWS and as
 * Ceph's gateway write it.
 */
struct crb_sts_reply {
	struct crb_secret *keys; /* in the text of backends/aws_keys.h; owned */
	char id[129];            /* the access key's */
	int64_t expires;         /* wall seconds */
	unsigned packed; /* percent of what a policy may take; 0: untold */
};
void crb_sts_reply_clear(struct crb_sts_reply *reply);

/*
 * A reply to `action` ("AssumeRole"): whatever is needed is there exactly once,
 * and sound.  No error repeats a byte of it.  The caller clears *out.
 */
CRB_NODISCARD enum crb_status crb_sts_reply_read(const char *action,
    const char *text, size_t len, struct crb_sts_reply *out,
    struct crb_err *err);

/* Why not, as it is told there: fit to be shown, and cut; "" where untold. */
struct crb_sts_error {
	char code[65];
	char message[257];
	char request[129];
};
/*
 * Of anything; what cannot be read tells nothing, and neither does what repeats
 * the secret or the token of `keys`.
 */
struct crb_aws_keys;
void crb_sts_error_read(const char *text, size_t len,
    const struct crb_aws_keys *keys, struct crb_sts_error *out);

/* "2026-11-21T18:00:00Z", perhaps with a fraction of a second. */
CRB_NODISCARD enum crb_status crb_sts_time(
    const char *text, int64_t *seconds, struct crb_err *err);

#endif /* !CRB_STS_REPLY_H */
