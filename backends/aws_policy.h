#ifndef CRB_AWS_POLICY_H
#define CRB_AWS_POLICY_H

#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "policy/scope.h"

/* What STS takes, of a session policy and the ARNs beside it together. */
#define CRB_AWS_POLICY_MAX 2048

/*
 * A policy document is sound: Version 2012-10-17, and statements that have an
 * effect, actions and resources, none of them empty, and nothing that nobody
 * knows.  Written to `out` minified, in ASCII, without the names that it gives
 * itself and its statements (docs.aws.amazon.com/IAM, "IAM JSON policy element
 * reference").
 */
CRB_NODISCARD enum crb_status crb_aws_policy_check(
    const char *text, struct crb_buf *out, struct crb_err *err);

/*
 * The session policy that allows what any of the scopes does, each of which has
 * passed crb_aws_scope_check(): one statement a scope, those of policies given
 * whole as they are, sorted, each once; no text when all scopes name policies
 * by ARN.  *arns is an array without repetition, perhaps empty.  The caller
 * owns both.  Deterministic, and the same for any order of scopes.
 */
CRB_NODISCARD enum crb_status crb_aws_policy_make(
    const struct crb_scope *const *scopes, size_t count, struct crb_buf *text,
    json_t **arns, struct crb_err *err);

#endif /* !CRB_AWS_POLICY_H */
