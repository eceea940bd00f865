#ifndef CRB_ROUTES_H
#define CRB_ROUTES_H

#include "broker/gateway/problem.h"
#include "broker/gateway/request_check.h"

/* What is done with a request. */
enum crb_action {
	CRB_ACTION_QUERY,   /* asked of the core, which answers itself */
	CRB_ACTION_NOTHING, /* accepted and dropped */
	CRB_ACTION_GIT,     /* sent upstream by way of egress */
};

/*
 * A row a route, its permission beside its action.  Paths are compared as they
 * were sent: a path that is encoded in another way is another path.
 */
struct crb_route {
	const char *method;
	const char *path; /* ends in '/': a prefix, with more behind it */
	enum crb_action action;
	bool needs_session; /* the header or the token */
	bool plain;         /* errors are text, whatever Accept says */
	enum crb_query query;
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

/* The methods of the path, for Allow: "GET, POST"; NULL when it has none. */
const char *crb_route_allow(const char *target);

/* A refusal of this target is text rather than JSON. */
bool crb_route_plain(const char *target);
bool crb_route_git(const char *target);

#endif /* !CRB_ROUTES_H */
