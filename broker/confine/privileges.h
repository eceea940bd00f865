#ifndef CRB_PRIVILEGES_H
#define CRB_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* This process may make mounts, in its own user namespace at least. */
bool crb_privileges_mount(void);

/*
 * Keep no capability, or CAP_SYS_ADMIN alone, which then also passes execve():
 * for a child that is to make itself a root of its own.
 */
CRB_NODISCARD enum crb_status crb_privileges_keep(
    bool mount, struct crb_err *err);

/* Become another user, without any further group, keeping capabilities. */
CRB_NODISCARD enum crb_status crb_privileges_become(
    uid_t uid, gid_t gid, struct crb_err *err);

#endif /* !CRB_PRIVILEGES_H */
