#ifndef CRB_LINT_H
#define CRB_LINT_H

#include "policy/document.h"

/*
 * What is sound in a policy and yet cannot be what somebody meant: rules that
 * match nothing, rules that never decide because another one does.  Each
 * finding is certain; not every such rule is found.
 */
#define CRB_LINT_TEXT 320

struct crb_lint {
	unsigned line;
	const char *rule; /* NULL: it is about the whole policy */
	char text[CRB_LINT_TEXT];
};

/*
 * In the order of the document.  Time grows with the square of the number of
 * rules, up to a bound that is told: about a second for the most there may be.
 */
void crb_policy_lint(const struct crb_policy *policy,
    void (*each)(void *ctx, const struct crb_lint *finding), void *ctx);

#endif /* !CRB_LINT_H */
