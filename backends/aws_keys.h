#ifndef CRB_AWS_KEYS_H
#define CRB_AWS_KEYS_H

#include "base/err.h"
#include "base/secret.h"

/*
 * Keys of AWS, or of a service that speaks its protocols.  Their one text, for
 * what is stored and for what is leased ("aws-keys"):
 *
 *   ACCESSKEYID LF SECRET           of a user
 *   ACCESSKEYID LF SECRET LF TOKEN  of a session
 *
 * without a line feed at its end.  Ids are 3 to 128 letters, digits and "_";
 * secrets and tokens are printable ASCII without blanks, at most 256 and 8192.
 */
#define CRB_AWS_ID_MAX 128
#define CRB_AWS_SECRET_MAX 256
#define CRB_AWS_TOKEN_MAX 8192

struct crb_aws_keys {
	const char *id;
	const char *secret;
	const char *token; /* NULL: none */
	char *text;        /* holds them, in the slab */
};
#define CRB_AUTO_AWS_KEYS __attribute__((cleanup(crb_aws_keys_clear)))
void crb_aws_keys_clear(struct crb_aws_keys *keys);

/* Of that text.  The caller clears *out.  No error repeats a byte of it. */
CRB_NODISCARD enum crb_status crb_aws_keys_parse(const struct crb_secret *text,
    struct crb_aws_keys *out, struct crb_err *err);

/* That text; `token` may be NULL.  The caller owns *out. */
CRB_NODISCARD enum crb_status crb_aws_keys_text(const char *id,
    const char *secret, const char *token, struct crb_secret **out,
    struct crb_err *err);

/*
 * That text of what people have: the text itself, JSON as `aws iam
 * create-access-key` and `aws sts` print it or as a credential process does, a
 * profile of ~/.aws/credentials, assignments of a shell, or the CSV file of the
 * console.  No error repeats a byte of it.
 */
#define CRB_AWS_GIVEN_MAX (16u << 10)
CRB_NODISCARD enum crb_status crb_aws_keys_given(const struct crb_secret *given,
    struct crb_secret **out, struct crb_err *err);

#endif /* !CRB_AWS_KEYS_H */
