/* One request of a backend that mints: what is sent, and what is believed. */
#include "broker/egress/mint_http.h"

#include <signal.h>

#include "../fakes/http_server.h"
#include "base/cleanup.h"
#include "unit.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct http_answer answers[] = {
	{ .target = "/ok",
	    .texts = TEXTS(OK "X-Amzn-RequestId:  r-1 \r\n"
			      "Content-Length: 5\r\n\r\nhello") },
	{ .target = "/interim",
	    .texts = TEXTS("HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\n" OK
			   "Content-Length: 0\r\n\r\n") },
	{ .target = "/chunked",
	    .texts = TEXTS(OK "Transfer-Encoding: chunked\r\n\r\n"
			      "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n") },
	{ .target = "/refused",
	    .texts = TEXTS("HTTP/1.1 403 Forbidden\r\n"
			   "Content-Length: 2\r\n\r\nno") },
	{ .target = "/unauthorized",
	    .texts = TEXTS("HTTP/1.1 401 Unauthorized\r\n"
			   "Content-Length: 2\r\n\r\nno") },
	{ .target = "/redirect",
	    .texts = TEXTS("HTTP/1.1 302 Found\r\nLocation: /ok\r\n"
			   "Content-Length: 0\r\n\r\n") },
	{ .target = "/most",
	    .texts = TEXTS(OK "Content-Length: 262144\r\n\r\n"),
	    .fill = CRB_HTTP_BODY_MAX },
	{ .target = "/long",
	    .texts = TEXTS(OK "Content-Length: 262145\r\n\r\n"),
	    .hang = true },
	{ .target = "/endless",
	    .texts = TEXTS(OK "\r\n"),
	    .fill = 4 * CRB_HTTP_BODY_MAX },
	{ .target = "/endless-head",
	    .texts = TEXTS(OK "x-a: "),
	    .fill = 4 * CRB_HTTP_BODY_MAX },
	{ .target = "/truncated",
	    .texts = TEXTS(OK "Content-Length: 9\r\n\r\nhello") },
	{ .target = "/nothing", .texts = TEXTS("") },
	{ .target = "/garbage", .texts = TEXTS("\1\2\3 garbage\r\n\r\n") },
	{ .target = "/http2", .texts = TEXTS("HTTP/2 200\r\n\r\n") },
	{ .target = "/gzip",
	    .texts = TEXTS(OK "Content-Encoding: gzip\r\n"
			      "Content-Length: 2\r\n\r\n\x1f\x8b") },
	{ .target = "/both",
	    .texts = TEXTS(OK "Content-Length: 2\r\n"
			      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n") },
	{ .target = "/slow-head", .texts = TEXTS(""), .hang = true },
	{ .target = "/slow-body",
	    .texts = TEXTS(OK "Content-Length: 9\r\n\r\nhe"),
	    .hang = true },
	{ NULL, NULL, 0, false },
};

struct world {
	struct http_server *server;
	struct crb_trust *trust;
	struct crb_mint_http http;
	struct crb_origin origin;
	struct crb_http_reply reply;
	bool stopped;
};

static bool
stopped(void *ctx)
{
	return ((const struct world *)ctx)->stopped;
}

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct crb_err err;

	if (world == NULL || crb_trust_new(&world->trust, &err) != CRB_OK)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	world->server = http_server_start(answers);
	world->origin = (struct crb_origin){ .host = "127.0.0.1",
		.port = http_server_port(world->server) };
	world->http = (struct crb_mint_http){
		.multi = curl_multi_init(),
		.stopped = stopped,
		.ctx = world,
		.trust = world->trust,
		.network = CRB_NETWORK_LOOPBACK,
		.ca = CRB_SLICE(""),
		.proxy = CRB_SLICE(""),
		.connect_ms = 5000,
		.deadline = crb_mint_clock() + 20000,
	};
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	crb_buf_clear(&world->reply.headers);
	crb_buf_clear(&world->reply.body);
	(void)curl_multi_cleanup(world->http.multi);
	crb_trust_free(world->trust);
	http_server_stop(world->server);
	free(world);
	return 0;
}

static enum crb_status
ask(struct world *world, const char *target, struct crb_err *err)
{
	const struct crb_http_request request = {
		.method = "POST",
		.origin = &world->origin,
		.target = target,
		.headers = "authorization: AWS4-HMAC-SHA256 x\n"
			   "content-type: application/x-www-form-urlencoded\n",
		.body = "Action=A\0b",
		.body_len = 10,
	};

	crb_buf_clear(&world->reply.headers);
	crb_buf_clear(&world->reply.body);
	return crb_mint_http(&world->http, &request, &world->reply, err);
}

static void
test_what_is_sent(void **state)
{
	struct world *world = *state;
	char expected[512];
	struct crb_err err;

	assert_ok(ask(world, "/ok", &err));
	(void)snprintf(expected, sizeof(expected),
	    "POST /ok HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	    "authorization: AWS4-HMAC-SHA256 x\r\n"
	    "content-type: application/x-www-form-urlencoded\r\n"
	    "user-agent: credbroker\r\nContent-Length: 10\r\n\r\nAction=A",
	    world->origin.port);
	assert_string_equal(http_server_last(world->server), expected);
}

