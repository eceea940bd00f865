#ifndef CRB_TARGET_H
#define CRB_TARGET_H

#include "base/err.h"
#include "base/text.h"

/*
 * The path and the query of a request, as the sandbox sent them.  They are
 * judged as they stand and sent upstream as they stand, so every string that
 * some server could read in another way is refused: the broker never
 * normalises.  A message says what is wrong and at which byte, from 1; it
 * repeats nothing of the text.
 */

/*
 * `path` starts behind the first slash.  Segments of RFC 3986 3.3 without
 * ";", none of them "." or "..", none empty but a last one; escapes in upper
 * case, for spaces, valid UTF-8 and what may not stand raw, never for
 * unreserved characters, "/", "\\", "%", ";", "?", "#" or controls.  At most
 * CRB_TARGET_MAX bytes, and not empty.
 */
CRB_NODISCARD enum crb_status crb_target_check_path(
    struct crb_slice path, struct crb_err *err);

/*
 * `query` is what stands behind the "?".  The characters of RFC 3986 3.4
 * without ";"; escapes in upper case, never for controls, "%" or what may
 * stand raw anywhere.  At most CRB_TARGET_MAX bytes; may be empty.
 */
CRB_NODISCARD enum crb_status crb_target_check_query(
    struct crb_slice query, struct crb_err *err);

/*
 * The same for requests that are signed again on their way (SigV4).
 *
 * An object of S3: its key is opaque, and may have any character of UTF-8 but
 * controls, empty segments behind the bucket, and "%".  It has one spelling,
 * the one that is signed: unreserved characters and "/" as themselves, all
 * else escaped, and so no escaped "/".  "." and ".." stay refused: a proxy on
 * the way may take them for steps.  May be empty, as other paths may.
 */
CRB_NODISCARD enum crb_status crb_target_check_object(
    struct crb_slice path, struct crb_err *err);
/*
 * A path of another service, whose escapes are signed as they stand: as
 * crb_target_check_path(), but whatever is no control may be escaped, since
 * names with "/" and "%" in them are parts of such paths.
 */
CRB_NODISCARD enum crb_status crb_target_check_signed_path(
    struct crb_slice path, struct crb_err *err);
/*
 * "NAME[=VALUE]" between "&", none without a name; unreserved characters as
 * themselves, all else but controls escaped.
 */
CRB_NODISCARD enum crb_status crb_target_check_signed_query(
    struct crb_slice query, struct crb_err *err);

#endif /* !CRB_TARGET_H */
