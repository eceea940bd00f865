#include "broker/gateway/routes.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX 65536

#define PATH(text) .path = (text), .path_len = sizeof(text) - 1

/* clang-format off */
static const struct crb_route routes[] = {
	{ .method = "GET", PATH("/v1/session"), .action = CRB_ACTION_QUERY,
	    .needs_session = true, .query = CRB_QUERY_SESSION },
	{ .method = "GET", PATH("/v1/credentials"),
	    .action = CRB_ACTION_QUERY, .needs_session = true,
	    .query = CRB_QUERY_CREDENTIALS },
	{ .method = "GET", PATH("/v1/credentials/"),
	    .action = CRB_ACTION_QUERY, .needs_session = true,
	    .query = CRB_QUERY_CREDENTIAL },
	{ .method = "GET", PATH("/v1/aws/"), .action = CRB_ACTION_LEASE,
	    .needs_session = true, .bare_token = true, .head = true,
	    .query = CRB_QUERY_LEASE, .format = CRB_LEASE_CONTAINER },
	{ .method = "GET", PATH("/v1/helper/aws/"),
	    .action = CRB_ACTION_LEASE, .needs_session = true, .plain = true,
	    .query = CRB_QUERY_LEASE, .format = CRB_LEASE_PROCESS },
	{ .method = "POST", PATH("/v1/helper/git/get"),
	    .action = CRB_ACTION_QUERY, .needs_session = true, .plain = true,
	    .query = CRB_QUERY_GIT_GET, .body_max = BODY_MAX },
	{ .method = "POST", PATH("/v1/helper/git/erase"),
	    .action = CRB_ACTION_QUERY, .needs_session = true, .plain = true,
	    .query = CRB_QUERY_GIT_ERASE, .body_max = BODY_MAX },
	{ .method = "POST", PATH("/v1/helper/git/store"),
	    .action = CRB_ACTION_NOTHING, .needs_session = true,
	    .plain = true, .body_max = BODY_MAX },
	{ .method = "PUT", PATH("/latest/api/token"),
	    .action = CRB_ACTION_IMDS_TOKEN, .plain = true },
	{ .method = "GET", PATH("/latest"), .action = CRB_ACTION_IMDS,
	    .plain = true, .head = true, .query = CRB_QUERY_LEASE,
	    .format = CRB_LEASE_IMDS },
	{ .method = "GET", PATH("/latest/"), .action = CRB_ACTION_IMDS,
	    .plain = true, .head = true, .empty = true,
	    .query = CRB_QUERY_LEASE, .format = CRB_LEASE_IMDS },
	{ .method = "GET", PATH("/git/"), .action = CRB_ACTION_GIT,
	    .plain = true },
	{ .method = "POST", PATH("/git/"), .action = CRB_ACTION_GIT,
	    .plain = true },
	/* A signature of AWS's is as good as the session's header. */
	{ .method = "GET", PATH("/http/"), .action = CRB_ACTION_HTTP,
	    .needs_session = true, .head = true },
	{ .method = "PUT", PATH("/http/"), .action = CRB_ACTION_HTTP,
	    .needs_session = true },
	{ .method = "POST", PATH("/http/"), .action = CRB_ACTION_HTTP,
	    .needs_session = true },
	{ .method = "DELETE", PATH("/http/"), .action = CRB_ACTION_HTTP,
	    .needs_session = true },
	{ .method = "PATCH", PATH("/http/"), .action = CRB_ACTION_HTTP,
	    .needs_session = true },
};
/* clang-format on */

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static struct crb_slice
path_of(const char *target)
{
	return (struct crb_slice){ target,
		(size_t)(strchrnul(target, '?') - target) };
}

static bool
is_prefix(const struct crb_route *route)
{
	return route->path[route->path_len - 1] == '/';
}

static bool
matches(const struct crb_route *route, struct crb_slice path)
{
	size_t len = route->path_len;

	/* What differs between routes is seen at their ends. */
	if (path.len < len || path.p[len - 1] != route->path[len - 1] ||
	    memcmp(route->path, path.p, len) != 0)
		return false;
	return path.len == len ? !is_prefix(route) || route->empty
			       : is_prefix(route);
}

