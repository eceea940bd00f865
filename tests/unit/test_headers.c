#include "broker/bus/headers.h"

#include "tests/unit/unit.h"

#define SLICE_OF(bytes) ((struct crb_slice){ (bytes), sizeof(bytes) - 1 })

static void
a_name_is_on_the_list_of_its_direction(void **state)
{
	static const struct {
		const char *name;
		bool request, response;
	} cases[] = {
		{ "accept", true, false },
		{ "Content-Type", true, true },
		{ "GIT-PROTOCOL", true, false },
		{ "content-encoding", true, false },
		{ "location", false, true },
		{ "X-RateLimit-Remaining", false, true },
		{ "x-ratelimit-", false, false },
		{ "x-ratelimit", false, false },
		{ "authorization", false, false },
		{ "proxy-authorization", false, false },
		{ "cookie", false, false },
		{ "set-cookie", false, false },
		{ "www-authenticate", false, false },
		{ "host", false, false },
		{ "connection", false, false },
		{ "content-length", false, false },
		{ "transfer-encoding", false, false },
		{ "accept-encoding", false, false },
		{ "expect", false, false },
		{ "te", false, false },
		{ "upgrade", false, false },
		{ "x-http-method-override", false, false },
		{ "accep", false, false },
		{ "accept ", false, false },
		{ "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct crb_slice name = CRB_SLICE(cases[i].name);

		if (crb_header_request_ok(CRB_ROUTE_GIT, name) !=
			cases[i].request ||
		    crb_header_response_ok(CRB_ROUTE_GIT, name) !=
			cases[i].response)
			fail_msg("%s", cases[i].name);
	}
}

/* Nothing that signs, and nothing about a connection, comes from a client. */
static void
an_api_has_a_list_of_its_own(void **state)
{
	static const struct {
		const char *name;
		bool request, response;
	} cases[] = {
		{ "accept", true, false },
		{ "Content-Type", true, true },
		{ "content-md5", true, false },
		{ "content-encoding", true, true },
		{ "If-None-Match", true, false },
		{ "range", true, false },
		{ "X-Amz-Meta-Colour", true, true },
		{ "x-amz-target", true, true },
		{ "x-amz-content-sha256", true, true },
		{ "etag", false, true },
		{ "content-range", false, true },
		{ "location", false, true },
		{ "x-amzn-requestid", false, true },
		{ "x-amz-", false, false },
		{ "x-amz", false, false },
		{ "x-amz-date", false, true },
		{ "X-Amz-Security-Token", false, true },
		{ "x-amz-s3session-token", false, true },
		{ "x-amz-security_token", false, true },
		{ "x-amz-meta-my_colour", true, true },
		{ "git-protocol", false, false },
		{ "x-ratelimit-limit", false, false },
		{ "authorization", false, false },
		{ "proxy-authorization", false, false },
		{ "cookie", false, false },
		{ "set-cookie", false, false },
		{ "host", false, false },
		{ "date", false, false },
		{ "connection", false, false },
		{ "content-length", false, false },
		{ "transfer-encoding", false, false },
		{ "trailer", false, false },
		{ "te", false, false },
		{ "upgrade", false, false },
		{ "expect", false, false },
		{ "accept-encoding", false, false },
		{ "x-forwarded-for", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct crb_slice name = CRB_SLICE(cases[i].name);

		if (crb_header_request_ok(CRB_ROUTE_HTTP, name) !=
			cases[i].request ||
		    crb_header_response_ok(CRB_ROUTE_HTTP, name) !=
			cases[i].response)
			fail_msg("%s", cases[i].name);
		/* A route that nobody knows passes nothing. */
		assert_false(crb_header_request_ok(0, name));
		assert_false(crb_header_response_ok(0, name));
	}
}

static void
what_is_added_is_read_back_in_lower_case_and_trimmed(void **state)
{
	CRB_AUTO_BUF struct crb_buf block = CRB_BUF_INIT(CRB_HEADER_NAME_MAX);
	struct crb_header header;
	struct crb_slice rest;
	struct crb_err err;
	bool more;

	(void)state;
	assert_true(crb_headers_add(
	    &block, CRB_SLICE("Accept"), CRB_SLICE(" \t a, b:c\t ")));
	assert_true(crb_headers_add(&block, CRB_SLICE("x_Y-1"), SLICE_OF("z")));
	assert_string_equal(crb_buf_text(&block), "accept: a, b:c\nx_y-1: z\n");

	rest = (struct crb_slice){ block.data, block.len };
	assert_ok(crb_headers_next(&rest, &header, &more, &err));
	assert_true(more && crb_slice_is(header.name, "accept") &&
	    crb_slice_is(header.value, "a, b:c"));
	assert_ok(crb_headers_next(&rest, &header, &more, &err));
	assert_true(more && crb_slice_is(header.name, "x_y-1") &&
	    crb_slice_is(header.value, "z"));
	assert_ok(crb_headers_next(&rest, &header, &more, &err));
	assert_false(more);
}

static void
what_a_block_cannot_carry_is_not_added(void **state)
{
	static const struct {
		struct crb_slice name, value;
	} cases[] = {
		{ SLICE_OF(""), SLICE_OF("a") },
		{ SLICE_OF("a b"), SLICE_OF("a") },
		{ SLICE_OF("a:"), SLICE_OF("a") },
		{ SLICE_OF("a\n"), SLICE_OF("a") },
		{ SLICE_OF("a\xe9"), SLICE_OF("a") },
		{ SLICE_OF("a"), SLICE_OF("") },
		{ SLICE_OF("a"), SLICE_OF(" \t") },
		{ SLICE_OF("a"), SLICE_OF("b\nc: d") },
		{ SLICE_OF("a"), SLICE_OF("b\rc") },
		{ SLICE_OF("a"), SLICE_OF("b\0c") },
		{ SLICE_OF("a"), SLICE_OF("b\x7f") },
		{ SLICE_OF("a"), SLICE_OF("caf\xc3\xa9") },
	};
	CRB_AUTO_BUF struct crb_buf block = CRB_BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (crb_headers_add(&block, cases[i].name, cases[i].value))
			fail_msg("case %zu", i);
		assert_int_equal(block.len, 0);
	}
}

static void
a_name_has_a_bound(void **state)
{
	CRB_AUTO_BUF struct crb_buf block = CRB_BUF_INIT(1000);
	char name[CRB_HEADER_NAME_MAX + 2] = { 0 };

	(void)state;
	memset(name, 'a', CRB_HEADER_NAME_MAX);
	assert_true(crb_headers_add(&block, CRB_SLICE(name), SLICE_OF("x")));
	name[CRB_HEADER_NAME_MAX] = 'a';
	assert_false(crb_headers_add(&block, CRB_SLICE(name), SLICE_OF("x")));
}

static void
a_block_that_nobody_of_ours_wrote_is_refused(void **state)
{
	static const struct crb_slice cases[] = {
		SLICE_OF("accept: a"),
		SLICE_OF("\n"),
		SLICE_OF("accept\n"),
		SLICE_OF("accept:a\n"),
		SLICE_OF("accept: \n"),
		SLICE_OF("accept:  a\n"),
		SLICE_OF("accept: a \n"),
		SLICE_OF("accept: a\r\n"),
		SLICE_OF("accept : a\n"),
		SLICE_OF(" accept: a\n"),
		SLICE_OF("Accept: a\n"),
		SLICE_OF(": a\n"),
		SLICE_OF("accept: \0\n"),
		SLICE_OF("accept: \xff\n"),
		SLICE_OF("acc\0ept: a\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct crb_slice rest = cases[i];
		struct crb_header header;
		struct crb_err err;
		bool more = true;

		if (crb_headers_next(&rest, &header, &more, &err) !=
		    CRB_ERR_INVALID)
			fail_msg("case %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_on_the_list_of_its_direction),
		cmocka_unit_test(an_api_has_a_list_of_its_own),
		cmocka_unit_test(
		    what_is_added_is_read_back_in_lower_case_and_trimmed),
		cmocka_unit_test(what_a_block_cannot_carry_is_not_added),
		cmocka_unit_test(a_name_has_a_bound),
		cmocka_unit_test(a_block_that_nobody_of_ours_wrote_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
