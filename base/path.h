#ifndef CRB_PATH_H
#define CRB_PATH_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* A path that fits, or an error. */
#define CRB_PATH_MAX 4096

/* out = "a/b", or "a" when `b` is empty; CRB_ERR_TOO_LARGE when it does not
 * fit. */
CRB_NODISCARD enum crb_status crb_path_join(
    char out[CRB_PATH_MAX], const char *a, const char *b, struct crb_err *err);

/*
 * Every folder from / down to `path` (itself included when it is a folder)
 * belongs to root or to `owner` and can be written by nobody else, sticky
 * folders such as /tmp excepted as parents; symbolic links on the way are
 * resolved first and the real path is judged.  The message names the folder
 * that fails and what to do.
 */
CRB_NODISCARD enum crb_status crb_path_secure(
    const char *path, uid_t owner, struct crb_err *err);

/*
 * A file that holds something secret: regular, not a link, owned by root or
 * `owner`, no access for group and others, parents as above.
 */
CRB_NODISCARD enum crb_status crb_path_private(
    const char *path, uid_t owner, struct crb_err *err);

/* Make a folder and its missing parents, 0700; an existing one is fine. */
CRB_NODISCARD enum crb_status crb_path_make(
    const char *path, struct crb_err *err);

#endif /* !CRB_PATH_H */
