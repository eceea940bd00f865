#ifndef CRB_SANDBOX_FILTER_H
#define CRB_SANDBOX_FILTER_H

#include "base/err.h"

/*
 * The sandbox's seccomp program, compiled into a memory file for bubblewrap's
 * --seccomp.  It leaves the terminal as it is and denies what would reach out
 * of the sandbox: typing into the caller's terminal (TIOCSTI, TIOCLINUX), the
 * kernel's keyrings and families of sockets, which no namespace separates.
 */
CRB_NODISCARD enum crb_status crb_sandbox_filter(int *fd, struct crb_err *err);

#endif /* !CRB_SANDBOX_FILTER_H */