static bool
has_own_row(struct crb_slice path)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (matches(&routes[i], path) && !is_prefix(&routes[i]))
			return true;
	}
	return false;
}

static bool
takes(const struct crb_route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	    (route->head && strcmp(method, "HEAD") == 0);
}

/* What is behind the others the core judges, or the metadata's own table. */
static bool
has_name(const struct crb_route *route)
{
	return route->action == CRB_ACTION_QUERY ||
	    route->action == CRB_ACTION_LEASE;
}

static bool
names_ok(const struct crb_route_match *match)
{
	char name[CRB_TASK_MAX + 1];

	if (!has_name(match->route) || match->rest == NULL)
		return true;
	if (match->rest_len >= sizeof(name))
		return false;
	memcpy(name, match->rest, match->rest_len);
	name[match->rest_len] = '\0';
	return crb_name_ok(name);
}

static void
fill(struct crb_route_match *match, const struct crb_route *route,
    struct crb_slice path)
{
	*match = (struct crb_route_match){ .route = route };
	if (is_prefix(route)) {
		match->rest = path.p + route->path_len;
		match->rest_len = path.len - route->path_len;
	}
	if (path.p[path.len] == '?')
		match->query = path.p + path.len + 1;
}

static bool
has_no_query(const struct crb_route *route)
{
	return has_name(route) || route->action == CRB_ACTION_NOTHING ||
	    route->action == CRB_ACTION_IMDS_TOKEN;
}

static bool
refuse_unknown(struct crb_refusal *refusal)
{
	crb_refusal_make(
	    refusal, CRB_PROBLEM_NOT_FOUND, "there is nothing at this path");
	return false;
}

static bool
find_row(
    const char *method, struct crb_slice path, struct crb_route_match *match)
{
	const struct crb_route *found = NULL;

	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const struct crb_route *route = &routes[i];

		if (!matches(route, path) || !takes(route, method))
			continue;
		if (found == NULL || is_prefix(found))
			found = route;
	}
	if (found == NULL || (is_prefix(found) && has_own_row(path)))
		return false;
	fill(match, found, path);
	return true;
}

bool
crb_route_find(const char *method, const char *target,
    struct crb_route_match *match, struct crb_refusal *refusal)
{
	char allow[CRB_ALLOW_TEXT];

	if (find_row(method, path_of(target), match)) {
		if (!names_ok(match))
			return refuse_unknown(refusal);
		if (match->query == NULL || !has_no_query(match->route))
			return true;
		crb_refusal_make(
		    refusal, CRB_PROBLEM_MALFORMED, "this path takes no query");
		return false;
	}
	if (!crb_route_allow(target, allow))
		return refuse_unknown(refusal);
	crb_refusal_make(refusal, CRB_PROBLEM_METHOD,
	    "%s is not allowed on this path", method);
	return false;
}

static void
add_method(char out[CRB_ALLOW_TEXT], const char *method)
{
	size_t len = strlen(out);

	(void)snprintf(out + len, CRB_ALLOW_TEXT - len, "%s%s",
	    len > 0 ? ", " : "", method);
}

bool
crb_route_allow(const char *target, char out[CRB_ALLOW_TEXT])
{
	struct crb_slice path = path_of(target);
	bool own = has_own_row(path);

	out[0] = '\0';
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!matches(&routes[i], path) ||
		    (own && is_prefix(&routes[i])))
			continue;
		add_method(out, routes[i].method);
		if (routes[i].head)
			add_method(out, "HEAD");
	}
	return out[0] != '\0';
}

bool
crb_route_git(const char *target)
{
	return strncmp(target, "/git/", 5) == 0;
}

bool
crb_route_aws(const char *target)
{
	return strncmp(target, "/v1/aws/", 8) == 0;
}

bool
crb_route_imds(const char *target)
{
	static const char path[] = "/latest";
	const char *rest = target + sizeof(path) - 1;

	return strncmp(target, path, sizeof(path) - 1) == 0 &&
	    (*rest == '\0' || *rest == '/' || *rest == '?');
}

bool
crb_route_plain(const char *target)
{
	return crb_route_git(target) || crb_route_imds(target) ||
	    strncmp(target, "/v1/helper/", 11) == 0;
}