static void
test_what_is_answered(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(ask(world, "/ok", &err));
	assert_int_equal(world->reply.status, 200);
	assert_string_equal(crb_buf_text(&world->reply.body), "hello");
	assert_string_equal(crb_buf_text(&world->reply.headers),
	    "x-amzn-requestid: r-1\ncontent-length: 5\n");
	assert_true(world->reply.headers.wiped && world->reply.body.wiped);
	assert_ok(ask(world, "/interim", &err));
	assert_string_equal(
	    crb_buf_text(&world->reply.headers), "content-length: 0\n");
	assert_ok(ask(world, "/chunked", &err));
	assert_string_equal(crb_buf_text(&world->reply.body), "hello");
	assert_ok(ask(world, "/most", &err));
	assert_int_equal(world->reply.body.len, CRB_HTTP_BODY_MAX);
}

static void
test_any_status_is_an_answer(void **state)
{
	static const struct {
		const char *target;
		unsigned status;
	} rows[] = { { "/refused", 403 }, { "/unauthorized", 401 },
		{ "/redirect", 302 } };
	struct world *world = *state;
	struct crb_err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_ok(ask(world, rows[i].target, &err));
		assert_int_equal(world->reply.status, rows[i].status);
		assert_false(world->http.unanswered);
	}
	/* The redirect was not followed. */
	assert_int_equal(http_server_count(world->server), 3);
}

static void
test_answers_that_are_not_taken(void **state)
{
	static const struct {
		const char *target, *why;
		bool unanswered;
	} rows[] = {
		{ "/long", "with more than 256 KiB", false },
		{ "/endless", "with more than 256 KiB", false },
		{ "/endless-head", "sent too long a head", false },
		{ "/truncated", "closed the connection early", true },
		{ "/nothing", "without an answer", true },
		{ "/garbage", "did not answer in HTTP/1", false },
		{ "/http2", "did not answer in HTTP/1", false },
		{ "/gzip", "Content-Encoding that was not asked for", false },
		{ "/both", "a length and chunks at once", false },
	};
	struct world *world = *state;
	struct crb_err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_fails(
		    ask(world, rows[i].target, &err), CRB_ERR_UPSTREAM);
		assert_says(rows[i].why);
		assert_int_equal(world->http.unanswered, rows[i].unanswered);
		/* The rest is not read for nothing. */
		assert_true(world->reply.body.len <= CRB_HTTP_BODY_MAX);
	}
}

static void
test_one_that_takes_too_long(void **state)
{
	static const char *const targets[] = { "/slow-head", "/slow-body" };
	struct world *world = *state;
	struct crb_err err;
	int64_t since;

	for (size_t i = 0; i < 2; i++) {
		since = crb_mint_clock();
		world->http.deadline = since + 2000;
		assert_fails(ask(world, targets[i], &err), CRB_ERR_TIMEOUT);
		assert_says("did not answer in time");
		assert_true(crb_mint_clock() - since < 15000);
	}
	/* Nothing is sent when there is no time for an answer. */
	assert_fails(ask(world, "/ok", &err), CRB_ERR_TIMEOUT);
	assert_int_equal(http_server_count(world->server), 2);
}

static void
test_nobody_there(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	world->origin.port = 1;
	assert_fails(ask(world, "/ok", &err), CRB_ERR_UPSTREAM);
	assert_says("refused the connection");
	assert_true(world->http.unanswered);
}

static void
test_where_the_credential_may_not_go(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	world->http.network = CRB_NETWORK_PUBLIC;
	assert_fails(ask(world, "/ok", &err), CRB_ERR_UPSTREAM);
	assert_says("a loopback address");
	assert_false(world->http.unanswered);
	world->origin.tls = true;
	world->http.network = CRB_NETWORK_PRIVATE;
	assert_fails(ask(world, "/ok", &err), CRB_ERR_UPSTREAM);
	assert_says("parameter \"network\"");
	assert_int_equal(http_server_count(world->server), 0);
}

static void
test_a_stop_ends_it(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	/* As is seen when another thread wakes it up. */
	world->stopped = true;
	assert_fails(ask(world, "/slow-head", &err), CRB_ERR_UNREACHABLE);
	assert_false(world->http.unanswered);
}

static void
test_requests_that_are_not_sent(void **state)
{
	struct world *world = *state;
	struct crb_http_request request = { .method = "GET",
		.origin = &world->origin,
		.target = "/ok",
		.headers = "" };
	struct crb_err err;

	request.headers = "x-a: 1\r\nx-b: 2\n";
	assert_fails(crb_mint_http(&world->http, &request, &world->reply, &err),
	    CRB_ERR_INVALID);
	request.headers = "";
	request.target = "/ok HTTP/1.1";
	assert_fails(crb_mint_http(&world->http, &request, &world->reply, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(http_server_count(world->server), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_sent),
		TEST(test_what_is_answered),
		TEST(test_any_status_is_an_answer),
		TEST(test_answers_that_are_not_taken),
		TEST(test_one_that_takes_too_long),
		TEST(test_nobody_there),
		TEST(test_where_the_credential_may_not_go),
		TEST(test_a_stop_ends_it),
		TEST(test_requests_that_are_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
