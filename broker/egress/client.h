#ifndef CRB_EGRESS_CLIENT_H
#define CRB_EGRESS_CLIENT_H

#include <curl/curl.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * libcurl's multi interface in our loop: the connections of one session, so
 * that no other session ever sends over them.
 */
struct crb_client;

struct crb_client_options {
	struct crb_loop *loop;
	/* A transfer has ended, and is no longer in the client. */
	void (*done)(void *ctx, CURL *easy, CURLcode code);
	/* libcurl has read and written what it could. */
	void (*settled)(void *ctx);
	void *ctx;
};

CRB_NODISCARD enum crb_status crb_client_new(
    const struct crb_client_options *options, struct crb_client **out,
    struct crb_err *err);
/* Closes all connections; no transfer may be in it.  NULL is allowed. */
void crb_client_free(struct crb_client *client);

/* Start a transfer; `easy` stays the caller's. */
CRB_NODISCARD enum crb_status crb_client_add(
    struct crb_client *client, CURL *easy, struct crb_err *err);
/* Break it off.  Not from within libcurl's callbacks. */
void crb_client_remove(struct crb_client *client, CURL *easy);

#endif /* !CRB_EGRESS_CLIENT_H */
