#include "broker/core/git_request.h"

#include <string.h>

#include "backends/backend.h"
#include "broker/core/target.h"

#define UPLOAD_PACK "git-upload-pack"
#define RECEIVE_PACK "git-receive-pack"
#define UPLOAD_ARCHIVE "git-upload-archive"
#define SERVICE "service="

/*
 * What servers recognise by the end of a path.  A query of NULL: there must be
 * none.
 */
static const struct route {
	const char *method;
	const char *ending;
	const char *query;
	enum crb_git_operation operation;
} routes[] = {
	{ "GET", "/info/refs", SERVICE UPLOAD_PACK, CRB_GIT_DISCOVER_FETCH },
	{ "GET", "/info/refs", SERVICE RECEIVE_PACK, CRB_GIT_DISCOVER_PUSH },
	{ "POST", "/" UPLOAD_PACK, NULL, CRB_GIT_FETCH },
	{ "POST", "/" RECEIVE_PACK, NULL, CRB_GIT_PUSH },
};
#define ROUTES (sizeof(routes) / sizeof(*routes))

static struct crb_slice
slice_from(struct crb_slice text, size_t at)
{
	return (struct crb_slice){ text.p + at, text.len - at };
}

static bool
slice_has(struct crb_slice text, const char *part)
{
	return text.len > 0 &&
	    memmem(text.p, text.len, part, strlen(part)) != NULL;
}

static const struct route *
find_route(struct crb_slice method, struct crb_slice path,
    const struct crb_slice *query)
{
	for (size_t i = 0; i < ROUTES; i++) {
		const struct route *route = &routes[i];

		if (!crb_slice_is(method, route->method) ||
		    !crb_slice_ends(path, route->ending))
			continue;
		if (route->query == NULL ||
		    (query != NULL && crb_slice_is(*query, route->query)))
			return route;
	}
	return NULL;
}

/* "HOST[:PORT]" in the one way that an origin is written. */
static enum crb_status
parse_authority(struct crb_slice text, char *out, struct crb_err *err)
{
	struct crb_origin origin;
	char authority[CRB_AUTHORITY_MAX + 1] = "";

	if (text.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a git request is /git/HOST/PATH, and the host is missing");
	if (text.len > CRB_AUTHORITY_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the host is longer than %d bytes", CRB_AUTHORITY_MAX);
	memcpy(authority, text.p, text.len);
	if (strlen(authority) != text.len ||
	    crb_origin_parse(authority, &origin, err) != CRB_OK)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a git request is /git/HOST/PATH, and the host is not one");
	if (strncmp(origin.host, authority, strlen(origin.host)) != 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the host must be written in lower case");
	memcpy(out, authority, text.len + 1);
	return CRB_OK;
}

/* The dumb protocol reads HEAD and objects/... as files. */
static bool
path_is_dumb(struct crb_slice path)
{
	return crb_slice_ends(path, "/HEAD") || slice_has(path, "/objects/");
}

static enum crb_status
refuse_lfs(struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_DENIED,
	    "git LFS is not supported yet; set GIT_LFS_SKIP_SMUDGE=1 to work "
	    "without the large files");
}

/* Why no route fits: what git and its friends ask for beside them. */
static enum crb_status
explain_path(struct crb_slice path, struct crb_err *err)
{
	if (crb_slice_ends(path, "/info/lfs") || slice_has(path, "/info/lfs/"))
		return refuse_lfs(err);
	if (crb_slice_ends(path, "/" UPLOAD_ARCHIVE))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "git archive over HTTP is not supported; clone and run "
		    "git archive on the clone");
	if (path_is_dumb(path))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "git's dumb HTTP protocol is not supported; use a git "
		    "that speaks the smart one");
	return crb_err_set(err, CRB_ERR_INVALID,
	    "not a request of git's: only clone, fetch and push go through "
	    "/git/");
}

