#ifndef CRB_POLICY_KNOWN_H
#define CRB_POLICY_KNOWN_H

#include "broker/cli/command.h"
#include "policy/document.h"
#include "policy/lint.h"

/*
 * What only a broker's credentials and profiles show of a policy: names that
 * are none of them, and grants that no session could be given.  Starts as all
 * zeros.
 */
struct crb_policy_known {
	json_t *credentials, *profiles; /* NULL: not known */
};
void crb_policy_known_clear(struct crb_policy_known *known);

/* False: no broker answers, or it will not say. */
bool crb_policy_known_read(struct crb_cli *cli, struct crb_policy_known *known);

void crb_policy_known_lint(const struct crb_policy_known *known,
    const struct crb_policy *policy,
    void (*each)(void *ctx, const struct crb_lint *finding), void *ctx);

#define CRB_AUTO_POLICY_KNOWN __attribute__((cleanup(crb_policy_known_clear)))

#endif /* !CRB_POLICY_KNOWN_H */
