#ifndef CRB_EGRESS_SIGNING_H
#define CRB_EGRESS_SIGNING_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "base/buf.h"
#include "base/err.h"
#include "broker/bus/messages.h"

/*
 * A request that its client signed with keys that are none, on its way to be
 * signed with a lease's: what its headers say of its body, those that go
 * upstream, and the signature of exactly what is sent.
 *
 * The body of an object is streamed: its hash is the client's word, which the
 * service checks, or it is not signed; chunks of aws-chunked are undone on the
 * way and their checksum is verified.  Other services must be told the hash,
 * so their bodies are collected first, up to a bound.  Where what
 * they ask for is keys, nothing is signed.
 */
#define CRB_SIGNING_COLLECT_MAX (1u << 20)
#define CRB_SIGNING_TRAILER_MAX 64

struct crb_signing {
	const struct crb_backend_ops *backend; /* NULL: nothing is signed */
	struct crb_secret *keys;               /* until it is signed */
	char method[17];
	char service[CRB_SERVICE_MAX + 1];
	char region[CRB_REGION_MAX + 1];
	char *target;
	enum crb_body body;
	bool whole;     /* all of the body was judged, and so its type: */
	char type[129]; /* empty: it has none */
	bool bound;     /* the headers were seen, with this SHA-256: */
	uint8_t headers[32];
	bool private; /* the way to the upstream does not need a signed body */

	/* After crb_signing_head(): */
	char
	    payload[80]; /* x-amz-content-sha256; empty: of what is collected */
	bool told;       /* the client said one: other services get it, too */
	bool form;       /* the body is one, as its type says */
	bool chunked;    /* decode, with: */
	uint64_t length;
	char trailer[CRB_SIGNING_TRAILER_MAX + 1];
	struct crb_buf plain, covered; /* lines: not signed, and signed */
};

/* Of a job of CRB_ROUTE_HTTP.  Clear it always. */
CRB_NODISCARD enum crb_status crb_signing_init(struct crb_signing *signing,
    const struct crb_msg_job *msg, struct crb_err *err);
void crb_signing_clear(struct crb_signing *signing);

/*
 * The client's headers, once; strict.  CRB_ERR_INVALID and CRB_ERR_DENIED say
 * what the body may not be.
 */
CRB_NODISCARD enum crb_status crb_signing_head(
    struct crb_signing *signing, struct crb_slice block, struct crb_err *err);

/*
 * All headers that are to be sent, the signature among them, as lines for
 * `host`.  `body` is what was collected; without an own hash its bytes are
 * signed.  The keys are wiped.  `out` should be wiped.  CRB_ERR_DENIED and
 * CRB_ERR_INVALID: the body asks for keys, or could.
 */
CRB_NODISCARD enum crb_status crb_signing_finish(struct crb_signing *signing,
    const char *host, struct crb_slice body, int64_t now, struct crb_buf *out,
    struct crb_err *err);

#endif /* !CRB_EGRESS_SIGNING_H */
