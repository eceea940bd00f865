#ifndef CRB_POLICY_GRANT_H
#define CRB_POLICY_GRANT_H

#include "backends/backend.h"
#include "broker/cli/command.h"
#include "policy/question.h"

/* What the broker would ask the tiers of a grant, asked without issuing it. */

/*
 * The broker's credentials, by name; NULL, and a line in `notes`, when it does
 * not answer or will not say.
 */
json_t *crb_policy_credentials(struct crb_cli *cli, json_t *notes);
/* One of them, and its backend; NULL when it is not among them. */
const struct crb_backend_ops *crb_policy_backend(
    const json_t *credentials, const char *name, const json_t **shown);

/*
 * Set the members "scope", "open", "later" and "fold" of a question about a
 * grant, "mint" or "inject", as the broker would.  `scope` as in a grant; or
 * NULL, all that there is.
 */
CRB_NODISCARD enum crb_status crb_policy_grant_members(
    const struct crb_backend_ops *backend, const json_t *shown, bool mint,
    const char *scope, json_t *members, struct crb_err *err);

/* What a request of it has, too: where it goes, when that is one host. */
void crb_policy_request_members(const struct crb_backend_ops *backend,
    const json_t *shown, json_t *members);

/* As for a grant, of a backend that is not known: all that policies know comes
 * later, or is open. */
void crb_policy_any_members(bool mint, json_t *members);

#endif /* !CRB_POLICY_GRANT_H */
