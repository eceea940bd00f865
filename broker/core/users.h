#ifndef CRB_USERS_H
#define CRB_USERS_H

#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"

/*
 * Names of the host's users and groups, for people who read what happened and
 * for policies: read at start and whenever policies are, for a confined process
 * asks nobody.  For roles what counts is the number.
 */
struct crb_users;

/*
 * Of files such as /etc/passwd and /etc/group; one that is not there has
 * nobody.
 */
CRB_NODISCARD enum crb_status crb_users_load(const char *passwd,
    const char *group, struct crb_users **out, struct crb_err *err);
void crb_users_free(struct crb_users *users);

/* The first of his names; NULL: not known.  Borrowed. */
const char *crb_users_name(const struct crb_users *users, uid_t uid);
/*
 * The names of groups, as an array: all that one has, and of one without a
 * name "gid 4711", which nobody is called.  NULL without memory.
 */
json_t *crb_users_groups(
    const struct crb_users *users, const gid_t *gids, size_t count);

/* "uid 1000 (alice)", or "uid 1000" where the name is not known. */
#define CRB_WHO_TEXT 64
void crb_users_who(
    const struct crb_users *users, uid_t uid, char out[CRB_WHO_TEXT]);

#endif /* !CRB_USERS_H */
