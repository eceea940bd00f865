#ifndef CRB_SHIM_HTTP_REPLY_H
#define CRB_SHIM_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* The longest head that is accepted, with its final empty line. */
#define CRB_HTTP_HEAD_MAX (16 * 1024)

/* A whole reply.  Pointers go into the bytes that were parsed. */
struct crb_http_reply {
	int status;
	const char *error; /* Credbroker-Error; "" when there is none */
	size_t error_len;
	const char *body;
	size_t body_len;
};

/*
 * Parse one HTTP/1.1 reply (RFC 9112) that `bytes` holds from the first to
 * the last byte.  Strict: CRLF only, no folded lines, either a single
 * Content-Length or exactly "chunked" (none only for 204 and 304), nothing
 * behind the end, no 1xx.  A chunked body is joined in place.  False, with
 * *reply untouched, for anything else.
 */
bool crb_http_reply_parse(
    char *bytes, size_t len, struct crb_http_reply *reply);

#endif /* !CRB_SHIM_HTTP_REPLY_H */
