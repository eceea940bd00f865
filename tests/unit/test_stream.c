#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/bus/stream.h"

enum { GATEWAY, EGRESS };

static int pair[2];
static uint8_t packet[CRB_STREAM_PACKET_MAX];
static char body[CRB_BODY_MAX];

static int
open_stream(void **state)
{
	struct crb_err err;

	(void)state;
	memset(body, 'b', sizeof(body));
	return crb_stream_pair(pair, &err) == CRB_OK ? 0 : -1;
}

static void
shut(int end)
{
	crb_fd_cleanup(&pair[end]);
	pair[end] = -1;
}

static int
close_stream(void **state)
{
	(void)state;
	shut(GATEWAY);
	shut(EGRESS);
	return 0;
}

static enum crb_status
send_body(size_t len)
{
	struct crb_err err;

	return crb_stream_send_body(
	    pair[GATEWAY], CRB_MSG_REQUEST_BODY, body, len, &err);
}

static enum crb_status
receive(struct crb_msg *msg, bool *closed)
{
	struct crb_err err;

	return crb_stream_receive(pair[EGRESS], CRB_ROLE_GATEWAY,
	    CRB_ROLE_EGRESS, packet, msg, closed, &err);
}

static void
an_exchange_goes_through(void **state)
{
	static char headers[CRB_HEADERS_MAX];
	struct crb_msg_request_head head = { .job = 7,
		.headers = { headers, sizeof(headers) } };
	struct crb_err err;
	struct crb_msg msg;
	bool closed;

	(void)state;
	memset(headers, 'h', sizeof(headers));
	assert_int_equal(
	    crb_stream_send(pair[GATEWAY], CRB_MSG_REQUEST_HEAD, &head, &err),
	    CRB_OK);
	body[0] = 'B';
	assert_int_equal(send_body(sizeof(body)), CRB_OK);
	assert_int_equal(send_body(0), CRB_OK);
	assert_int_equal(crb_stream_send(pair[GATEWAY], CRB_MSG_REQUEST_END,
			     &(struct crb_msg_request_end){ 0 }, &err),
	    CRB_OK);

	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_REQUEST_HEAD);
	assert_true(msg.request_head.job == 7);
	assert_int_equal(msg.request_head.headers.len, sizeof(headers));
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_REQUEST_BODY);
	/* In the packet itself: nothing was copied. */
	assert_ptr_equal(msg.request_body.data.p, packet + 6);
	assert_int_equal(msg.request_body.data.len, sizeof(body));
	assert_memory_equal(msg.request_body.data.p, body, sizeof(body));
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.request_body.data.len, 0);
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_REQUEST_END);
	assert_false(closed);
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_NONE_);
	assert_false(closed);
}

static void
a_full_stream_says_so_until_it_is_read(void **state)
{
	enum crb_status status;
	struct crb_msg msg;
	unsigned sent = 0;
	bool closed;

	(void)state;
	while ((status = send_body(sizeof(body))) == CRB_OK && sent < 1000)
		sent++;
	assert_int_equal(status, CRB_ERR_LIMIT);
	/* Both ends can be at work: more than one is on its way. */
	assert_in_range(sent, 3, 16);
	/* What was refused was not sent in part. */
	for (unsigned i = 0; i < sent; i++) {
		assert_int_equal(receive(&msg, &closed), CRB_OK);
		assert_int_equal(msg.request_body.data.len, sizeof(body));
	}
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_NONE_);
	assert_int_equal(send_body(sizeof(body)), CRB_OK);
}

static void
a_full_stream_refuses_the_rest_as_well(void **state)
{
	struct crb_err err;

	(void)state;
	while (send_body(sizeof(body)) == CRB_OK)
		;
	while (send_body(1) == CRB_OK)
		;
	assert_int_equal(crb_stream_send(pair[GATEWAY], CRB_MSG_REQUEST_END,
			     &(struct crb_msg_request_end){ 0 }, &err),
	    CRB_ERR_LIMIT);
}

static void
the_peers_end_is_seen_after_what_it_sent(void **state)
{
	struct crb_msg msg;
	bool closed;

	(void)state;
	assert_int_equal(send_body(5), CRB_OK);
	shut(GATEWAY);
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_REQUEST_BODY);
	assert_false(closed);
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_NONE_);
	assert_true(closed);
}

