#ifndef CRB_LISTEN_H
#define CRB_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* The broker's own user. */
#define CRB_OWNER_SELF ((uid_t)-1)

struct crb_listen {
	uid_t owner;
	mode_t mode;
	int backlog;
	/*
	 * Clients may send descriptors.  Where they may not, the kernel refuses
	 * them (since Linux 6.16): who reads from a socket closes what came and
	 * was not asked for, and one that lingers holds him up while it likes.
	 */
	bool descriptors;
};

/*
 * A listening unix socket `name` in the folder `dir`, in which nobody else can
 * write meanwhile.  It is bound beside the name and renamed over it, so that
 * one which was there is replaced in one step, and a sandbox that has the
 * folder mounted sees the new one.  The caller owns *out (CLOEXEC,
 * non-blocking).
 */
CRB_NODISCARD enum crb_status crb_listen(int dir, const char *name,
    const struct crb_listen *how, int *out, struct crb_err *err);

/* What it is bound as meanwhile is `name` with this behind. */
#define CRB_LISTEN_NEW ".new"

#endif /* !CRB_LISTEN_H */
