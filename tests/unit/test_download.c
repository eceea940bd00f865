#include "broker/egress/download.h"

#include <sodium.h>

#include "base/cleanup.h"
#include "broker/bus/stream.h"
#include "tests/unit/unit.h"

#define SECRET "s3cret-token"
#define PIECE 16384

/* A download, and the gateway's end of its stream. */
struct world {
	struct crb_download download;
	struct crb_scrub *scrub;
	int pair[2];
	uint8_t *packet;
};

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct crb_err err;

	if (world == NULL ||
	    (world->packet = malloc(CRB_STREAM_PACKET_MAX)) == NULL ||
	    crb_stream_pair(world->pair, &err) != CRB_OK ||
	    crb_scrub_new(CRB_SLICE(SECRET), CRB_SLICE("Bearer " SECRET),
		&world->scrub, &err) != CRB_OK)
		return -1;
	crb_download_init(&world->download, world->pair[0], 7, "host",
	    CRB_ROUTE_GIT, world->scrub);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	crb_download_clear(&world->download);
	crb_scrub_free(world->scrub);
	crb_fd_cleanup(&world->pair[0]);
	crb_fd_cleanup(&world->pair[1]);
	free(world->packet);
	free(world);
	return 0;
}

static enum crb_status
read_lines(struct world *world, const char *head, struct crb_err *err)
{
	struct crb_slice rest = CRB_SLICE(head), line;

	while (crb_slice_cut(&rest, '\n', &line)) {
		if (line.len > 0 &&
		    crb_download_line(
			&world->download, line.p, line.len + 1, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static struct crb_msg
receive(struct world *world)
{
	struct crb_msg msg;
	struct crb_err err;
	bool closed;

	assert_ok(crb_stream_receive(world->pair[1], CRB_ROLE_EGRESS,
	    CRB_ROLE_GATEWAY, world->packet, &msg, &closed, &err));
	return msg;
}

#define HEAD "HTTP/1.1 200 OK\r\nETag: 1\r\n\r\n"

static void
nothing_is_sent_before_the_head_is_whole(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(read_lines(world, "HTTP/1.1 200 OK\r\nETag: 1\r\n", &err));
	assert_ok(crb_download_flush(&world->download, false, &err));
	assert_int_equal(receive(world).type, CRB_MSG_NONE_);
	assert_ok(read_lines(world, "\r\n", &err));
	assert_ok(crb_download_flush(&world->download, false, &err));
	struct crb_msg msg = receive(world);
	assert_int_equal(msg.type, CRB_MSG_RESPONSE_HEAD);
	assert_int_equal(msg.response_head.job, 7);
	assert_true(crb_slice_is(msg.response_head.headers, "etag: 1\n"));
	assert_int_equal(receive(world).type, CRB_MSG_NONE_);
}

static void
the_beginning_of_a_secret_waits_for_the_rest(void **state)
{
	struct world *world = *state;
	struct crb_err err;
	struct crb_msg msg;

	assert_ok(read_lines(world, HEAD, &err));
	assert_ok(crb_download_body(&world->download, "it is s3cr", 10, &err));
	assert_ok(crb_download_flush(&world->download, false, &err));
	assert_int_equal(receive(world).type, CRB_MSG_RESPONSE_HEAD);
	msg = receive(world);
	assert_int_equal(msg.type, CRB_MSG_RESPONSE_BODY);
	assert_true(crb_slice_is(msg.response_body.data, "it is "));
	assert_false(world->download.blocked);

	assert_ok(crb_download_body(&world->download, "et-token", 8, &err));
	assert_ok(crb_download_flush(&world->download, false, &err));
	msg = receive(world);
	assert_true(crb_slice_is(msg.response_body.data, "************"));

	assert_ok(crb_download_body(&world->download, "s3", 2, &err));
	assert_ok(crb_download_flush(&world->download, false, &err));
	assert_int_equal(receive(world).type, CRB_MSG_NONE_);
	assert_ok(crb_download_flush(&world->download, true, &err));
	msg = receive(world);
	assert_true(crb_slice_is(msg.response_body.data, "s3"));
	assert_int_equal(world->download.passed, 20);
	assert_int_equal(crb_download_scrubbed(&world->download), 1);
}

/* Until it pauses; how many bytes it took. */
static size_t
fill(struct world *world)
{
	static const char piece[PIECE];
	size_t taken = 0;
	struct crb_err err;

	for (;;) {
		assert_ok(crb_download_body(
		    &world->download, piece, sizeof(piece), &err));
		if (world->download.paused)
			return taken;
		taken += sizeof(piece);
		assert_true(taken < 64u << 20);
	}
}

static size_t
drain(struct world *world)
{
	size_t taken = 0;

	for (;;) {
		struct crb_msg msg = receive(world);

		if (msg.type == CRB_MSG_NONE_)
			return taken;
		if (msg.type == CRB_MSG_RESPONSE_BODY)
			taken += msg.response_body.data.len;
	}
}

static void
a_full_stream_pauses_and_loses_nothing(void **state)
{
	struct world *world = *state;
	size_t given = 0, taken = 0;
	struct crb_err err;

	assert_ok(read_lines(world, HEAD, &err));
	for (unsigned i = 0; i < 8; i++) {
		given += fill(world);
		assert_true(world->download.blocked);
		assert_true(world->download.len <= world->download.cap);
		taken += drain(world);
		world->download.paused = false;
	}
	assert_ok(crb_download_flush(&world->download, true, &err));
	assert_false(world->download.blocked);
	taken += drain(world);
	assert_int_equal(given, taken);
	assert_int_equal(world->download.passed, taken);
}

static void
a_head_that_the_stream_does_not_take_waits(void **state)
{
	static const char piece[CRB_BODY_MAX];
	struct world *world = *state;
	struct crb_err err;

	assert_ok(read_lines(world, HEAD, &err));
	while (crb_stream_send_body(world->pair[0], CRB_MSG_RESPONSE_BODY,
		   piece, sizeof(piece), &err) == CRB_OK)
		continue;
	while (crb_stream_send_body(world->pair[0], CRB_MSG_RESPONSE_BODY,
		   piece, 1, &err) == CRB_OK)
		continue;
	assert_ok(crb_download_body(&world->download, "abc", 3, &err));
	assert_ok(crb_download_flush(&world->download, false, &err));
	assert_true(world->download.blocked && !world->download.head_sent);
	(void)drain(world);
	assert_ok(crb_download_flush(&world->download, false, &err));
	assert_false(world->download.blocked);
	assert_int_equal(receive(world).type, CRB_MSG_RESPONSE_HEAD);
	assert_int_equal(receive(world).type, CRB_MSG_RESPONSE_BODY);
}

/* The owner sets it when the stream does not take the end. */
static void
what_is_all_sent_is_not_blocked(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(read_lines(world, HEAD, &err));
	assert_ok(crb_download_body(&world->download, "abc", 3, &err));
	assert_ok(crb_download_flush(&world->download, true, &err));
	world->download.blocked = true;
	assert_ok(crb_download_flush(&world->download, true, &err));
	assert_false(world->download.blocked);
}

static void
give(struct world *world, const char *body, size_t len)
{
	struct crb_err err;

	assert_ok(read_lines(world, HEAD, &err));
	assert_ok(crb_download_body(&world->download, body, len, &err));
}

static bool
send_whole(struct world *world)
{
	struct crb_err err;
	bool sent;

	assert_ok(crb_download_whole(&world->download, &sent, &err));
	return sent;
}

static void
a_short_answer_is_one_message(void **state)
{
	struct world *world = *state;
	struct crb_err err;
	struct crb_msg msg;

	give(world, "it is s3cret-token s3", 21);
	assert_true(send_whole(world));
	msg = receive(world);
	assert_int_equal(msg.type, CRB_MSG_RESPONSE_WHOLE);
	assert_int_equal(msg.response_whole.job, 7);
	assert_int_equal(msg.response_whole.status, 200);
	assert_true(crb_slice_is(msg.response_whole.headers, "etag: 1\n"));
	assert_true(
	    crb_slice_is(msg.response_whole.data, "it is ************ s3"));
	assert_int_equal(world->download.passed, 21);
	assert_int_equal(crb_download_scrubbed(&world->download), 1);
	/* Nothing is said twice. */
	assert_false(send_whole(world));
	assert_ok(crb_download_flush(&world->download, true, &err));
	assert_int_equal(receive(world).type, CRB_MSG_NONE_);
}

static void
an_answer_that_is_long_or_under_way_is_not(void **state)
{
	static char body[CRB_WHOLE_MAX + 1];
	struct world *world = *state;
	struct crb_err err;

	assert_false(send_whole(world));
	memset(body, 'b', sizeof(body));
	give(world, body, sizeof(body));
	assert_false(send_whole(world));
	assert_int_equal(receive(world).type, CRB_MSG_NONE_);
	assert_ok(crb_download_flush(&world->download, true, &err));
	assert_int_equal(receive(world).type, CRB_MSG_RESPONSE_HEAD);
	assert_int_equal(receive(world).type, CRB_MSG_RESPONSE_BODY);
	assert_false(send_whole(world));
	assert_int_equal(receive(world).type, CRB_MSG_NONE_);
}

static void
a_whole_answer_that_the_stream_does_not_take_waits(void **state)
{
	static const char piece[CRB_BODY_MAX];
	struct world *world = *state;
	struct crb_err err;

	while (crb_stream_send_body(world->pair[0], CRB_MSG_RESPONSE_BODY,
		   piece, sizeof(piece), &err) == CRB_OK)
		continue;
	while (crb_stream_send_body(world->pair[0], CRB_MSG_RESPONSE_BODY,
		   piece, 1, &err) == CRB_OK)
		continue;
	give(world, "s3cret-token", 12);
	assert_false(send_whole(world));
	assert_true(world->download.blocked && !world->download.head_sent);
	assert_int_equal(world->download.passed, 0);
	(void)drain(world);
	assert_true(send_whole(world));
	assert_false(world->download.blocked);
	assert_true(
	    crb_slice_is(receive(world).response_whole.data, "************"));
	assert_int_equal(crb_download_scrubbed(&world->download), 1);
}

static void
a_client_that_is_gone_is_an_error(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(read_lines(world, HEAD, &err));
	crb_fd_cleanup(&world->pair[1]);
	world->pair[1] = -1;
	assert_fails(
	    crb_download_flush(&world->download, false, &err), CRB_ERR_INVALID);
	assert_says("went away");
}

static void
heads_that_are_refused(void **state)
{
	static const struct {
		const char *head, *says;
	} cases[] = {
		{ "HTTP/1.1 099 No\r\n", "HTTP/1" },
		{ "HTTP/1.1 20\r\n", "HTTP/1" },
		{ "HTTP/1.1 2000 OK\r\n", "HTTP/1" },
		{ "HTTP/2.0 200 OK\r\n", "HTTP/1" },
		{ "ICY 200 OK\r\n", "HTTP/1" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "Length" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n", "Length" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n",
		    "Length" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		  "Transfer-Encoding: chunked\r\n",
		    "Transfer-Encoding" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n",
		    "Transfer-Encoding" },
		{ "HTTP/1.1 200 OK\r\nCONTENT-ENCODING: br\r\n",
		    "Content-Encoding" },
		{ "HTTP/1.1 200 OK\r\n: a\r\n", "malformed" },
		{ "HTTP/1.1 200 OK\r\n\tfolded\r\n", "malformed" },
		{ "HTTP/1.1 200 OK\r\nLink\t: a\r\n", "malformed" },
		{ "HTTP/1.1 401 Unauthorized\r\n\r\n", "refused the stored" },
	};
	struct world *world = *state;
	struct crb_err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		crb_download_clear(&world->download);
		crb_download_init(&world->download, world->pair[0], 7, "host",
		    CRB_ROUTE_GIT, world->scrub);
		assert_fails(
		    read_lines(world, cases[i].head, &err), CRB_ERR_UPSTREAM);
		assert_says(cases[i].says);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_sent_before_the_head_is_whole),
		TEST(the_beginning_of_a_secret_waits_for_the_rest),
		TEST(a_full_stream_pauses_and_loses_nothing),
		TEST(a_head_that_the_stream_does_not_take_waits),
		TEST(what_is_all_sent_is_not_blocked),
		TEST(a_short_answer_is_one_message),
		TEST(an_answer_that_is_long_or_under_way_is_not),
		TEST(a_whole_answer_that_the_stream_does_not_take_waits),
		TEST(a_client_that_is_gone_is_an_error),
		TEST(heads_that_are_refused),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
