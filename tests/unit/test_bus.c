#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "broker/bus/bus.h"

/* A core and a gateway on one loop, which ends when nothing is left to do. */
struct end {
	struct crb_bus *bus;
	struct crb_loop *loop;
	unsigned received;
	uint64_t next; /* the number expected in the next message */
	unsigned gone;
	unsigned drained;
	enum crb_status why;
	bool free_on_message;
	bool free_on_gone;
	bool free_on_drained;
	unsigned pause_after; /* so many messages; 0: never */
	unsigned stop_after;  /* messages; 0: never */
	int fd;               /* that came last */
};

static void
on_message(void *ctx, struct crb_msg *msg)
{
	struct end *end = ctx;

	end->received++;
	if (msg->type == CRB_MSG_JOB_CANCEL ||
	    msg->type == CRB_MSG_SESSION_RENEW) {
		assert_true(msg->session_renew.expires == end->next);
		end->next++;
	}
	if (msg->fd != -1 && end->fd == -1)
		end->fd = CRB_STEAL_FD(msg->fd);
	if (end->free_on_message) {
		crb_bus_free(end->bus);
		end->bus = NULL;
		/* Slices are good until we return, all the same. */
		assert_true(crb_slice_is(msg->session_renew.session, "abc"));
		crb_loop_stop(end->loop);
	}
	if (end->received == end->pause_after)
		crb_bus_pause(end->bus, true);
	if (end->stop_after != 0 && end->received >= end->stop_after)
		crb_loop_stop(end->loop);
}

static void
on_gone(void *ctx, const struct crb_err *why)
{
	struct end *end = ctx;

	end->gone++;
	end->why = why->status;
	if (end->free_on_gone) {
		crb_bus_free(end->bus);
		end->bus = NULL;
	}
	crb_loop_stop(end->loop);
}

static void
on_drained(void *ctx)
{
	struct end *end = ctx;

	end->drained++;
	if (end->free_on_drained) {
		crb_bus_free(end->bus);
		end->bus = NULL;
		crb_loop_stop(end->loop);
	}
}

struct fixture {
	struct crb_loop *loop;
	struct end core, gateway;
	int raw; /* the gateway's end, when it has no bus */
};

static struct crb_bus *
bus_of(struct end *end, int fd, enum crb_role self, enum crb_role peer)
{
	const struct crb_bus_options options = { .loop = end->loop,
		.self = self,
		.peer = peer,
		.message = on_message,
		.gone = on_gone,
		.drained = on_drained,
		.ctx = end };
	struct crb_bus *bus;
	struct crb_err err;

	end->fd = -1;
	assert_int_equal(crb_bus_new(fd, &options, &bus, &err), CRB_OK);
	return bus;
}

static void
open_raw(struct fixture *f)
{
	struct crb_err err;
	int pair[2];

	*f = (struct fixture){ .raw = -1 };
	assert_int_equal(crb_loop_new(&f->loop, &err), CRB_OK);
	f->core.loop = f->gateway.loop = f->loop;
	assert_int_equal(crb_bus_pair(pair, &err), CRB_OK);
	f->core.bus = bus_of(
	    &f->core, pair[0], CRB_ROLE_CORE, CRB_ROLE_GATEWAY);
	f->gateway.fd = -1;
	f->raw = pair[1];
}

static void
open_both(struct fixture *f)
{
	open_raw(f);
	f->gateway.bus = bus_of(
	    &f->gateway, f->raw, CRB_ROLE_GATEWAY, CRB_ROLE_CORE);
	f->raw = -1;
}

static void
close_all(struct fixture *f)
{
	crb_bus_free(f->core.bus);
	crb_bus_free(f->gateway.bus);
	crb_fd_cleanup(&f->core.fd);
	crb_fd_cleanup(&f->gateway.fd);
	crb_fd_cleanup(&f->raw);
	crb_loop_free(f->loop);
}
#define AUTO_FIXTURE __attribute__((cleanup(close_all)))

static void
run(struct fixture *f)
{
	struct crb_err err;

	assert_int_equal(crb_loop_run(f->loop, &err), CRB_OK);
}

static enum crb_status
send_renew(struct end *end, uint64_t number)
{
	const struct crb_msg_session_renew msg = { .session = { "abc", 3 },
		.expires = number };
	struct crb_err err;

	return crb_bus_send(end->bus, CRB_MSG_SESSION_RENEW, &msg, -1, &err);
}

/* Far more than a socket holds. */
static unsigned
send_until_crowded(struct end *end)
{
	unsigned sent = 0;

	while (!crb_bus_crowded(end->bus)) {
		assert_int_equal(send_renew(end, sent), CRB_OK);
		sent++;
	}
	return sent;
}

static void
messages_keep_their_order_when_the_socket_is_full(void **state)
{
	AUTO_FIXTURE struct fixture f;

	(void)state;
	open_both(&f);
	f.gateway.stop_after = send_until_crowded(&f.core);
	run(&f);
	assert_int_equal(f.gateway.received, f.gateway.stop_after);
	assert_int_equal(f.core.drained, 1);
	assert_false(crb_bus_crowded(f.core.bus));
}