static void
sending_to_nobody_is_an_error_and_no_signal(void **state)
{
	struct crb_err err;

	(void)state;
	shut(EGRESS);
	assert_int_equal(send_body(5), CRB_ERR_SYSTEM);
	assert_int_equal(crb_stream_send(pair[GATEWAY], CRB_MSG_REQUEST_END,
			     &(struct crb_msg_request_end){ 0 }, &err),
	    CRB_ERR_SYSTEM);
}

static void
a_body_over_the_maximum_is_not_sent(void **state)
{
	struct crb_msg msg;
	struct crb_err err;
	bool closed;

	(void)state;
	assert_int_equal(send_body(CRB_BODY_MAX + 1), CRB_ERR_TOO_LARGE);
	assert_int_equal(crb_stream_send_body(pair[GATEWAY],
			     CRB_MSG_REQUEST_HEAD, body, 1, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(receive(&msg, &closed), CRB_OK);
	assert_int_equal(msg.type, CRB_MSG_NONE_);
}

static void
messages_of_a_bus_are_refused(void **state)
{
	static const uint8_t close_packet[] = { CRB_MSG_SESSION_CLOSE, 0, 1, 0,
		0, 0, 'a' };
	struct crb_msg msg;
	struct crb_err err;
	bool closed;

	(void)state;
	assert_int_equal(crb_stream_send(pair[GATEWAY], CRB_MSG_JOB_CANCEL,
			     &(struct crb_msg_job_cancel){ .job = 1 }, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(
	    send(pair[GATEWAY], close_packet, sizeof(close_packet), 0),
	    sizeof(close_packet));
	assert_int_equal(receive(&msg, &closed), CRB_ERR_INVALID);
}

static void
what_the_other_side_says_is_refused(void **state)
{
	struct crb_msg msg;
	struct crb_err err;
	bool closed;

	(void)state;
	assert_int_equal(crb_stream_send_body(pair[GATEWAY],
			     CRB_MSG_RESPONSE_BODY, body, 1, &err),
	    CRB_OK);
	assert_int_equal(receive(&msg, &closed), CRB_ERR_INVALID);
}

static void
a_descriptor_on_a_stream_is_refused_and_closed(void **state)
{
	static const uint8_t end[] = { CRB_MSG_REQUEST_END, 0 };
	struct crb_msg msg;
	struct crb_err err;
	bool closed;
	int pipes[2];
	char c;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(
	    crb_io_send(pair[GATEWAY], end, sizeof(end), pipes[1], &err),
	    CRB_OK);
	assert_int_equal(close(pipes[1]), 0);
	assert_int_equal(receive(&msg, &closed), CRB_ERR_INVALID);
	/* End of file: nobody has the other end any more. */
	assert_int_equal(fcntl(pipes[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(pipes[0], &c, 1), 0);
	assert_int_equal(close(pipes[0]), 0);
}

static void
a_packet_over_the_maximum_is_refused(void **state)
{
	CRB_AUTO_FREE uint8_t *bytes = calloc(1, CRB_STREAM_PACKET_MAX + 1);
	struct crb_msg msg;
	bool closed;

	(void)state;
	bytes[0] = CRB_MSG_REQUEST_BODY;
	assert_int_equal(
	    send(pair[GATEWAY], bytes, CRB_STREAM_PACKET_MAX + 1, 0),
	    CRB_STREAM_PACKET_MAX + 1);
	assert_int_equal(receive(&msg, &closed), CRB_ERR_INVALID);
}

#define WITH_STREAM(test) \
	cmocka_unit_test_setup_teardown(test, open_stream, close_stream)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STREAM(an_exchange_goes_through),
		WITH_STREAM(a_full_stream_says_so_until_it_is_read),
		WITH_STREAM(a_full_stream_refuses_the_rest_as_well),
		WITH_STREAM(the_peers_end_is_seen_after_what_it_sent),
		WITH_STREAM(sending_to_nobody_is_an_error_and_no_signal),
		WITH_STREAM(a_body_over_the_maximum_is_not_sent),
		WITH_STREAM(messages_of_a_bus_are_refused),
		WITH_STREAM(what_the_other_side_says_is_refused),
		WITH_STREAM(a_descriptor_on_a_stream_is_refused_and_closed),
		WITH_STREAM(a_packet_over_the_maximum_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