static enum crb_status
explain_service(struct crb_slice service, struct crb_err *err)
{
	if (memchr(service.p, '%', service.len) != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "service= must not have an encoded byte in it");
	if (crb_slice_is(service, UPLOAD_ARCHIVE))
		return crb_err_set(err, CRB_ERR_DENIED,
		    "git archive over HTTP is not supported; clone and run "
		    "git archive on the clone");
	return crb_err_set(err, CRB_ERR_INVALID,
	    "service= must be " UPLOAD_PACK " or " RECEIVE_PACK);
}

/* Servers take the last of several service=, so only one may be there. */
static enum crb_status
explain_refs_query(struct crb_slice query, struct crb_err *err)
{
	struct crb_slice rest = query;
	struct crb_slice piece;
	struct crb_slice service = { NULL, 0 };
	size_t others = 0;

	while (crb_slice_cut(&rest, '&', &piece)) {
		if (!crb_slice_starts(piece, SERVICE)) {
			others++;
			continue;
		}
		if (service.p != NULL)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "service= is there more than once");
		service = slice_from(piece, strlen(SERVICE));
	}
	if (others > 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "info/refs takes one parameter, service=, and no other");
	return explain_service(service, err);
}

static enum crb_status
explain(struct crb_slice method, struct crb_slice path,
    const struct crb_slice *query, struct crb_err *err)
{
	const struct route *route = NULL;

	for (size_t i = 0; i < ROUTES && route == NULL; i++) {
		if (crb_slice_ends(path, routes[i].ending))
			route = &routes[i];
	}
	if (route == NULL)
		return explain_path(path, err);
	if (!crb_slice_is(method, route->method))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s wants the method %s", route->ending + 1, route->method);
	if (query == NULL || query->len == 0)
		return crb_err_set(err, CRB_ERR_DENIED,
		    "git's dumb HTTP protocol is not supported; use a git "
		    "that speaks the smart one");
	return explain_refs_query(*query, err);
}

/*
 * The same path must name the same repository to us and to every server.
 * Spaces and characters above ASCII are the only ones that come encoded; ".git"
 * means something in the last place only.
 */
static enum crb_status
check_segment(struct crb_slice segment, struct crb_err *err)
{
	static const char *const reserved[] = { UPLOAD_PACK, RECEIVE_PACK,
		UPLOAD_ARCHIVE };

	if (segment.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the repository's path has an empty segment");
	/* What is left of "/...git" when ".git" is taken off. */
	if (crb_slice_is(segment, ".") || crb_slice_is(segment, ".."))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the repository's path has a segment \".\" or \"..\"");
	if (segment.p[0] == '-')
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the repository's path has a segment that starts with "
		    "\"-\"");
	if (segment.len >= 4 &&
	    crb_slice_is_nocase(slice_from(segment, segment.len - 4), ".git"))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the repository's path must have \".git\" once at most, "
		    "at its end and in lower case");
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
		if (crb_slice_is(segment, reserved[i]))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the repository's path has the name of a git "
			    "service in it");
	}
	return CRB_OK;
}

static enum crb_status
check_repository_characters(struct crb_slice repository, struct crb_err *err)
{
	for (size_t i = 0; i < repository.len; i++) {
		char c = repository.p[i];
		bool escape = c == '%' && i + 1 < repository.len;

		if (strchr("!$&'()*,=:", c) != NULL ||
		    (escape && strncmp(&repository.p[i], "%20", 3) != 0 &&
			repository.p[i + 1] < '8'))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the repository's path has a character that no "
			    "repository has");
	}
	return CRB_OK;
}

/*
 * Paths that a forge could take for something else than a repository: LFS, and
 * the API that many serve on the same host ("/api/v4/projects/...").
 */
static enum crb_status
check_repository_place(struct crb_slice repository, struct crb_err *err)
{
	if (slice_has(repository, "/info/lfs/") ||
	    crb_slice_ends(repository, "/info/lfs"))
		return refuse_lfs(err);
	if (crb_slice_starts(repository, "api/v") && repository.len > 5 &&
	    repository.p[5] >= '0' && repository.p[5] <= '9')
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the path is one of an API, not of a repository");
	return CRB_OK;
}

