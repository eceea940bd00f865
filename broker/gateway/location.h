#ifndef CRB_LOCATION_H
#define CRB_LOCATION_H

#include "base/buf.h"
#include "base/text.h"

/*
 * Append a Location as the sandbox is to see it: one that stays on `origin`
 * ("https://github.com") comes back through the gateway, as /git/AUTHORITY/...;
 * any other is passed as it is, and nothing follows it with a credential.
 */
void crb_location_rewrite(
    struct crb_buf *out, struct crb_slice location, struct crb_slice origin);
/* The same, coming back as PREFIX/... */
void crb_location_rewrite_to(struct crb_buf *out, struct crb_slice location,
    struct crb_slice origin, struct crb_slice prefix);

#endif /* !CRB_LOCATION_H */
