#ifndef CRB_REQUEST_CHECK_H
#define CRB_REQUEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "broker/bus/headers.h"
#include "broker/gateway/problem.h"

/*
 * What can be seen of a request at its head, and what is refused there: pure.
 * The server's parser accepts more than we do; everything irregular that it
 * lets us see is refused here (README of this check: DESIGN 6).
 */
#define CRB_REQUEST_TARGET_MAX 8192 /* bytes, query included */
#define CRB_REQUEST_HEADERS_MAX 64  /* lines */
#define CRB_REQUEST_HEAD_MAX 8192   /* bytes of header lines */

struct crb_request_view {
	const char *method;
	const char *version; /* "HTTP/1.1" */
	const char *target;  /* raw; cut after CRB_REQUEST_TARGET_MAX + 1 */
	const struct crb_header *headers; /* in any case, as sent */
	size_t header_count;              /* may be one more than the bound */
	uint16_t port; /* that the session has on the host; 0: none */
};

/* What the head says, when it is accepted.  Slices are the view's. */
struct crb_request_facts {
	enum crb_body body;
	uint64_t length;                /* of CRB_BODY_LENGTH */
	bool plain;                     /* text/plain is wanted */
	bool session_header;            /* Credbroker-Session: 1 */
	struct crb_slice authorization; /* .p NULL: none */
	struct crb_slice imds_token;    /* the same */
	struct crb_slice imds_ttl;
	struct crb_slice aws_payload; /* x-amz-content-sha256 */
	bool close;                   /* HTTP/1.0: one answer, then close */
};

/* False when it is refused; *refusal says how. */
bool crb_request_check(const struct crb_request_view *view,
    struct crb_request_facts *facts, struct crb_refusal *refusal);

#endif /* !CRB_REQUEST_CHECK_H */
