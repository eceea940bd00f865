#ifndef CRB_AWS_SCOPE_H
#define CRB_AWS_SCOPE_H

#include <stdbool.h>

#include "base/err.h"
#include "policy/scope.h"

/*
 * What a grant of AWS keys may be narrowed by: actions and resources, under
 * conditions; or a policy given whole; or policies of AWS by their ARNs.
 */
extern const struct crb_attribute crb_aws_attributes[];

#define CRB_AWS_POLICY_ARNS_MAX 10

/* One of the three ways, whole.  An empty list is never "everything". */
CRB_NODISCARD enum crb_status crb_aws_scope_check(
    const struct crb_scope *scope, struct crb_err *err);

/* It allows everything that the stored keys may: actions=*,resources=*. */
bool crb_aws_scope_is_all(const struct crb_scope *scope);

/* The values of an attribute; NULL: the scope does not have it. */
const struct crb_scope_attribute *crb_aws_scope_at(
    const struct crb_scope *scope, const char *attribute);

/* "StringLike(s3:prefix)=logs/" in its three parts, of a text that passed. */
struct crb_aws_condition {
	char operation[64];
	char key[256];
	const char *value; /* borrowed from the text */
};
CRB_NODISCARD enum crb_status crb_aws_condition_parse(
    const char *text, struct crb_aws_condition *out, struct crb_err *err);

#endif /* !CRB_AWS_SCOPE_H */
