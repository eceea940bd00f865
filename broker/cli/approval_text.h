#ifndef CRB_APPROVAL_TEXT_H
#define CRB_APPROVAL_TEXT_H

#include <jansson.h>

/*
 * An approval as people see it, out of the broker's answer (docs/admin-api.md,
 * "approval").  A sandbox has chosen much of it: all is escaped, and nothing
 * of what is bound is cut.
 */

/* All of it, a line each, on standard output. */
void crb_approval_print(const json_t *approval);

/*
 * One line for a pipe, cells between tabs: id, state, task, session, user,
 * credential, summary, tier, rule, expires.
 */
void crb_approval_line(const json_t *approval);

#endif /* !CRB_APPROVAL_TEXT_H */
