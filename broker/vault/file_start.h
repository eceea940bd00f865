#ifndef CRB_FILE_START_H
#define CRB_FILE_START_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * At most the first `cap` bytes of a regular file, links not followed; `size`
 * is the whole file's.  CRB_ERR_NOT_FOUND: there is none.  CRB_ERR_CORRUPT: it
 * is something else.  Errors do not say the path.
 */
CRB_NODISCARD enum crb_status crb_file_start(const char *path, uint8_t *bytes,
    size_t cap, size_t *len, off_t *size, struct crb_err *err);

#endif /* !CRB_FILE_START_H */
