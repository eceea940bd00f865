#ifndef CRB_RULE_INDEX_H
#define CRB_RULE_INDEX_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Which rules a question can be about, so that deciding does not look at all of
 * them.  Each rule is filed under what it names most exactly: credentials,
 * tasks, users, or an attribute of its scope, by literals and by what patterns
 * begin with.  What cannot be filed is looked at always.
 */
struct crb_policy;
struct crb_asking;
struct crb_rule_index;

/* For policy->index, in its arena; false: without memory. */
bool crb_rule_index_build(struct crb_policy *policy);

/*
 * Call `each` for every rule that can match, some of them more than once, and
 * for none of those that are not in the index because a list of theirs is
 * empty.
 */
void crb_rule_index_search(const struct crb_policy *policy,
    const struct crb_asking *asking, void (*each)(void *ctx, size_t rule),
    void *ctx);

#endif /* !CRB_RULE_INDEX_H */
