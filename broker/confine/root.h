#ifndef CRB_ROOT_H
#define CRB_ROOT_H

#include "base/err.h"

/*
 * Leave the file system for one of the process's own, in a mount namespace of
 * its own: empty and read-only, but for the files of the list (which ends with
 * NULL) that exist, read-only as well.  It takes CAP_SYS_ADMIN.  When it fails
 * the process is where it was, and no other process notices.
 */
CRB_NODISCARD enum crb_status crb_root_enter(
    const char *const *files, struct crb_err *err);

#endif /* !CRB_ROOT_H */
