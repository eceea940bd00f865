#ifndef CRB_SERVICE_USER_H
#define CRB_SERVICE_USER_H

#include <sys/types.h>

#include "base/err.h"

#define CRB_SERVICE_USER_TEXT 32

/* As whom a process of root's broker runs. */
struct crb_service_user {
	uid_t uid;
	char text[CRB_SERVICE_USER_TEXT]; /* "UID:GID"; "": as the broker */
};

/*
 * A name or a number, as the configuration says it; NULL: `preset`, where
 * there is such a user.  Only for root are there others than itself.
 */
CRB_NODISCARD enum crb_status crb_service_user(const char *key,
    const char *said, const char *preset, struct crb_service_user *out,
    struct crb_err *err);

#endif /* !CRB_SERVICE_USER_H */
