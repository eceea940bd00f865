#ifndef CRB_EGRESS_TRUST_H
#define CRB_EGRESS_TRUST_H

#include <curl/curl.h>

#include "base/err.h"

/*
 * The system's certificates, read once for all sessions.  libcurl would read
 * and keep them for each.
 */
struct crb_trust;

/* Nothing is read before it is needed. */
CRB_NODISCARD enum crb_status crb_trust_new(
    struct crb_trust **out, struct crb_err *err);
void crb_trust_free(struct crb_trust *trust);

/* Let this transfer believe in them and in nothing else; from any thread. */
CRB_NODISCARD enum crb_status crb_trust_system(
    struct crb_trust *trust, CURL *easy, struct crb_err *err);

#endif /* !CRB_EGRESS_TRUST_H */
