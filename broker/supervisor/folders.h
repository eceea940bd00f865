#ifndef CRB_FOLDERS_H
#define CRB_FOLDERS_H

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/*
 * The folders of sessions, in the folder that `sessions` is a descriptor of:
 * ID/endpoint.sock and the files that the core writes.  ID is 1 to 16 letters
 * and digits, which is checked here: it comes from another process.  `owner` is
 * a uid, or UINT32_MAX for the broker's own; only root can give one to somebody
 * else.
 *
 * Everything is done on descriptors and without following links, because the
 * owner of a folder is not trusted.
 */

/* Make the folder when it is missing; *listener belongs to the caller. */
CRB_NODISCARD enum crb_status crb_folder_open(int sessions, struct crb_slice id,
    uint32_t owner, int *listener, struct crb_err *err);

/*
 * One of its files (enum crb_session_file, checked here), fresh, 0400; *fd can
 * write it and belongs to the caller.
 */
CRB_NODISCARD enum crb_status crb_folder_file(int sessions, struct crb_slice id,
    uint32_t owner, unsigned file, int *fd, struct crb_err *err);

/*
 * Remove what is ours, and the folder.  One that is not there is fine; one in
 * which others have put something stays, and is an error.
 */
CRB_NODISCARD enum crb_status crb_folder_remove(
    int sessions, struct crb_slice id, struct crb_err *err);

#endif /* !CRB_FOLDERS_H */
