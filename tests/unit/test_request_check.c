#include "broker/gateway/request_check.h"

#include "tests/unit/unit.h"

#define HEADERS 80
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct request {
	struct crb_request_view view;
	struct crb_header headers[HEADERS];
	struct crb_request_facts facts;
	struct crb_refusal refusal;
};

/* "Name: value" strings, after a Host unless one of them is. */
static void
make(struct request *request, const char *line, const char *const *headers)
{
	static const char *host = "Host: 127.0.0.1:9169";
	static char method[64];
	const char *space = strchr(line, ' ');
	bool has_host = false;

	memset(request, 0, sizeof(*request));
	assert_non_null(space);
	(void)snprintf(
	    method, sizeof(method), "%.*s", (int)(space - line), line);
	request->view.method = method;
	request->view.target = space + 1;
	request->view.version = "HTTP/1.1";
	request->view.headers = request->headers;
	for (size_t i = 0; headers[i] != NULL; i++)
		has_host = has_host || strncmp(headers[i], "Host:", 5) == 0;
	for (size_t i = 0; headers[i] != NULL || !has_host; i++) {
		const char *text = headers[i] != NULL ? headers[i] : host;
		const char *colon = strchr(text, ':');

		assert_non_null(colon);
		request->headers[request->view.header_count++] =
		    (struct crb_header){
			    .name = { text, (size_t)(colon - text) },
			    .value = CRB_SLICE(
				colon + (colon[1] == ' ' ? 2 : 1)),
		    };
		if (headers[i] == NULL)
			break;
	}
}

static bool
check(struct request *request)
{
	return crb_request_check(
	    &request->view, &request->facts, &request->refusal);
}

#define NONE         \
	{            \
		NULL \
	}
#define ONE(a)          \
	{               \
		a, NULL \
	}
#define TWO(a, b)          \
	{                  \
		a, b, NULL \
	}

static void
plain_requests_pass(void **state)
{
	static const struct {
		const char *line;
		const char *headers[3];
		enum crb_body body;
		uint64_t length;
	} good[] = {
		{ "GET /v1/session", NONE, CRB_BODY_NONE, 0 },
		{ "GET /", ONE("Host: [::1]:9169"), CRB_BODY_NONE, 0 },
		{ "GET /", ONE("Host: localhost"), CRB_BODY_NONE, 0 },
		{ "POST /x", ONE("Content-Length: 0"), CRB_BODY_NONE, 0 },
		{ "PUT /x", ONE("Content-Length: 5"), CRB_BODY_LENGTH, 5 },
		{ "POST /x", ONE("content-length: 9223372036854775807"),
		    CRB_BODY_LENGTH, INT64_MAX },
		{ "POST /x", ONE("Transfer-Encoding: chunked"),
		    CRB_BODY_CHUNKED, 0 },
		{ "POST /x", TWO("Content-Length: 1", "Expect: 100-continue"),
		    CRB_BODY_LENGTH, 1 },
		{ "GET /a?b=c%20d&e", ONE("Upgrade: h2c"), CRB_BODY_NONE, 0 },
		{ "GET /%E2%82%AC/~a", ONE("X-Empty:"), CRB_BODY_NONE, 0 },
		{ "GET /", ONE("Viable: x"), CRB_BODY_NONE, 0 },
		{ "GET /", ONE("Secret: x"), CRB_BODY_NONE, 0 },
	};
	struct request request;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		make(&request, good[i].line, good[i].headers);
		if (!check(&request))
			fail_msg("%s %s: %s", good[i].line, good[i].headers[0],
			    request.refusal.detail);
		assert_int_equal(request.facts.body, good[i].body);
		assert_int_equal(request.facts.length, good[i].length);
		assert_false(request.facts.close);
	}
}

