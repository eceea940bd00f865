#ifndef CRB_APART_H
#define CRB_APART_H

#include "base/err.h"

/* Namespaces that a process may have of its own; mounts come with a root. */
enum crb_apart {
	CRB_APART_USER = 1,
	CRB_APART_PID = 2,
	CRB_APART_IPC = 4,
	CRB_APART_UTS = 8,
	CRB_APART_NET = 16,
};

/* clone()'s and unshare()'s flags for these. */
unsigned crb_apart_flags(unsigned namespaces);

/*
 * As an ordinary user: a user namespace, in which it is who it is outside and
 * may make mounts, and with it `namespaces`, CRB_APART_PID excepted.  It is
 * made by the process itself, once it runs its program: of one that was started
 * in a user namespace the user's other programs could read the memory, as they
 * have every privilege in it.  When it fails nothing has changed.
 */
CRB_NODISCARD enum crb_status crb_apart_enter(
    unsigned namespaces, struct crb_err *err);

#endif /* !CRB_APART_H */
