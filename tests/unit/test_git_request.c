#include "broker/core/git_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum crb_status
parse(const char *method, const char *target, const char *query,
    struct crb_git_request *out, struct crb_err *err)
{
	struct crb_slice slice = { NULL, 0 };

	if (query != NULL)
		slice = CRB_SLICE(query);
	return crb_git_request_parse(CRB_SLICE(method), CRB_SLICE(target),
	    query != NULL ? &slice : NULL, out, err);
}

#define FETCH_REFS "service=git-upload-pack"
#define PUSH_REFS "service=git-receive-pack"

static const struct reading {
	const char *method;
	const char *target;
	const char *query;
	enum crb_git_operation operation;
	const char *authority;
	const char *repository;
	const char *sent;
} readings[] = {
	{ "GET", "github.com/acme/api.git/info/refs", FETCH_REFS,
	    CRB_GIT_DISCOVER_FETCH, "github.com", "acme/api",
	    "/acme/api.git/info/refs?" FETCH_REFS },
	{ "GET", "github.com/acme/api/info/refs", PUSH_REFS,
	    CRB_GIT_DISCOVER_PUSH, "github.com", "acme/api",
	    "/acme/api/info/refs?" PUSH_REFS },
	{ "POST", "github.com/acme/api.git/git-upload-pack", NULL,
	    CRB_GIT_FETCH, "github.com", "acme/api",
	    "/acme/api.git/git-upload-pack" },
	{ "POST", "localhost:8443/api/git-receive-pack", NULL, CRB_GIT_PUSH,
	    "localhost:8443", "api", "/api/git-receive-pack" },
	{ "POST", "gitlab.com/a/b/c/d.git/git-receive-pack", NULL, CRB_GIT_PUSH,
	    "gitlab.com", "a/b/c/d", "/a/b/c/d.git/git-receive-pack" },
	{ "POST", "h.example/acme/.github/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "h.example", "acme/.github", "/acme/.github/git-upload-pack" },
	{ "POST", "h.example/~user/x+y/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "h.example", "~user/x+y", "/~user/x+y/git-upload-pack" },
	{ "POST", "h.example/My%20Project/_git/%C3%BC/git-upload-pack", NULL,
	    CRB_GIT_FETCH, "h.example", "My%20Project/_git/%C3%BC",
	    "/My%20Project/_git/%C3%BC/git-upload-pack" },
	{ "POST", "h.example/acme/objects.git/git-upload-pack", NULL,
	    CRB_GIT_FETCH, "h.example", "acme/objects",
	    "/acme/objects.git/git-upload-pack" },
};

static void
requests_of_git_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(readings) / sizeof(*readings); i++) {
		const struct reading *r = &readings[i];
		CRB_AUTO_BUF struct crb_buf sent = CRB_BUF_INIT(1024);
		struct crb_git_request request;
		struct crb_err err = { 0 };

		if (parse(r->method, r->target, r->query, &request, &err) !=
		    CRB_OK)
			fail_msg("%s: %s", r->target, err.msg);
		assert_int_equal(request.operation, r->operation);
		assert_string_equal(request.authority, r->authority);
		assert_string_equal(request.repository, r->repository);
		crb_git_request_target(&request, &sent);
		assert_string_equal(crb_buf_text(&sent), r->sent);
	}
}

