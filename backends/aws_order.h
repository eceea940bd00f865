#ifndef CRB_AWS_ORDER_H
#define CRB_AWS_ORDER_H

#include <jansson.h>

#include "backends/aws_params.h"

/*
 * What STS is asked for a session, told in public: JSON with "call" and
 * "duration" (seconds), and where the call takes them "role_arn",
 * "external_id", "session_name", "source_identity", "policy" (text),
 * "policy_arns", "tags" (an object).  "notes" are texts for who issues; not
 * there when there is nothing to say.
 */
CRB_NODISCARD enum crb_status crb_aws_order_make(
    const struct crb_aws_params *params, const struct crb_scope *const *scopes,
    size_t count, const struct crb_mint_terms *terms, json_t **out,
    struct crb_err *err);

/* Which call it is for.  One that nobody here has is an error. */
CRB_NODISCARD enum crb_status crb_aws_order_call(
    const json_t *order, enum crb_aws_call *out, struct crb_err *err);

/*
 * The form of a request for it, appended to `out`:
 * "Action=AssumeRole&Version=...", percent-encoded (STS API reference).
 */
CRB_NODISCARD enum crb_status crb_aws_order_form(const json_t *order,
    int64_t duration, struct crb_buf *out, struct crb_err *err);

#endif /* !CRB_AWS_ORDER_H */
