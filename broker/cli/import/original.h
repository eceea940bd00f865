#ifndef CRB_IMPORT_ORIGINAL_H
#define CRB_IMPORT_ORIGINAL_H

#include <sys/stat.h>

#include "base/buf.h"
#include "broker/cli/import/sources.h"

/* A file that an import reads, and may edit later if it is still the same. */
struct crb_original {
	const struct crb_source *source;
	char path[CRB_PATH_MAX];
	struct stat seen; /* when it was read */
	bool link;        /* the path is a symbolic link */
};

/*
 * Read and parse `path`; what is found gets `number` as its origin.
 * CRB_ERR_NOT_FOUND when there is none.  Nothing is added to `out` after a
 * failure.  The text is wiped before this returns.
 */
CRB_NODISCARD enum crb_status crb_original_read(struct crb_original *original,
    const struct crb_source *source, const char *path, size_t number,
    struct crb_found_list *out, struct crb_err *err);

/*
 * Cut entries out of the file: all that would be stored as one of
 * list->at[which[...]] was.  The new text goes into a file beside it, which is
 * synced and takes its place, with its mode and group.  There is no backup,
 * for it would hold the secret.
 *
 * Refused, and nothing changed, when the path is a symbolic link, the file is
 * somebody else's, has another name (a hard link), is no regular file, or is
 * not as it was read.
 */
CRB_NODISCARD enum crb_status crb_original_cut(
    const struct crb_original *original, const struct crb_found_list *list,
    const size_t *which, size_t count, struct crb_err *err);

/* The text without what is alike to one of those; for crb_original_cut(). */
CRB_NODISCARD enum crb_status crb_original_edit(crb_import_fn *parse,
    struct crb_buf *text, const struct crb_found_list *list,
    const size_t *which, size_t count, struct crb_err *err);

#endif /* !CRB_IMPORT_ORIGINAL_H */
