#ifndef CRB_PROTECTED_H
#define CRB_PROTECTED_H

#include <stdbool.h>

#include "base/options.h"
#include "broker/cli/args.h"
#include "broker/cli/masked.h"
#include "broker/cli/mounts.h"

/*
 * Files of a writable folder that run code on the host later, or steer the
 * agent: read-only in the sandbox where they exist.  The folders that they
 * are in are pinned, so that they cannot be moved away.  What is not there, or
 * is a symbolic link, cannot be protected; it is watched instead.
 */
struct crb_protected_request {
	const char *home;
	const char *workspace;       /* real */
	const struct crb_list *more; /* of the configuration */
	const struct crb_list *open; /* that stay writable */
	const struct crb_masked *masked;
};

/* What the caller is told.  Starts as all zeros. */
struct crb_protected {
	struct crb_args shown;   /* read-only in the workspace, by name */
	struct crb_args notices; /* whole sentences */
	struct crb_args absent;  /* names that were not there */
	struct crb_args links;   /* pairs: a link's path, its text */
	struct crb_args made;    /* files of ours in the workspace's .git */
	size_t lock_count;
	int *locks; /* one of each of `made` */
};

/*
 * Whether what people name is plain paths in the workspace; each of `open` is
 * there, or one of the files above, or holds such.
 */
CRB_NODISCARD enum crb_status crb_protected_check(
    const struct crb_protected_request *request, struct crb_err *err);

/* For the workspace and every other writable mount of the list. */
CRB_NODISCARD enum crb_status crb_protected_apply(
    const struct crb_protected_request *request, struct crb_mounts *mounts,
    struct crb_protected *out, struct crb_err *err);

/*
 * When the command is over: what appeared or was replaced meanwhile, by name;
 * removes what was made for the time of the session.
 */
void crb_protected_end(const struct crb_protected_request *request,
    struct crb_protected *protected, struct crb_args *appeared);
void crb_protected_clear(struct crb_protected *protected);

#endif /* !CRB_PROTECTED_H */
