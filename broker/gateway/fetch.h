#ifndef CRB_FETCH_H
#define CRB_FETCH_H

#include "broker/gateway/exchange.h"

/*
 * What the gateway answers by itself: fetches of a live lease, and the EC2
 * metadata.  The core is asked only for a lease that is not there, or does not
 * last.
 */

/* What the metadata wants of a request besides its path; others pass. */
bool crb_fetch_permits(
    struct crb_exchange *exchange, struct crb_refusal *refusal);

enum MHD_Result crb_fetch_lease_begin(struct crb_exchange *exchange);
enum MHD_Result crb_fetch_imds_begin(struct crb_exchange *exchange);
enum MHD_Result crb_fetch_token_begin(struct crb_exchange *exchange);

enum MHD_Result crb_fetch_reply(
    struct crb_exchange *exchange, const char *data, size_t *size);

/* The core was asked and says that it has sent the lease. */
void crb_fetch_sent(struct crb_exchange *exchange);

#endif /* !CRB_FETCH_H */
