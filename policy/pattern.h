#ifndef CRB_PATTERN_H
#define CRB_PATTERN_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Patterns over names made of segments ("acme/api", "refs/heads/agent/x",
 * "api.github.com").  Always anchored at both ends, case-sensitive:
 *
 *   literal   itself
 *   *         any run of characters within one segment, the empty one
 *             excepted when it is the whole segment
 *   **        as a whole segment: one or more segments
 *
 * so that "acme/" + "*" matches "acme/api" and neither "acme/a/b", "acme/",
 * nor "acme-evil/a".  There are no classes, no escapes and no "?"; a name that
 * has a "*" or an empty segment in it is matched by nothing.  `separator` is
 * '/' for paths and '.' for host names.
 */
#define CRB_PATTERN_MAX 512

/* At most CRB_PATTERN_MAX bytes of printable ASCII, no empty segment. */
CRB_NODISCARD enum crb_status crb_pattern_check(
    const char *pattern, char separator, struct crb_err *err);

/*
 * `pattern` has passed crb_pattern_check().  Bounded: O(n * m) in their
 * lengths, without recursion.
 */
bool crb_pattern_match(const char *pattern, const char *name, char separator);

#endif /* !CRB_PATTERN_H */
