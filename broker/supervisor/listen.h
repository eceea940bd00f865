#ifndef CRB_LISTEN_H
#define CRB_LISTEN_H

#include <sys/types.h>

#include "base/err.h"

/* The broker's own user. */
#define CRB_OWNER_SELF ((uid_t)-1)

/*
 * A listening unix socket `name`, 0600 and `owner`'s, in the folder `dir`, in
 * which nobody else can write meanwhile.  It is bound beside the name and
 * renamed over it, so that one which was there is replaced in one step, and a
 * sandbox that has the folder mounted sees the new one.  The caller owns *out
 * (CLOEXEC, non-blocking).
 */
CRB_NODISCARD enum crb_status crb_listen(int dir, const char *name, uid_t owner,
    int backlog, int *out, struct crb_err *err);

/* What it is bound as meanwhile is `name` with this behind. */
#define CRB_LISTEN_NEW ".new"

#endif /* !CRB_LISTEN_H */
