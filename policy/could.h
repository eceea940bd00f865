#ifndef CRB_POLICY_COULD_H
#define CRB_POLICY_COULD_H

#include <stdbool.h>

#include "policy/document.h"
#include "policy/question.h"

/*
 * What can be said of a policy before anybody asks: whether there is a session
 * at all, of any user, task and label and at any time, that it gives a grant.
 * False is certain.
 */
bool crb_policy_could_allow(
    const struct crb_policy *policy, const struct crb_question *grant);

/* Each credential that is named in a rule as it is, and not by a pattern. */
void crb_policy_credentials_named(const struct crb_policy *policy,
    void (*each)(
	void *ctx, unsigned line, const char *rule, const char *credential),
    void *ctx);

#endif /* !CRB_POLICY_COULD_H */