/* The number in the next packet that has arrived at the raw end. */
static uint64_t
receive_raw(struct fixture *f)
{
	uint8_t packet[64];
	struct crb_err err;
	struct crb_msg msg;
	ssize_t n = recv(f->raw, packet, sizeof(packet), MSG_DONTWAIT);

	assert_true(n > 0);
	assert_int_equal(crb_msg_decode(packet, (size_t)n, -1, CRB_ROLE_CORE,
			     CRB_ROLE_GATEWAY, &msg, &err),
	    CRB_OK);
	return msg.session_renew.expires;
}

static void
a_message_does_not_overtake_those_that_wait(void **state)
{
	AUTO_FIXTURE struct fixture f;
	unsigned sent, room;

	(void)state;
	open_raw(&f);
	sent = send_until_crowded(&f.core);
	/* Now the socket has room again, before the loop has seen it. */
	for (room = 0; room < 100; room++)
		assert_true(receive_raw(&f) == room);
	assert_int_equal(send_renew(&f.core, sent), CRB_OK);
	while (recv(f.raw, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK) > 0)
		assert_true(receive_raw(&f) == room++);
	assert_true(room < sent);
}

static void
large_messages_wait_too(void **state)
{
	AUTO_FIXTURE struct fixture f;
	static char body[131072];
	struct crb_msg_answer msg = { .type = { "a/b", 3 },
		.body = { body, sizeof(body) } };
	struct crb_err err;

	(void)state;
	open_both(&f);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(
		    crb_bus_send(f.core.bus, CRB_MSG_ANSWER, &msg, -1, &err),
		    CRB_OK);
	f.gateway.stop_after = 20;
	run(&f);
	assert_int_equal(f.gateway.received, 20);
}

static enum crb_status
send_open(struct end *end, int fd)
{
	const struct crb_msg_session_open msg = { .session = { "abc", 3 },
		.task = { "t", 1 } };
	struct crb_err err;

	return crb_bus_send(end->bus, CRB_MSG_SESSION_OPEN, &msg, fd, &err);
}

