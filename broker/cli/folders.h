#ifndef CRB_FOLDERS_H
#define CRB_FOLDERS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/path.h"

/* `inner` is `folder` or lies below it; both absolute, without "." or "..". */
bool crb_folder_holds(const char *folder, const char *inner);

/* What follows `folder` in `inner`, which it holds: "" or "/...". */
const char *crb_folder_rest(const char *folder, const char *inner);

/* Without links, "." and "..".  It must be there. */
CRB_NODISCARD enum crb_status crb_folder_real(
    const char *path, char out[CRB_PATH_MAX], struct crb_err *err);

/*
 * Absolute, without "." and doubled slashes; "..", relative paths and what
 * does not fit are an error.  Nothing need be there.
 */
CRB_NODISCARD enum crb_status crb_folder_clean(
    const char *path, char out[CRB_PATH_MAX], struct crb_err *err);

/* The folder that `path` is in; "/" for what is at the top. */
void crb_folder_above(const char *path, char out[CRB_PATH_MAX]);

/* What comes behind the last slash. */
const char *crb_folder_name(const char *path);

/*
 * Follow an absolute path step by step.  `link` is told of each symbolic link
 * on the way: where it really is, and its text.  *real is where the path ends.
 */
typedef void crb_link_fn(void *ctx, const char *at, const char *text);
CRB_NODISCARD enum crb_status crb_folder_walk(const char *path,
    crb_link_fn *link, void *ctx, char real[CRB_PATH_MAX], struct crb_err *err);

#endif /* !CRB_FOLDERS_H */
