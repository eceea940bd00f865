#ifndef CRB_EGRESS_REQUEST_H
#define CRB_EGRESS_REQUEST_H

#include <stdbool.h>

#include <curl/curl.h>

#include "backends/backend.h"
#include "base/err.h"
#include "broker/bus/messages.h"
#include "broker/egress/address.h"
#include "broker/egress/trust.h"

/*
 * A request as libcurl is to send it: method, origin, path and query exactly
 * as the core judged them, the secret, and the client's headers that are on
 * the list.  libcurl adds framing and Host, and nothing else.
 *
 * The address is vetted when a socket is opened for it, so what was vetted is
 * what is connected to, and again before each request, since a connection
 * that was kept may have been opened for a credential that may go elsewhere.
 * Behind a proxy it is the proxy that resolves the name: only the proxy's
 * address is seen here, and it is the operator's choice.  What does not leave
 * this host (network loopback, clear text) never goes through a proxy.
 */
struct crb_request {
	CURL *easy;
	struct curl_slist *headers;   /* from the slab, the secret included */
	char host[300];               /* "github.com", "localhost:8443" */
	char reason[CURL_ERROR_SIZE]; /* libcurl's */
	enum crb_network network;
	enum crb_route_kind route; /* whose list the client's headers pass */
	bool tls;
	bool proxied;
	char injected[64]; /* the header, in lower case or not */
	bool typed;        /* the job said what the content type is */
	/* What vetting last refused, for the error text. */
	bool vetoed;
	enum crb_address_class class;
	char address[64];
};

struct crb_request_limits {
	long connect_ms;
};

CRB_NODISCARD enum crb_status crb_request_init(struct crb_request *request,
    const struct crb_msg_job *job, const struct crb_injection *injection,
    struct crb_trust *trust, const struct crb_request_limits *limits,
    struct crb_err *err);
/* The same up to where a request would be sent: nothing is. */
CRB_NODISCARD enum crb_status crb_request_init_probe(
    struct crb_request *request, const struct crb_msg_probe *probe,
    struct crb_trust *trust, const struct crb_request_limits *limits,
    struct crb_err *err);
/* The same for a request that nobody else asked for; nothing is injected. */
CRB_NODISCARD enum crb_status crb_request_init_own(struct crb_request *request,
    const struct crb_msg_job *job, struct crb_trust *trust,
    const struct crb_request_limits *limits, struct crb_err *err);
void crb_request_clear(struct crb_request *request);

/* Add the client's headers; strict.  Once, before the transfer starts. */
CRB_NODISCARD enum crb_status crb_request_headers(
    struct crb_request *request, struct crb_slice block, struct crb_err *err);
/* Add headers of our own, as strictly, from no list. */
CRB_NODISCARD enum crb_status crb_request_headers_own(
    struct crb_request *request, struct crb_slice block, struct crb_err *err);

/* Why a transfer failed, in words for people. */
enum crb_status crb_request_failure(
    const struct crb_request *request, CURLcode code, struct crb_err *err);

#endif /* !CRB_EGRESS_REQUEST_H */