static const struct {
	const char *line;
	const char *headers[3];
	unsigned status;
	const char *code;
} refused[] = {
	{ "OPTIONS /", NONE, 405, "method_not_allowed" },
	{ "CONNECT a:1", NONE, 405, "method_not_allowed" },
	{ "TRACE /", ONE("Origin: a"), 405, "method_not_allowed" },
	{ "G(T /", NONE, 400, "invalid_request" },
	{ "AVERYLONGMETHODNAME /", NONE, 400, "invalid_request" },
	{ "GET http://127.0.0.1:9169/", NONE, 400, "invalid_request" },
	{ "GET *", NONE, 400, "invalid_request" },
	{ "GET ", NONE, 400, "invalid_request" },
	{ "GET /a b", NONE, 400, "invalid_request" },
	{ "GET /a#b", NONE, 400, "invalid_request" },
	{ "GET /a\\b", NONE, 400, "invalid_request" },
	{ "GET /\x7f", NONE, 400, "invalid_request" },
	{ "GET /\x80", NONE, 400, "invalid_request" },
	{ "GET /\t", NONE, 400, "invalid_request" },
	{ "GET /", ONE("Host:"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: 127.0.0.1:9168"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: 127.0.0.1.:9169"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: Localhost"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: ::1"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: 127.1"), 403, "host_not_allowed" },
	{ "GET /", TWO("Host: localhost", "Host: localhost"), 400,
	    "invalid_request" },
	{ "GET /", TWO("Host: localhost", "hOST: localhost"), 400,
	    "invalid_request" },
	{ "GET /", ONE("Host: localhost:09169"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: localhost:"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: localhost:0"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: localhost:91690"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: localhost:74705"), 403, "host_not_allowed" },
	{ "GET /", ONE("Host: localhost9169"), 403, "host_not_allowed" },
	{ "GET /v1/aws/a", ONE("Host: 169.254.169.254"), 403,
	    "host_not_allowed" },
	{ "GET /latestx", ONE("Host: 169.254.169.254"), 403,
	    "host_not_allowed" },
	{ "GET /latest/", ONE("Host: 169.254.169.254:80"), 403,
	    "host_not_allowed" },
	{ "GET /latest/", ONE("Host: 169.254.169.254:9169"), 403,
	    "host_not_allowed" },
	{ "PUT /latest/api/token", ONE("X-Forwarded-For: a"), 400,
	    "forwarded_request" },
	{ "GET /latest/", ONE("via: a"), 400, "forwarded_request" },
	{ "GET /latest/",
	    TWO("X-aws-ec2-metadata-token: a", "x-AWS-ec2-metadata-token: a"),
	    400, "invalid_request" },
	{ "PUT /latest/api/token",
	    TWO("X-aws-ec2-metadata-token-ttl-seconds: 1",
		"X-aws-ec2-metadata-token-ttl-seconds: 1"),
	    400, "invalid_request" },
	{ "GET /", ONE("Origin: null"), 403, "browser_request" },
	{ "GET /", ONE("REFERER: x"), 403, "browser_request" },
	{ "GET /", ONE("Sec-Fetch-Site: none"), 403, "browser_request" },
	{ "GET /", ONE("sec-gpc: 1"), 403, "browser_request" },
	{ "GET /", ONE("X-Forwarded-Proto: https"), 403, "forwarded_request" },
	{ "GET /", ONE("X-Forwarded: a"), 403, "forwarded_request" },
	{ "GET /", ONE("X-Original-URL: /a"), 403, "forwarded_request" },
	{ "GET /", ONE("via: a"), 403, "forwarded_request" },
	{ "POST /", ONE("X-HTTP-Method: PUT"), 400, "invalid_request" },
	{ "POST /", ONE("Trailer: a"), 400, "invalid_request" },
	{ "GET /", ONE(": a"), 400, "invalid_request" },
	{ "GET /", ONE("a b: c"), 400, "invalid_request" },
	{ "GET /", ONE("a\t: c"), 400, "invalid_request" },
	{ "GET /", ONE("a\xc3: c"), 400, "invalid_request" },
	{ "GET /", ONE("X_Forwarded_For: c"), 400, "invalid_request" },
	{ "GET /", ONE("a: b\x01"), 400, "invalid_request" },
	{ "GET /", ONE("a: b\x7f"), 400, "invalid_request" },
	{ "GET /", ONE("a: b\xe9"), 400, "invalid_request" },
	{ "POST /", TWO("Content-Length: 1", "Content-Length: 1"), 400,
	    "invalid_request" },
	{ "POST /", TWO("Content-Length: 0", "Transfer-Encoding: chunked"), 400,
	    "invalid_request" },
	{ "POST /", ONE("Content-Length:"), 400, "invalid_request" },
	{ "POST /", ONE("Content-Length: +1"), 400, "invalid_request" },
	{ "POST /", ONE("Content-Length: 1 1"), 400, "invalid_request" },
	{ "POST /", ONE("Content-Length: 9223372036854775808"), 400,
	    "invalid_request" },
	{ "POST /", ONE("Transfer-Encoding: gzip, chunked"), 400,
	    "invalid_request" },
	{ "POST /", ONE("Transfer-Encoding:"), 400, "invalid_request" },
	{ "POST /", ONE("Transfer-Encoding: chunked;q=1"), 400,
	    "invalid_request" },
	{ "GET /", ONE("Content-Length: 1"), 400, "invalid_request" },
	{ "HEAD /", ONE("Transfer-Encoding: chunked"), 400, "invalid_request" },
	{ "POST /", ONE("Expect: 100-continue, x"), 417, "expectation_failed" },
	{ "GET /", ONE("Upgrade: websocket"), 400, "invalid_request" },
	{ "GET /", ONE("Credbroker-Session: 0"), 400, "invalid_request" },
	{ "GET /", TWO("Authorization: a", "Authorization: a"), 400,
	    "invalid_request" },
};

static void
irregular_requests_are_refused(void **state)
{
	struct request request;

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		make(&request, refused[i].line, refused[i].headers);
		if (check(&request))
			fail_msg("%s %s passes", refused[i].line,
			    refused[i].headers[0]);
		if (request.refusal.status != refused[i].status)
			fail_msg("%s %s: %s", refused[i].line,
			    refused[i].headers[0], request.refusal.detail);
		assert_string_equal(request.refusal.code, refused[i].code);
	}
}

static void
metadata_has_an_address_and_headers_of_its_own(void **state)
{
	static const char *const address[] = ONE("Host: 169.254.169.254");
	static const char *const token[] = TWO("X-aws-ec2-metadata-token: abc",
	    "X-aws-ec2-metadata-token-ttl-seconds: 60");
	struct request request;

	(void)state;
	make(&request, "GET /latest/meta-data/", address);
	assert_true(check(&request));
	assert_null(request.facts.imds_token.p);
	make(&request, "PUT /latest/api/token", token);
	assert_true(check(&request));
	assert_true(crb_slice_is(request.facts.imds_token, "abc"));
	assert_true(crb_slice_is(request.facts.imds_ttl, "60"));
}

static void
a_session_s_own_port_may_be_named(void **state)
{
	static const char *const host[] = ONE("Host: 127.0.0.1:4711");
	struct request request;

	(void)state;
	make(&request, "GET /", host);
	assert_false(check(&request));
	request.view.port = 4711;
	assert_true(check(&request));
	request.view.port = 4712;
	assert_false(check(&request));
}

static void
host_must_be_there(void **state)
{
	static const char *const none[] = NONE;
	struct request request;

	(void)state;
	make(&request, "GET /", none);
	request.view.header_count = 0;
	assert_false(check(&request));
	assert_string_equal(request.refusal.code, "invalid_request");
}

static void
versions_are_told_apart(void **state)
{
	static const char *const none[] = NONE;
	static const char *const chunked[] = ONE("Transfer-Encoding: chunked");
	struct request request;

	(void)state;
	make(&request, "GET /", none);
	request.view.version = "HTTP/1.0";
	assert_true(check(&request));
	assert_true(request.facts.close);
	request.view.version = "HTTP/1.2";
	assert_false(check(&request));
	assert_int_equal(request.refusal.status, 505);
	make(&request, "POST /", chunked);
	request.view.version = "HTTP/1.0";
	assert_false(check(&request));
	assert_int_equal(request.refusal.status, 400);
}

static void
number_and_size_of_headers_are_bounded(void **state)
{
	static const char *const none[] = NONE;
	static char value[CRB_REQUEST_HEAD_MAX];
	struct request request;

	(void)state;
	make(&request, "GET /", none);
	for (size_t i = 1; i < HEADERS; i++)
		request.headers[i] = (struct crb_header){ CRB_SLICE("a"),
			CRB_SLICE("b") };
	request.view.header_count = CRB_REQUEST_HEADERS_MAX;
	assert_true(check(&request));
	request.view.header_count++;
	assert_false(check(&request));
	assert_int_equal(request.refusal.status, 431);
	/* "Host: 127.0.0.1:9169\r\n" and "a: \r\n" are 22 and 5 bytes. */
	memset(value, 'x', sizeof(value));
	request.headers[1].value = (struct crb_slice){ value,
		CRB_REQUEST_HEAD_MAX - 27 };
	request.view.header_count = 2;
	assert_true(check(&request));
	request.headers[1].value.len++;
	assert_false(check(&request));
	assert_int_equal(request.refusal.status, 431);
}

static void
target_is_bounded(void **state)
{
	static const char *const none[] = NONE;
	static char line[CRB_REQUEST_TARGET_MAX + 8] = "GET /";
	struct request request;

	(void)state;
	memset(line + 5, 'a', CRB_REQUEST_TARGET_MAX - 1);
	make(&request, line, none);
	assert_true(check(&request));
	line[CRB_REQUEST_TARGET_MAX + 4] = 'a';
	assert_false(check(&request));
	assert_int_equal(request.refusal.status, 414);
}

static void
facts_are_taken(void **state)
{
	static const struct {
		const char *value;
		bool plain;
	} accepts[] = {
		{ "text/plain", true },
		{ "text/html, Text/Plain;q=0.5", true },
		{ "\t text/plain,*/*", true },
		{ "text/plain ,*/*", true },
		{ "", false },
		{ "*/*", false },
		{ "text/plainer", false },
		{ "application/json, text/html", false },
		{ ",;", false },
	};
	static const char *const both[] = TWO(
	    "Credbroker-Session: 1", "authorization: Bearer x");
	struct request request;

	(void)state;
	make(&request, "GET /", both);
	assert_true(check(&request));
	assert_true(request.facts.session_header);
	assert_true(crb_slice_is(request.facts.authorization, "Bearer x"));
	assert_false(request.facts.plain);
	for (size_t i = 0; i < COUNT(accepts); i++) {
		make(&request, "GET /", both);
		request.headers[0] = (struct crb_header){ CRB_SLICE("Accept"),
			CRB_SLICE(accepts[i].value) };
		assert_true(check(&request));
		assert_int_equal(request.facts.plain, accepts[i].plain);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_requests_pass),
		cmocka_unit_test(irregular_requests_are_refused),
		cmocka_unit_test(
		    metadata_has_an_address_and_headers_of_its_own),
		cmocka_unit_test(a_session_s_own_port_may_be_named),
		cmocka_unit_test(host_must_be_there),
		cmocka_unit_test(versions_are_told_apart),
		cmocka_unit_test(number_and_size_of_headers_are_bounded),
		cmocka_unit_test(target_is_bounded),
		cmocka_unit_test(facts_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
