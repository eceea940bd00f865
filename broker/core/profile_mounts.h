#ifndef CRB_PROFILE_MOUNTS_H
#define CRB_PROFILE_MOUNTS_H

#include <jansson.h>

#include "base/err.h"

/*
 * The mounts of a profile: [{source, target, read_only}], for the sandboxes of
 * its sessions.  Here they are judged by their text; whoever makes a sandbox
 * judges what is there.
 */
#define CRB_PROFILE_MOUNTS_MAX 16

/*
 * `given` may leave out `target` (the source's path) and `read_only` (false).
 * Paths are absolute, without "." and "..", and neither hold nor lie in one of
 * `kept` (NULL-terminated), the broker's own folders.
 */
CRB_NODISCARD enum crb_status crb_profile_mounts_read(const json_t *given,
    const char *const *kept, json_t **out, struct crb_err *err);

#endif /* !CRB_PROFILE_MOUNTS_H */
