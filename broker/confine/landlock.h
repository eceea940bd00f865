#ifndef CRB_LANDLOCK_H
#define CRB_LANDLOCK_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Landlock, by its system calls: what files a process may open, on top of
 * whose they are.  linux/landlock.h and
 * Documentation/userspace-api/landlock.rst
 */
struct crb_landlock_rule {
	const char *path; /* a folder, with all below it; NULL: the end */
	bool write;       /* and make, rename and remove; otherwise read */
};

/* The interface's version, 0 where the kernel has none of it. */
int crb_landlock_version(void);

/*
 * From here on no file may be opened but by these rules, nothing executed, no
 * TCP port bound, and none connected to unless `connect`.  A path that is not
 * there is passed over.  Only where crb_landlock_version() is not 0; needs
 * no_new_privs.
 */
CRB_NODISCARD enum crb_status crb_landlock_confine(
    const struct crb_landlock_rule *rules, bool connect, struct crb_err *err);

#endif /* !CRB_LANDLOCK_H */
