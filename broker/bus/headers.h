#ifndef CRB_HEADERS_H
#define CRB_HEADERS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "broker/bus/messages.h"

/*
 * Headers on a stream: a block of "name: value\n" lines.  Names are lower-case
 * and on the list of their direction, values are printable ASCII and tabs
 * without blanks around them.  Who writes a block and who reads it both check,
 * so that neither has to believe the other.  Framing is never in it: kind and
 * length of a body are fields of the messages.
 */
#define CRB_HEADERS_COUNT_MAX 64
#define CRB_HEADER_NAME_MAX 64

struct crb_header {
	struct crb_slice name;
	struct crb_slice value;
};

/* The name, in any case, may go upstream on this route; may come back. */
bool crb_header_request_ok(enum crb_route_kind route, struct crb_slice name);
bool crb_header_response_ok(enum crb_route_kind route, struct crb_slice name);
/* What users say of their objects: it is only said, and may be called anything.
 */
bool crb_header_is_metadata(struct crb_slice name);

/* Bytes that a block can carry: 0x20 to 0x7e and tabs. */
bool crb_header_value_ok(struct crb_slice value);

/*
 * Append a line, with the name in lower case and blanks around the value cut
 * off.  False, with nothing appended, when name or value cannot be in a block
 * or the value is empty; a full `block` is seen with crb_buf_check().  Whether
 * the name is on a list is the caller's to ask.
 */
bool crb_headers_add(
    struct crb_buf *block, struct crb_slice name, struct crb_slice value);

/*
 * Cut the next line off the front of *rest; the slices point into it.  *more
 * is false, and *out untouched, when *rest is used up.  CRB_ERR_INVALID for
 * anything that crb_headers_add() does not write.  Count them: the block's
 * size is bounded by its message, their number is not.
 */
CRB_NODISCARD enum crb_status crb_headers_next(struct crb_slice *rest,
    struct crb_header *out, bool *more, struct crb_err *err);

/*
 * Append the lines of a block that may say what a request of an API asks for,
 * X-Amz-Target for one: all but those that only say who asks, and how the
 * answer should look.  Somebody who approves a request has seen them.
 */
CRB_NODISCARD enum crb_status crb_headers_bound(
    struct crb_slice block, struct crb_buf *out, struct crb_err *err);

#endif /* !CRB_HEADERS_H */
