#ifndef CRB_EGRESS_MEMORY_H
#define CRB_EGRESS_MEMORY_H

#include "base/err.h"

/*
 * Make libcurl and OpenSSL draw from the slab, where a header with a secret is
 * locked and wiped, and start them.  Once, before anything else of theirs.
 */
CRB_NODISCARD enum crb_status crb_egress_memory(struct crb_err *err);

#endif /* !CRB_EGRESS_MEMORY_H */
