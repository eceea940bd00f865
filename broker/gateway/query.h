#ifndef CRB_QUERY_H
#define CRB_QUERY_H

#include "broker/gateway/exchange.h"

/*
 * A question that the core answers itself: QUERY, and ANSWER with a whole
 * response.
 */
enum MHD_Result crb_query_begin(struct crb_exchange *exchange);
enum MHD_Result crb_query_collect(
    struct crb_exchange *exchange, const char *data, size_t *size);
enum MHD_Result crb_query_reply(
    struct crb_exchange *exchange, const char *data, size_t *size);

/* The core has answered. */
void crb_query_answer(
    struct crb_gateway *gateway, const struct crb_msg_answer *answer);
/* Its answer may be a lease's keys. */
bool crb_query_has_keys(const struct crb_exchange *exchange);

#endif /* !CRB_QUERY_H */