static enum crb_status
parse_repository(struct crb_slice path, const struct route *route, char *out,
    struct crb_err *err)
{
	struct crb_slice repository = { path.p,
		path.len - strlen(route->ending) };
	struct crb_slice rest, segment;
	enum crb_status status;

	if (crb_slice_ends(repository, ".git"))
		repository.len -= strlen(".git");
	if (repository.len > 0)
		repository = slice_from(repository, 1);
	if (repository.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the repository is missing from the path");
	if (repository.len > CRB_REPOSITORY_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the repository's path is longer than %d bytes",
		    CRB_REPOSITORY_MAX);
	rest = repository;
	while (crb_slice_cut(&rest, '/', &segment)) {
		if ((status = check_segment(segment, err)) != CRB_OK)
			return status;
	}
	status = check_repository_characters(repository, err);
	if (status != CRB_OK ||
	    (status = check_repository_place(repository, err)) != CRB_OK)
		return status;
	memcpy(out, repository.p, repository.len);
	out[repository.len] = '\0';
	return CRB_OK;
}

static enum crb_status
check_target(
    struct crb_slice path, const struct crb_slice *query, struct crb_err *err)
{
	enum crb_status status;

	if (path.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a git request is /git/HOST/PATH, and the path is "
		    "missing");
	status = crb_target_check_path(slice_from(path, 1), err);
	if (status != CRB_OK || query == NULL)
		return status;
	return crb_target_check_query(*query, err);
}

static enum crb_status
parse(struct crb_slice method, struct crb_slice target,
    const struct crb_slice *query, struct crb_git_request *out,
    struct crb_err *err)
{
	const struct route *route;
	struct crb_slice rest = target;
	struct crb_slice authority, path;
	enum crb_status status;

	(void)crb_slice_cut(&rest, '/', &authority);
	path = slice_from(target, authority.len);
	if ((route = find_route(method, path, query)) != NULL)
		out->operation = route->operation;
	if ((status = check_target(path, query, err)) != CRB_OK ||
	    (status = parse_authority(authority, out->authority, err)) !=
		CRB_OK)
		return status;
	if (route == NULL)
		return explain(method, path, query, err);
	if (route->query == NULL && query != NULL)
		return crb_err_set(err, CRB_ERR_INVALID, "%s takes no query",
		    route->ending + 1);
	if (query != NULL)
		out->query = *query;
	out->path = path;
	return parse_repository(path, route, out->repository, err);
}

enum crb_status
crb_git_request_parse(struct crb_slice method, struct crb_slice target,
    const struct crb_slice *query, struct crb_git_request *out,
    struct crb_err *err)
{
	struct crb_git_request request = { .operation = CRB_GIT_NONE };
	enum crb_status status = parse(method, target, query, &request, err);

	if (status == CRB_OK)
		*out = request;
	else
		*out = (struct crb_git_request){
			.operation = request.operation,
		};
	return status;
}

void
crb_git_request_target(
    const struct crb_git_request *request, struct crb_buf *out)
{
	crb_buf_add(out, request->path.p, request->path.len);
	if (request->query.len > 0) {
		crb_buf_char(out, '?');
		crb_buf_add(out, request->query.p, request->query.len);
	}
}

const char *
crb_git_operation_type(enum crb_git_operation operation)
{
	if (operation == CRB_GIT_FETCH)
		return "application/x-git-upload-pack-request";
	if (operation == CRB_GIT_PUSH)
		return "application/x-git-receive-pack-request";
	return "";
}

const char *
crb_git_operation_choice(enum crb_git_operation operation)
{
	switch (operation) {
	case CRB_GIT_DISCOVER_FETCH:
	case CRB_GIT_FETCH:
		return "fetch";
	case CRB_GIT_DISCOVER_PUSH:
	case CRB_GIT_PUSH:
		return "push";
	case CRB_GIT_NONE:
		break;
	}
	return NULL;
}
