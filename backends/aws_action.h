#ifndef CRB_AWS_ACTION_H
#define CRB_AWS_ACTION_H

#include "base/err.h"
#include "base/text.h"

/*
 * Actions whose answers are credentials.  What is signed for a sandbox goes to
 * a service that has none of them, as far as its name tells; a provider that
 * has all of its services at one address may answer any of them there.
 *
 * Names are compared without regard to case.
 */

/* "AssumeRole"; CRB_ERR_DENIED with the reason. */
CRB_NODISCARD enum crb_status crb_aws_action_check(
    struct crb_slice action, struct crb_err *err);

/* "AWSCognitoIdentityService.GetId": the header x-amz-target. */
CRB_NODISCARD enum crb_status crb_aws_action_check_target(
    struct crb_slice target, struct crb_err *err);

/*
 * What is sent: parameters of a query, or any body, since there are services
 * that look for their action in one of whatever type it is said to be.  In a
 * form (`form`) it must be there once at most, and in letters and digits.
 */
CRB_NODISCARD enum crb_status crb_aws_action_check_text(
    struct crb_slice text, bool form, struct crb_err *err);

#endif /* !CRB_AWS_ACTION_H */
