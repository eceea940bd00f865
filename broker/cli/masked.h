#ifndef CRB_MASKED_H
#define CRB_MASKED_H

#include "base/err.h"
#include "base/path.h"
#include "broker/cli/mounts.h"

/*
 * What no sandbox sees, whatever is mounted: where people keep credentials, in
 * the home or where a variable says, and the broker's own folders and files.
 */
/* Owns its strings; out of memory aborts. */
struct crb_masked {
	size_t count;
	size_t broker; /* the first so many are the broker's own */
	char **at;
};

/*
 * `own` is NULL-terminated: places of the broker's; "" is passed over.
 * `variable` is getenv.  Places are kept as they are written and as they really
 * are.
 */
void crb_masked_init(struct crb_masked *masked, const char *home,
    const char *const *own, char *(*variable)(const char *name));
void crb_masked_clear(struct crb_masked *masked);

/* The place that `path` (real) is at or in; NULL: none. */
const char *crb_masked_over(const struct crb_masked *masked, const char *path);
/* A place of the broker's in `folder` (real), or at it; NULL: none. */
const char *crb_masked_broker_in(
    const struct crb_masked *masked, const char *folder);

/*
 * For every folder and file of the host's in the list that would show one of
 * these, and for the system's: put an empty folder or file over it.
 */
void crb_masked_apply(
    const struct crb_masked *masked, struct crb_mounts *mounts);

#endif /* !CRB_MASKED_H */
