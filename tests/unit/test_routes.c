#include "broker/gateway/routes.h"

#include "tests/unit/unit.h"

static struct crb_route_match match;
static struct crb_refusal refusal;

static bool
find(const char *method, const char *target)
{
	return crb_route_find(method, target, &match, &refusal);
}

static void
routes_are_found_with_what_they_need(void **state)
{
	(void)state;
	assert_true(find("GET", "/v1/session"));
	assert_int_equal(match.route->query, CRB_QUERY_SESSION);
	assert_true(match.route->needs_session);
	assert_true(find("GET", "/v1/credentials/git.hub"));
	assert_int_equal(match.route->query, CRB_QUERY_CREDENTIAL);
	assert_int_equal(match.rest_len, 7);
	assert_memory_equal(match.rest, "git.hub", 7);
	assert_true(find("POST", "/v1/helper/git/erase"));
	assert_int_equal(match.route->query, CRB_QUERY_GIT_ERASE);
	assert_true(match.route->needs_session);
	assert_true(find("GET", "/git/h:1/a/b?x=y?z"));
	assert_int_equal(match.route->action, CRB_ACTION_GIT);
	assert_false(match.route->needs_session);
	assert_int_equal(match.rest_len, 7);
	assert_memory_equal(match.rest, "h:1/a/b", 7);
	assert_string_equal(match.query, "x=y?z");
	assert_true(find("GET", "/v1/aws/dev"));
	assert_int_equal(match.route->action, CRB_ACTION_LEASE);
	assert_int_equal(match.route->format, CRB_LEASE_CONTAINER);
	assert_true(match.route->needs_session && match.route->bare_token);
	assert_int_equal(match.rest_len, 3);
	assert_memory_equal(match.rest, "dev", 3);
	assert_true(find("HEAD", "/v1/aws/dev"));
	assert_true(find("GET", "/v1/helper/aws/dev"));
	assert_int_equal(match.route->format, CRB_LEASE_PROCESS);
	assert_true(match.route->needs_session);
	assert_false(match.route->bare_token);
	assert_true(find("POST", "/git/h/a?"));
	assert_string_equal(match.query, "");
	assert_true(find("POST", "/git/h/a"));
	assert_null(match.query);
}

/* Whatever is below it: the metadata's own table says what is there. */
static void
all_of_the_metadata_is_one_route(void **state)
{
	static const char *const targets[] = { "/latest", "/latest/",
		"/latest/meta-data/iam", "/latest//", "/latest/api/",
		"/latest/api/token/", "/latest?x", "/latest/x?y=z" };

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (!find("GET", targets[i]) ||
		    match.route->action != CRB_ACTION_IMDS ||
		    !find("HEAD", targets[i]))
			fail_msg("%s", targets[i]);
		assert_true(crb_route_imds(targets[i]));
	}
	assert_true(find("PUT", "/latest/api/token"));
	assert_int_equal(match.route->action, CRB_ACTION_IMDS_TOKEN);
	assert_false(crb_route_imds("/latestx"));
	assert_false(crb_route_imds("/v1/latest/"));
	assert_false(crb_route_imds("/lates"));
}

static void
other_paths_and_methods_are_refused(void **state)
{
	static const struct {
		const char *method, *target;
		unsigned status;
	} cases[] = {
		{ "GET", "/", 404 },
		{ "GET", "/v1", 404 },
		{ "GET", "/v1/", 404 },
		{ "GET", "/v1/sessions", 404 },
		{ "GET", "/v1/session/", 404 },
		{ "GET", "/V1/session", 404 },
		{ "GET", "/v1//session", 404 },
		{ "GET", "/v1/credentials/", 404 },
		{ "GET", "/v1/credentials/A", 404 },
		{ "GET", "/v1/credentials/a/b", 404 },
		{ "GET", "/v1/credentials/..", 404 },
		{ "GET", "/v1/credentials/a%2f", 404 },
		{ "GET", "/git/", 404 },
		{ "GET", "/git", 404 },
		{ "GET", "/git?a", 404 },
		{ "GET", "/latestx", 404 },
		{ "GET", "/v1/aws", 404 },
		{ "GET", "/v1/aws/", 404 },
		{ "GET", "/v1/aws/a/b", 404 },
		{ "GET", "/v1/aws/DEV", 404 },
		{ "GET", "/v1/helper/aws/", 404 },
		{ "GET", "/latest/api/token", 405 },
		{ "HEAD", "/latest/api/token", 405 },
		{ "PUT", "/latest/api/tokens", 405 },
		{ "PUT", "/latest", 405 },
		{ "POST", "/v1/aws/dev", 405 },
		{ "HEAD", "/v1/session", 405 },
		{ "HEAD", "/v1/helper/aws/dev", 405 },
		{ "PUT", "/latest/api/token?a", 400 },
		{ "GET", "/v1/aws/dev?", 400 },
		{ "POST", "/v1/session", 405 },
		{ "GET", "/v1/helper/git/get", 405 },
		{ "PUT", "/git/h/a", 405 },
		{ "HEAD", "/git/h/a", 405 },
		{ "GET", "/v1/session?a", 400 },
		{ "GET", "/v1/session?", 400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (find(cases[i].method, cases[i].target))
			fail_msg("%s passes", cases[i].target);
		if (refusal.status != cases[i].status)
			fail_msg("%s: %u", cases[i].target, refusal.status);
	}
}

static void
allowed_methods_are_listed(void **state)
{
	char allow[CRB_ALLOW_TEXT];

	(void)state;
	assert_true(crb_route_allow("/v1/session", allow));
	assert_string_equal(allow, "GET");
	assert_true(crb_route_allow("/v1/helper/git/get?x", allow));
	assert_string_equal(allow, "POST");
	assert_true(crb_route_allow("/git/h/a", allow));
	assert_string_equal(allow, "GET, POST");
	assert_true(crb_route_allow("/v1/aws/dev", allow));
	assert_string_equal(allow, "GET, HEAD");
	assert_true(crb_route_allow("/latest/api/token", allow));
	assert_string_equal(allow, "PUT");
	assert_true(crb_route_allow("/latest/x", allow));
	assert_string_equal(allow, "GET, HEAD");
	assert_false(crb_route_allow("/nothing", allow));
}

static void
text_is_for_git_and_helpers(void **state)
{
	(void)state;
	assert_true(crb_route_plain("/latest/x"));
	assert_true(crb_route_plain("/v1/helper/aws/dev"));
	assert_false(crb_route_plain("/v1/aws/dev"));
	assert_true(crb_route_plain("/git/x") && crb_route_git("/git/x"));
	assert_true(crb_route_plain("/v1/helper/git/get"));
	assert_false(crb_route_git("/v1/helper/git/get"));
	assert_false(crb_route_plain("/v1/session"));
	assert_false(crb_route_git("/gitx/"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_are_found_with_what_they_need),
		cmocka_unit_test(all_of_the_metadata_is_one_route),
		cmocka_unit_test(other_paths_and_methods_are_refused),
		cmocka_unit_test(allowed_methods_are_listed),
		cmocka_unit_test(text_is_for_git_and_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
