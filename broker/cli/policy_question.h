#ifndef CRB_POLICY_QUESTION_H
#define CRB_POLICY_QUESTION_H

#include <jansson.h>

#include "base/options.h"
#include "policy/cases.h"

/*
 * A question for the tiers, put together from what was typed or from what the
 * broker recorded: the members of a case (policy/cases.h), so that it is read
 * as strictly as one, and means the same.
 */

/* "repository=acme/api+acme/web,git=push" into {"repository": [...], ...}. */
CRB_NODISCARD enum crb_status crb_question_scope_json(
    const char *text, json_t *into, struct crb_err *err);

/*
 * Read it: one case, borrowing `zones`, and its question.  "name" and "expect"
 * are filled in.  One more member, "fold", names attributes of which either
 * letter case is the same upstream.  Messages start with the member, as in
 * "scope.git: ...".
 */
CRB_NODISCARD enum crb_status crb_question_read(json_t *members,
    const struct crb_zones *zones, struct crb_cases **out,
    struct crb_question *question, struct crb_err *err);

/* An array of the names of attributes that have no letter case. */
void crb_question_set_folds(struct crb_question *question, const json_t *names);

#endif /* !CRB_POLICY_QUESTION_H */
