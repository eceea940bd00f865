#ifndef CRB_EGRESS_MINT_HTTP_H
#define CRB_EGRESS_MINT_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include "backends/backend.h"
#include "base/text.h"
#include "broker/egress/trust.h"

/*
 * The http() of a backend that mints: one request over a connection of its
 * own, blocking, with all that a job's request is held to (request.h).  No
 * redirect is followed and nothing is unpacked; what is answered is bounded.
 */
struct crb_mint_http {
	CURLM *multi; /* the thread's own; its wake-up is looked at */
	bool (*stopped)(void *ctx);
	void *ctx;
	struct crb_trust *trust;
	enum crb_network network;
	struct crb_slice ca;
	struct crb_slice proxy;
	long connect_ms;
	int64_t deadline; /* crb_mint_clock(): of all requests together */
	/* Of the last request: there was no answer, and again might be one. */
	bool unanswered;
	/* Of any: it went out, and was not refused. */
	bool unsure;
};

/* crb_mint_world's; `http` is a struct crb_mint_http. */
CRB_NODISCARD enum crb_status crb_mint_http(void *http,
    const struct crb_http_request *request, struct crb_http_reply *reply,
    struct crb_err *err);

/* Milliseconds, of the monotonic clock. */
int64_t crb_mint_clock(void);

#endif /* !CRB_EGRESS_MINT_HTTP_H */
