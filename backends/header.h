#ifndef CRB_HEADER_H
#define CRB_HEADER_H

#include <stddef.h>

#include "base/err.h"

/*
 * The name of a header that a credential may be put into: a token of RFC 9110
 * 5.6.2, and none that frames a message, belongs to one hop, says where it
 * goes or that a request brings along itself.  Written to `out` in lower case.
 */
#define CRB_HEADER_NAME_MAX 63
CRB_NODISCARD enum crb_status crb_header_name(
    const char *name, char *out, size_t size, struct crb_err *err);

#endif /* !CRB_HEADER_H */
