#ifndef CRB_RESPONSE_H
#define CRB_RESPONSE_H

#include <microhttpd.h>

#include "broker/gateway/exchange.h"

/*
 * Responses carry Cache-Control: no-store and X-Content-Type-Options: nosniff,
 * whoever wrote them.  NULL when out of memory.
 */
struct MHD_Response *crb_response_bytes(
    const void *body, size_t len, const char *type);
/*
 * Of a secret: a copy in the slab, which is wiped when the response is freed.
 * *copy, unless NULL, is where it is until then.
 */
struct MHD_Response *crb_response_secret(
    const void *body, size_t len, const char *type, char **copy);
/* Takes the bytes, from malloc(), whether or not it succeeds. */
struct MHD_Response *crb_response_taken(char *body, size_t len);
/* `length` may be MHD_SIZE_UNKNOWN. */
struct MHD_Response *crb_response_stream(uint64_t length,
    MHD_ContentReaderCallback reader, struct crb_exchange *exchange);

/* Queue exchange->refusal in the form that the request can understand. */
enum MHD_Result crb_response_send_refusal(struct crb_exchange *exchange);

#endif /* !CRB_RESPONSE_H */