static const struct refusal {
	const char *method;
	const char *target;
	const char *query;
	enum crb_git_operation operation;
	const char *says;
} refusals[] = {
	/* Queries of info/refs. */
	{ "GET", "h/r/info/refs", NULL, CRB_GIT_NONE, "dumb" },
	{ "GET", "h/r/info/refs", "", CRB_GIT_NONE, "dumb" },
	{ "GET", "h/r/info/refs", FETCH_REFS "&" PUSH_REFS, CRB_GIT_NONE,
	    "more than once" },
	{ "GET", "h/r/info/refs", FETCH_REFS "&" FETCH_REFS, CRB_GIT_NONE,
	    "more than once" },
	{ "GET", "h/r/info/refs", FETCH_REFS "&x=1", CRB_GIT_NONE,
	    "one parameter" },
	{ "GET", "h/r/info/refs", "x=1&" FETCH_REFS, CRB_GIT_NONE,
	    "one parameter" },
	{ "GET", "h/r/info/refs", FETCH_REFS "&", CRB_GIT_NONE,
	    "one parameter" },
	{ "GET", "h/r/info/refs", "x=1", CRB_GIT_NONE, "one parameter" },
	{ "GET", "h/r/info/refs", "Service=git-upload-pack", CRB_GIT_NONE,
	    "one parameter" },
	{ "GET", "h/r/info/refs", "service=", CRB_GIT_NONE, "must be" },
	{ "GET", "h/r/info/refs", "service=git-upload-pack2", CRB_GIT_NONE,
	    "must be" },
	{ "GET", "h/r/info/refs", "service=upload-pack", CRB_GIT_NONE,
	    "must be" },
	{ "GET", "h/r/info/refs", "service=git-upload-pack%20", CRB_GIT_NONE,
	    "encoded byte" },
	{ "GET", "h/r/info/refs", "service=git%2Dreceive-pack", CRB_GIT_NONE,
	    "encoded" },
	{ "GET", "h/r/info/refs", "%73ervice=git-receive-pack", CRB_GIT_NONE,
	    "encoded" },
	{ "GET", "h/r/info/refs", "service=git-upload-archive", CRB_GIT_NONE,
	    "git archive" },
	{ "GET", "h/r/info/refs", FETCH_REFS ";" PUSH_REFS, CRB_GIT_NONE,
	    "\";\"" },
	/* Methods. */
	{ "POST", "h/r/info/refs", FETCH_REFS, CRB_GIT_NONE, "GET" },
	{ "HEAD", "h/r/info/refs", FETCH_REFS, CRB_GIT_NONE, "GET" },
	{ "get", "h/r/info/refs", FETCH_REFS, CRB_GIT_NONE, "GET" },
	{ "GET", "h/r/git-upload-pack", NULL, CRB_GIT_NONE, "POST" },
	{ "PUT", "h/r/git-receive-pack", NULL, CRB_GIT_NONE, "POST" },
	{ "POST", "h/r/git-upload-pack", "x=1", CRB_GIT_FETCH, "no query" },
	{ "POST", "h/r/git-receive-pack", "", CRB_GIT_PUSH, "no query" },
	/* What is not smart fetch and push. */
	{ "GET", "h/r/HEAD", NULL, CRB_GIT_NONE, "dumb" },
	{ "GET", "h/r/objects/info/packs", NULL, CRB_GIT_NONE, "dumb" },
	{ "GET", "h/r.git/objects/12/34", NULL, CRB_GIT_NONE, "dumb" },
	{ "POST", "h/r/git-upload-archive", NULL, CRB_GIT_NONE, "git archive" },
	{ "POST", "h/r.git/info/lfs/objects/batch", NULL, CRB_GIT_NONE,
	    "git LFS is not supported yet" },
	{ "GET", "h/r/info/lfs/locks", NULL, CRB_GIT_NONE, "LFS" },
	{ "POST", "h/r/info/lfs/git-upload-pack", NULL, CRB_GIT_FETCH, "LFS" },
	{ "POST", "h/r/info/lfs/objects/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "LFS" },
	{ "GET", "h/r", NULL, CRB_GIT_NONE, "not a request of git's" },
	{ "GET", "h/repos/acme/api/issues", NULL, CRB_GIT_NONE,
	    "not a request of git's" },
	{ "POST", "h/rgit-upload-pack", NULL, CRB_GIT_NONE,
	    "not a request of git's" },
	/* Hosts. */
	{ "POST", "", NULL, CRB_GIT_NONE, "path is missing" },
	{ "POST", "h", NULL, CRB_GIT_NONE, "path is missing" },
	{ "POST", "h/", NULL, CRB_GIT_NONE, "empty" },
	{ "POST", "/r/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "host is missing" },
	{ "POST", "GitHub.com/r/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "lower case" },
	{ "POST", "h:0443/r/git-upload-pack", NULL, CRB_GIT_FETCH, "host" },
	{ "POST", "h:/r/git-upload-pack", NULL, CRB_GIT_FETCH, "host" },
	{ "POST", "h./r/git-upload-pack", NULL, CRB_GIT_FETCH, "host" },
	{ "POST", "u:p@h/r/git-upload-pack", NULL, CRB_GIT_FETCH, "host" },
	{ "POST", "h%2E/r/git-upload-pack", NULL, CRB_GIT_FETCH, "host" },
	{ "POST", "http://h/r/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "empty segment" },
	/* Paths. */
	{ "POST", "h//r/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "empty segment" },
	{ "POST", "h/a/../b/git-receive-pack", NULL, CRB_GIT_PUSH, "\"..\"" },
	{ "POST", "h/a/%2e%2e/b/git-receive-pack", NULL, CRB_GIT_PUSH,
	    "hexadecimal" },
	{ "POST", "h/a%2Fb/git-receive-pack", NULL, CRB_GIT_PUSH, "encoded" },
	{ "POST", "h/r/git-receive-pack/", NULL, CRB_GIT_NONE,
	    "not a request of git's" },
	/* Repositories. */
	{ "POST", "h/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "repository is missing" },
	{ "POST", "h/.git/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "repository is missing|empty segment" },
	{ "POST", "h/a/.git/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "empty segment" },
	{ "POST", "h/acme/...git/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "\"..\"" },
	{ "POST", "h/acme/..git/git-receive-pack", NULL, CRB_GIT_PUSH,
	    "\".\"" },
	{ "POST", "h/a.git.git/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "\".git\" once" },
	{ "POST", "h/a.GIT/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "\".git\" once" },
	{ "POST", "h/a.git/b/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "\".git\" once" },
	{ "POST", "h/-x/git-upload-pack", NULL, CRB_GIT_FETCH, "\"-\"" },
	{ "POST", "h/a/-/b/git-upload-pack", NULL, CRB_GIT_FETCH, "\"-\"" },
	{ "POST", "h/a/git-receive-pack/git-upload-pack", NULL, CRB_GIT_FETCH,
	    "service" },
	{ "POST", "h/a*/git-upload-pack", NULL, CRB_GIT_FETCH, "character" },
	{ "POST", "h/a%2Ab/git-upload-pack", NULL, CRB_GIT_FETCH, "character" },
	{ "POST", "h/a:b/git-upload-pack", NULL, CRB_GIT_FETCH, "character" },
	{ "POST", "h/api/v4/projects/1/repository/files/git-receive-pack", NULL,
	    CRB_GIT_PUSH, "API" },
	{ "GET", "h/api/v1/repos/a/b/contents/info/refs", FETCH_REFS,
	    CRB_GIT_DISCOVER_FETCH, "API" },
};

static bool
says(const char *msg, const char *what)
{
	char copy[64];

	(void)snprintf(copy, sizeof(copy), "%s", what);
	for (char *at = strtok(copy, "|"); at != NULL; at = strtok(NULL, "|")) {
		if (strstr(msg, at) != NULL)
			return true;
	}
	return false;
}

static void
everything_else_is_refused_with_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		const struct refusal *r = &refusals[i];
		struct crb_git_request request;
		struct crb_err err = { 0 };

		if (parse(r->method, r->target, r->query, &request, &err) ==
		    CRB_OK)
			fail_msg("accepted: %s %s", r->method, r->target);
		if (!says(err.msg, r->says))
			fail_msg("%s %s: %s", r->method, r->target, err.msg);
		if (request.operation != r->operation)
			fail_msg("%s %s: operation %d", r->method, r->target,
			    (int)request.operation);
		assert_string_equal(request.repository, "");
		assert_string_equal(request.authority, "");
	}
}

static void
lengths_are_bounded(void **state)
{
	struct crb_git_request request;
	struct crb_err err = { 0 };
	char text[2048];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "h/", 2);
	strcpy(&text[2 + CRB_REPOSITORY_MAX], "/git-upload-pack");
	assert_int_equal(parse("POST", text, NULL, &request, &err), CRB_OK);
	assert_int_equal(strlen(request.repository), CRB_REPOSITORY_MAX);
	memset(text, 'a', sizeof(text));
	memcpy(text, "h/", 2);
	strcpy(&text[3 + CRB_REPOSITORY_MAX], "/git-upload-pack");
	assert_int_equal(
	    parse("POST", text, NULL, &request, &err), CRB_ERR_TOO_LARGE);
	memset(text, 'a', sizeof(text));
	strcpy(&text[CRB_AUTHORITY_MAX + 1], "/r/git-upload-pack");
	assert_int_equal(
	    parse("POST", text, NULL, &request, &err), CRB_ERR_TOO_LARGE);
}

static void
operations_need_fetch_or_push(void **state)
{
	(void)state;
	assert_string_equal(
	    crb_git_operation_choice(CRB_GIT_DISCOVER_FETCH), "fetch");
	assert_string_equal(crb_git_operation_choice(CRB_GIT_FETCH), "fetch");
	assert_string_equal(
	    crb_git_operation_choice(CRB_GIT_DISCOVER_PUSH), "push");
	assert_string_equal(crb_git_operation_choice(CRB_GIT_PUSH), "push");
	assert_null(crb_git_operation_choice(CRB_GIT_NONE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_git_are_understood),
		cmocka_unit_test(everything_else_is_refused_with_its_reason),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(operations_need_fetch_or_push),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
