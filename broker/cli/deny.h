#ifndef CRB_CLI_DENY_H
#define CRB_CLI_DENY_H

#include <stdint.h>

#include <jansson.h>

/*
 * The policy that an admin attaches to a role of AWS's to end keys that were
 * issued already.  One of a task or of a session goes by the tags that its
 * keys carry; one of neither, by the time: keys from before `now` (wall
 * seconds) are worth nothing, whoever has them.  NULL without memory.
 */
json_t *crb_deny_policy(const char *task, const char *session, int64_t now);

#endif /* !CRB_CLI_DENY_H */
