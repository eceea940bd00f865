#ifndef CRB_UPLOAD_H
#define CRB_UPLOAD_H

#include "broker/gateway/exchange.h"

/*
 * The way up of an injected request: EXCHANGE to the core, and after its
 * verdict the allowed headers and the body to egress.  What egress does not
 * take, libmicrohttpd does not read.
 */
enum MHD_Result crb_upload_begin(struct crb_exchange *exchange);
enum MHD_Result crb_upload_forward(
    struct crb_exchange *exchange, const char *data, size_t *size);

/* Keep what a report-status needs. */
void crb_upload_watch_commands(struct crb_exchange *exchange);

/* The core has decided; a descriptor that is used is taken. */
void crb_upload_verdict(struct crb_gateway *gateway, struct crb_msg *msg);

#endif /* !CRB_UPLOAD_H */