static void
a_descriptor_arrives_and_ours_stays(void **state)
{
	AUTO_FIXTURE struct fixture f;
	int pipes[2];
	char c = 'x';

	(void)state;
	open_both(&f);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(send_open(&f.core, pipes[1]), CRB_OK);
	f.gateway.stop_after = 1;
	run(&f);
	assert_int_not_equal(f.gateway.fd, -1);
	assert_true((fcntl(f.gateway.fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(close(pipes[1]), 0);
	assert_int_equal(write(f.gateway.fd, &c, 1), 1);
	c = 0;
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(close(pipes[0]), 0);
}

static unsigned
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	assert_int_equal(closedir(dir), 0);
	return count;
}

static void
descriptors_that_wait_or_are_not_taken_do_not_leak(void **state)
{
	unsigned before = count_fds();
	int fd;

	(void)state;
	{
		AUTO_FIXTURE struct fixture f;

		open_both(&f);
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_int_not_equal(fd, -1);
		/* Fewer than descriptors, more than the socket holds. */
		for (unsigned i = 0; i < 700; i++)
			assert_int_equal(send_open(&f.core, fd), CRB_OK);
		assert_int_equal(close(fd), 0);
		f.gateway.stop_after = 500;
		run(&f);
		assert_in_range(f.gateway.received, 500, 600);
	}
	/* What was in the queue and in the socket is gone with the bus. */
	assert_int_equal(count_fds(), before);
}

static void
a_message_in_the_wrong_direction_is_not_sent(void **state)
{
	AUTO_FIXTURE struct fixture f;
	struct crb_err err;

	(void)state;
	open_both(&f);
	assert_int_equal(
	    crb_bus_send(f.core.bus, CRB_MSG_JOB_CANCEL,
		&(struct crb_msg_job_cancel){ .job = 1 }, -1, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(send_open(&f.core, -1), CRB_ERR_INVALID);
	/* Nor is the bus hurt by it. */
	assert_int_equal(send_renew(&f.core, 0), CRB_OK);
	f.gateway.stop_after = 1;
	run(&f);
}

static void
what_does_not_decode_ends_the_bus(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} packets[] = {
		{ "x", 1 },
		{ "\xff\xff", 2 },
		/* SESSION_CLOSE is for the core to say. */
		{ "\x11\x00\x01\x00\x00\x00"
		  "a",
		    7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		AUTO_FIXTURE struct fixture f;

		open_raw(&f);
		assert_int_equal(
		    send(f.raw, packets[i].bytes, packets[i].len, 0),
		    packets[i].len);
		run(&f);
		assert_int_equal(f.core.gone, 1);
		assert_int_equal(f.core.why, CRB_ERR_INVALID);
		assert_int_equal(f.core.received, 0);
		assert_int_equal(send_renew(&f.core, 0), CRB_ERR_SYSTEM);
		/* Closed, so that the peer knows as well. */
		assert_int_equal(send(f.raw, "x", 1, MSG_NOSIGNAL), -1);
		assert_int_equal(errno, EPIPE);
	}
}

static void
a_packet_over_the_maximum_ends_the_bus(void **state)
{
	AUTO_FIXTURE struct fixture f;
	CRB_AUTO_FREE char *bytes = calloc(1, CRB_PACKET_MAX + 1);

	(void)state;
	open_raw(&f);
	assert_int_equal(
	    send(f.raw, bytes, CRB_PACKET_MAX + 1, 0), CRB_PACKET_MAX + 1);
	run(&f);
	assert_int_equal(f.core.gone, 1);
	assert_int_equal(f.core.why, CRB_ERR_INVALID);
}

static void
what_was_sent_before_the_peer_left_is_delivered(void **state)
{
	AUTO_FIXTURE struct fixture f;

	(void)state;
	open_both(&f);
	/* More than one turn's worth. */
	for (uint64_t i = 0; i < 150; i++)
		assert_int_equal(send_renew(&f.core, i), CRB_OK);
	crb_bus_free(f.core.bus);
	f.core.bus = NULL;
	run(&f);
	assert_int_equal(f.gateway.received, 150);
	assert_int_equal(f.gateway.gone, 1);
	assert_int_equal(f.gateway.why, CRB_ERR_SYSTEM);
}

static void
a_bus_may_be_freed_inside_each_callback(void **state)
{
	(void)state;
	{
		AUTO_FIXTURE struct fixture f;

		open_both(&f);
		f.gateway.free_on_message = true;
		assert_int_equal(send_renew(&f.core, 0), CRB_OK);
		assert_int_equal(send_renew(&f.core, 1), CRB_OK);
		run(&f);
		assert_int_equal(f.gateway.received, 1);
		assert_int_equal(f.gateway.gone, 0);
	}
	{
		AUTO_FIXTURE struct fixture f;

		open_both(&f);
		f.gateway.free_on_gone = true;
		crb_bus_free(f.core.bus);
		f.core.bus = NULL;
		run(&f);
		assert_int_equal(f.gateway.gone, 1);
	}
	{
		AUTO_FIXTURE struct fixture f;

		open_both(&f);
		f.core.free_on_drained = true;
		(void)send_until_crowded(&f.core);
		run(&f);
		assert_int_equal(f.core.drained, 1);
		assert_null(f.core.bus);
	}
}

static void
a_peer_that_never_reads_is_given_up(void **state)
{
	AUTO_FIXTURE struct fixture f;
	enum crb_status status = CRB_OK;
	unsigned sent = 0;

	(void)state;
	open_raw(&f);
	while (status == CRB_OK && sent < 1000000) {
		status = send_renew(&f.core, sent);
		sent++;
	}
	assert_int_equal(status, CRB_ERR_LIMIT);
	/* Not from within the send. */
	assert_int_equal(f.core.gone, 0);
	assert_int_equal(send_renew(&f.core, 0), CRB_ERR_LIMIT);
	run(&f);
	assert_int_equal(f.core.gone, 1);
	assert_int_equal(f.core.why, CRB_ERR_LIMIT);
}

struct resume {
	struct fixture *f;
	struct crb_timer timer;
	unsigned seen;
};

static void
resume(void *ctx)
{
	struct resume *resume = ctx;

	resume->seen = resume->f->gateway.received;
	crb_bus_pause(resume->f->gateway.bus, false);
}

static void
a_paused_bus_reads_nothing(void **state)
{
	AUTO_FIXTURE struct fixture f;
	struct resume later = { .f = &f };
	struct crb_err err;

	(void)state;
	open_both(&f);
	/* Paused by its first message, with others behind that. */
	f.gateway.pause_after = 1;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(send_renew(&f.core, i), CRB_OK);
	crb_timer_init(&later.timer, resume, &later);
	assert_int_equal(crb_timer_set(f.loop, &later.timer, 20, &err), CRB_OK);
	f.gateway.stop_after = 3;
	run(&f);
	assert_int_equal(later.seen, 1);
	assert_int_equal(f.gateway.received, 3);
}

int
main(void)
{
	/* A message that never comes is a failure, not a hang. */
	(void)alarm(60);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    messages_keep_their_order_when_the_socket_is_full),
		cmocka_unit_test(a_message_does_not_overtake_those_that_wait),
		cmocka_unit_test(large_messages_wait_too),
		cmocka_unit_test(a_descriptor_arrives_and_ours_stays),
		cmocka_unit_test(
		    descriptors_that_wait_or_are_not_taken_do_not_leak),
		cmocka_unit_test(a_message_in_the_wrong_direction_is_not_sent),
		cmocka_unit_test(what_does_not_decode_ends_the_bus),
		cmocka_unit_test(a_packet_over_the_maximum_ends_the_bus),
		cmocka_unit_test(
		    what_was_sent_before_the_peer_left_is_delivered),
		cmocka_unit_test(a_bus_may_be_freed_inside_each_callback),
		cmocka_unit_test(a_peer_that_never_reads_is_given_up),
		cmocka_unit_test(a_paused_bus_reads_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
