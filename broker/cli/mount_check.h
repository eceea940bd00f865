#ifndef CRB_MOUNT_CHECK_H
#define CRB_MOUNT_CHECK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "broker/cli/mounts.h"

/*
 * bubblewrap follows paths.  An agent that has the same workspace in another
 * sandbox could put a link there between our look and its mount, and so have
 * any file of the host's mounted.  So before the command starts, what is
 * mounted is compared with what was judged.
 *
 * `pid` is the process that waits in the finished sandbox, in which `probe`
 * is.
 */
bool crb_mount_check_ready(pid_t pid, const char *probe);
CRB_NODISCARD enum crb_status crb_mount_check(
    pid_t pid, const struct crb_mounts *mounts, struct crb_err *err);

#endif /* !CRB_MOUNT_CHECK_H */
