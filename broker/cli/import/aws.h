#ifndef CRB_IMPORT_AWS_H
#define CRB_IMPORT_AWS_H

#include "broker/cli/import/found.h"

#define CRB_AWS_FOUND_KIND "AWS access key"

/*
 * Keys for backend aws-sts, of the profile `account`.  What cannot be stored
 * is added all the same, without them and with the reason.  *added is never
 * NULL on success.
 */
struct crb_aws_finding {
	struct crb_slice account;
	struct crb_slice id, secret, token; /* token may be empty */
	struct crb_slice region;            /* or empty: us-east-1 */
	struct crb_finding where;           /* its lines */
};
CRB_NODISCARD enum crb_status crb_aws_found_add(struct crb_found_list *list,
    const struct crb_aws_finding *finding, struct crb_found **added,
    struct crb_err *err);

/* Set a parameter of one that can be stored; "" takes it away. */
CRB_NODISCARD enum crb_status crb_aws_found_set(struct crb_found *found,
    const char *key, struct crb_slice value, struct crb_err *err);
/* Whether the backend takes its parameters; says so of one that it does not.
 */
CRB_NODISCARD enum crb_status crb_aws_found_check(
    struct crb_found *found, struct crb_err *err);

#endif /* !CRB_IMPORT_AWS_H */
