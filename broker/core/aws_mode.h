#ifndef CRB_AWS_MODE_H
#define CRB_AWS_MODE_H

#include <stdbool.h>

#include "base/err.h"

/*
 * How a session's AWS tools come to their keys: exactly one way is offered.
 * The names are those of --aws, of the record, and of `session show`.
 */
enum crb_aws_mode {
	CRB_AWS_NONE,      /* no grant yields keys of AWS */
	CRB_AWS_CONTAINER, /* /v1/aws/NAME */
	CRB_AWS_IMDS,      /* /latest/ */
	CRB_AWS_PROCESS,   /* credential_process */
	CRB_AWS_INJECT,    /* /http/NAME/: they are never handed out */
	CRB_AWS_MODE_COUNT
};
/* The form of the credentials that this is about. */
#define CRB_AWS_FORM "aws-keys"

struct crb_session;
struct crb_grant;

/* NULL for none. */
const char *crb_aws_mode_name(enum crb_aws_mode mode);
CRB_NODISCARD enum crb_status crb_aws_mode_parse(
    const char *name, enum crb_aws_mode *out, struct crb_err *err);

/* The first grant that yields keys of AWS, and is handed out (or not). */
const struct crb_grant *crb_aws_grant(
    const struct crb_session *session, bool minted);

#endif /* !CRB_AWS_MODE_H */
