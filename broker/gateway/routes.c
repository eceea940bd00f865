#include "broker/gateway/routes.h"

#include <string.h>

#define BODY_MAX 65536

static const struct crb_route routes[] = {
	{ "GET", "/v1/session", CRB_ACTION_QUERY, true, false,
	    CRB_QUERY_SESSION, 0 },
	{ "GET", "/v1/credentials", CRB_ACTION_QUERY, true, false,
	    CRB_QUERY_CREDENTIALS, 0 },
	{ "GET", "/v1/credentials/", CRB_ACTION_QUERY, true, false,
	    CRB_QUERY_CREDENTIAL, 0 },
	{ "POST", "/v1/helper/git/get", CRB_ACTION_QUERY, true, true,
	    CRB_QUERY_GIT_GET, BODY_MAX },
	{ "POST", "/v1/helper/git/erase", CRB_ACTION_QUERY, true, true,
	    CRB_QUERY_GIT_ERASE, BODY_MAX },
	{ "POST", "/v1/helper/git/store", CRB_ACTION_NOTHING, true, true, 0,
	    BODY_MAX },
	{ "GET", "/git/", CRB_ACTION_GIT, false, true, 0, 0 },
	{ "POST", "/git/", CRB_ACTION_GIT, false, true, 0, 0 },
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static size_t
path_len(const char *target)
{
	return strcspn(target, "?");
}

/* A prefix is followed by something. */
static bool
matches(const struct crb_route *route, const char *target)
{
	size_t len = strlen(route->path);
	size_t target_len = path_len(target);

	if (route->path[len - 1] == '/' ? target_len <= len : target_len != len)
		return false;
	return memcmp(route->path, target, len) == 0;
}

/* Only /v1 has names; under /git/ the core judges what follows. */
static bool
names_ok(const struct crb_route_match *match)
{
	char name[CRB_TASK_MAX + 1];

	if (match->route->action == CRB_ACTION_GIT || match->rest == NULL)
		return true;
	if (match->rest_len >= sizeof(name))
		return false;
	memcpy(name, match->rest, match->rest_len);
	name[match->rest_len] = '\0';
	return crb_name_ok(name);
}

static void
fill(struct crb_route_match *match, const struct crb_route *route,
    const char *target)
{
	size_t len = strlen(route->path);
	size_t target_len = path_len(target);

	*match = (struct crb_route_match){ .route = route };
	if (route->path[len - 1] == '/') {
		match->rest = target + len;
		match->rest_len = target_len - len;
	}
	if (target[target_len] == '?')
		match->query = target + target_len + 1;
}

static bool
refuse_unknown(struct crb_refusal *refusal)
{
	crb_refusal_make(
	    refusal, CRB_PROBLEM_NOT_FOUND, "there is nothing at this path");
	return false;
}

bool
crb_route_find(const char *method, const char *target,
    struct crb_route_match *match, struct crb_refusal *refusal)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (strcmp(routes[i].method, method) != 0 ||
		    !matches(&routes[i], target))
			continue;
		fill(match, &routes[i], target);
		if (!names_ok(match))
			return refuse_unknown(refusal);
		if (match->query == NULL || routes[i].action == CRB_ACTION_GIT)
			return true;
		crb_refusal_make(
		    refusal, CRB_PROBLEM_MALFORMED, "this path takes no query");
		return false;
	}
	if (crb_route_allow(target) == NULL)
		return refuse_unknown(refusal);
	crb_refusal_make(refusal, CRB_PROBLEM_METHOD,
	    "%s is not allowed on this path", method);
	return false;
}

const char *
crb_route_allow(const char *target)
{
	bool get = false, post = false;

	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!matches(&routes[i], target))
			continue;
		if (strcmp(routes[i].method, "GET") == 0)
			get = true;
		else
			post = true;
	}
	if (get && post)
		return "GET, POST";
	return get ? "GET" : post ? "POST" : NULL;
}

bool
crb_route_git(const char *target)
{
	return strncmp(target, "/git/", 5) == 0;
}

bool
crb_route_plain(const char *target)
{
	return crb_route_git(target) || strncmp(target, "/v1/helper/", 11) == 0;
}
