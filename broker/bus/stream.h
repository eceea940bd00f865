#ifndef CRB_STREAM_H
#define CRB_STREAM_H

#include <stdbool.h>

#include "broker/bus/messages.h"

/*
 * A stream between gateway and egress: a SOCK_SEQPACKET pair made by the core,
 * one exchange at a time, used again by the same session.  Its messages are
 * REQUEST_* and RESPONSE_* of the table.  No queue: the owner waits until the
 * socket is writable, which is the back-pressure.
 */

/* CRB_ERR_LIMIT: the socket is full, nothing was sent. */
CRB_NODISCARD enum crb_status crb_stream_send(
    int fd, enum crb_msg_type type, const void *msg, struct crb_err *err);

/* REQUEST_BODY or RESPONSE_BODY without copying the data first. */
CRB_NODISCARD enum crb_status crb_stream_send_body(int fd,
    enum crb_msg_type type, const void *data, size_t len, struct crb_err *err);

/*
 * One message into `packet` (CRB_STREAM_PACKET_MAX bytes), which the slices of
 * *out point into.  out->type is CRB_MSG_NONE_ when nothing waits; *closed
 * when the peer is gone.
 */
#define CRB_STREAM_PACKET_MAX (CRB_BODY_MAX + 64)
CRB_NODISCARD enum crb_status crb_stream_receive(int fd, enum crb_role from,
    enum crb_role to, uint8_t *packet, struct crb_msg *out, bool *closed,
    struct crb_err *err);

/* A pair with buffers fit for throughput, CLOEXEC and non-blocking. */
CRB_NODISCARD enum crb_status crb_stream_pair(int pair[2], struct crb_err *err);

#endif /* !CRB_STREAM_H */
