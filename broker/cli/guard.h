#ifndef CRB_GUARD_H
#define CRB_GUARD_H

#include <stdbool.h>

#include "base/options.h"
#include "base/path.h"
#include "broker/cli/mounts.h"
#include "broker/cli/protected.h"

/* One writable folder, and what of it is made read-only. */
struct crb_guard {
	const struct crb_protected_request *request;
	struct crb_mounts *mounts;
	struct crb_protected *out;
	char source[CRB_PATH_MAX]; /* real */
	char target[CRB_PATH_MAX];
	bool workspace; /* its names are told */
};

/* What is at a path of the folder: nothing is followed. */
enum crb_guard_kind {
	CRB_GUARD_ABSENT,
	CRB_GUARD_LINK, /* it or a folder above it is a symbolic link */
	CRB_GUARD_FILE,
	CRB_GUARD_FOLDER,
};
enum crb_guard_kind crb_guard_look(
    const struct crb_guard *guard, const char *path);

/*
 * Make `path` (of the host, in the folder) read-only, and pin the folders
 * above it.  What is absent is left alone, a link's target is protected when
 * it is in the folder.  Returns what was there.
 */
enum crb_guard_kind crb_guard_protect(
    struct crb_guard *guard, const char *path);

/* Pin a folder and those above it, so that they are not moved or replaced. */
void crb_guard_pin(struct crb_guard *guard, const char *path);

/* Whether `path` is to stay writable. */
bool crb_guard_open(const struct crb_guard *guard, const char *path);

/* What `path` is called in what people read. */
const char *crb_guard_name(const struct crb_guard *guard, const char *path);

#endif /* !CRB_GUARD_H */
