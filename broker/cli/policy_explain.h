#ifndef CRB_POLICY_EXPLAIN_H
#define CRB_POLICY_EXPLAIN_H

#include <jansson.h>

#include "policy/decide.h"
#include "policy/question.h"

/*
 * A decision, laid open: what was asked, what became of each rule of each tier,
 * what each tier says, and the verdict.  `problem` says why the broker allows
 * nothing at all; NULL: it does.  `ask_always`: of a session that asks for
 * everything.
 */
void crb_policy_explain_print(const struct crb_tiers *tiers,
    const struct crb_question *question, const char *problem, bool ask_always);

/* The same: {"asked", "rules", "tiers", "verdict"}. */
json_t *crb_policy_explain_json(const struct crb_tiers *tiers,
    const struct crb_question *question, const char *problem, bool ask_always);

#endif /* !CRB_POLICY_EXPLAIN_H */
