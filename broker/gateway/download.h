#ifndef CRB_DOWNLOAD_H
#define CRB_DOWNLOAD_H

#include "broker/gateway/exchange.h"

/*
 * The way down: upstream's response from egress to the client.  What the
 * client does not read is not taken from the stream.  A response that is cut
 * short while it is in pkt-lines ends with a message that git shows.
 */

/*
 * Look for the head of the response, unless it is known: it is noted, or the
 * exchange is refused.  Nothing happens while nothing waits.
 */
void crb_download_head(struct crb_exchange *exchange);

/* The request has gone; queue the response when its head is there. */
enum MHD_Result crb_download_await(
    struct crb_exchange *exchange, const char *data, size_t *size);

/* Upstream, or the session, is gone in the middle of the response. */
void crb_download_cut(
    struct crb_exchange *exchange, const struct crb_refusal *refusal);

#endif /* !CRB_DOWNLOAD_H */
