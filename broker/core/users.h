#ifndef CRB_USERS_H
#define CRB_USERS_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Names of the host's users, for people who read what happened: read once,
 * since a confined process asks nobody.  What counts is the number.
 */
struct crb_users;

/* Of a file such as /etc/passwd; one that is not there has no users. */
CRB_NODISCARD enum crb_status crb_users_load(
    const char *path, struct crb_users **out, struct crb_err *err);
void crb_users_free(struct crb_users *users);

/* "uid 1000 (alice)", or "uid 1000" where the name is not known. */
#define CRB_WHO_TEXT 64
void crb_users_who(
    const struct crb_users *users, uid_t uid, char out[CRB_WHO_TEXT]);

#endif /* !CRB_USERS_H */
