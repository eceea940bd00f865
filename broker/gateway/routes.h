#ifndef CRB_ROUTES_H
#define CRB_ROUTES_H

#include "broker/gateway/lease_format.h"
#include "broker/gateway/problem.h"
#include "broker/gateway/request_check.h"

/* What is done with a request. */
enum crb_action {
	CRB_ACTION_QUERY,      /* asked of the core, which answers itself */
	CRB_ACTION_NOTHING,    /* accepted and dropped */
	CRB_ACTION_GIT,        /* sent upstream by way of egress */
	CRB_ACTION_HTTP,       /* likewise, a request of an API */
	CRB_ACTION_LEASE,      /* a live lease is handed out */
	CRB_ACTION_IMDS,       /* EC2 metadata, for a token */
	CRB_ACTION_IMDS_TOKEN, /* the token */
};

/*
 * A row a route, its permission beside its action.  Paths are compared as they
 * were sent: a path that is encoded in another way is another path.  A path
 * that has a row of its own is not looked for below a prefix.
 */
struct crb_route {
	const char *method; /* "GET" */
	const char *path;   /* ends in '/': a prefix, with more behind it */
	size_t path_len;
	enum crb_action action;
	bool needs_session; /* the header or the token */
	bool bare_token;    /* the token may stand there without "Bearer " */
	bool plain;         /* errors are text, whatever Accept says */
	bool head;          /* HEAD, too: GET without the body */
	bool empty;         /* a prefix that may have nothing behind it */
	enum crb_query query;
	enum crb_lease_format format;
	size_t body_max; /* of a body that is kept; 0: none is taken */
};

struct crb_route_match {
	const struct crb_route *route;
	const char *rest; /* behind a prefix, in the target */
	size_t rest_len;
	const char *query; /* behind "?"; NULL when there is none */
};

/* False when there is none; *refusal says how. */
bool crb_route_find(const char *method, const char *target,
    struct crb_route_match *match, struct crb_refusal *refusal);

/* The methods of the path, for Allow: "GET, POST"; false when it has none. */
#define CRB_ALLOW_TEXT 64
bool crb_route_allow(const char *target, char out[CRB_ALLOW_TEXT]);

/* A refusal of this target is text rather than JSON. */
bool crb_route_plain(const char *target);
bool crb_route_git(const char *target);
bool crb_route_aws(const char *target);
bool crb_route_imds(const char *target);

#endif /* !CRB_ROUTES_H */
