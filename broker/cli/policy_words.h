#ifndef CRB_POLICY_WORDS_H
#define CRB_POLICY_WORDS_H

#include <jansson.h>

#include "base/buf.h"
#include "policy/decide.h"
#include "policy/limits.h"
#include "policy/question.h"

/* What was decided, and why, for people and programs. */

/* "deny", "ask", "allow" */
const char *crb_effect_word(enum crb_effect effect);

/*
 * "deny by rule no-prod, tier organization: production is off limits", or what
 * came closest to allowing it.  What others chose is not escaped yet.
 */
void crb_verdict_words(const struct crb_verdict *verdict,
    const struct crb_question *question, struct crb_buf *out);

/*
 * {"effect", "tier", "policy", "rule", "reason", "closest", "matcher",
 * "unproved", "problem", "durable", "approvers", "four_eyes"}: what there is
 * of them.
 */
json_t *crb_verdict_json(const struct crb_verdict *verdict);

/*
 * What is asked, as a matcher is called: "refs/heads/main" of "ref"; "not
 * known", "any" and the like where it has no value.
 */
void crb_question_value(const struct crb_question *question,
    const char *matcher, struct crb_buf *out);

/* "8h", "2.0 GiB", "100", "no limit" */
#define CRB_POLICY_LIMIT_TEXT 32
void crb_policy_limit_text(
    size_t limit, int64_t most, char out[CRB_POLICY_LIMIT_TEXT]);

#endif /* !CRB_POLICY_WORDS_H */
