#include "broker/core/room.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "broker/core/exchange.h"
#include "broker/core/session.h"
#include "tests/fakes/world.h"

#define GRANT "gh:repository=acme/api"

static struct world world;
static char first[CRB_SESSION_ID_MAX + 1];
static char second[CRB_SESSION_ID_MAX + 1];

static int
setup(void **state)
{
	(void)state;
	world_start(&world, "{\"sessions_max\": 2}");
	world_add_credential(&world, "gh");
	world_issue(&world, GRANT, first);
	(void)world_hear(&world, CRB_MSG_SESSION_OPEN);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static void
issue_fails(const char *says)
{
	world_call_fails(&world, "session.issue",
	    json_pack("{s:s, s:[s]}", "task", "x", "grants", GRANT), "limit",
	    says);
}

static void
the_limit_is_one_of_sessions_that_live(void **state)
{
	char third[CRB_SESSION_ID_MAX + 1];

	(void)state;
	world_issue(&world, GRANT, second);
	issue_fails("sessions_max");
	json_decref(
	    world_call(&world, "revoke", json_pack("{s:s}", "session", first)));
	assert_true(world_hears_no(&world, CRB_MSG_SESSION_CLOSE));
	world_issue(&world, GRANT, third);
	assert_true(crb_slice_is(
	    world_hear(&world, CRB_MSG_SESSION_CLOSE)->session_close.session,
	    first));
	assert_non_null(crb_session_get(world.core, CRB_SLICE(second)));
	issue_fails("sessions_max");
}

static void
descriptors_for_listeners_are_a_limit_too(void **state)
{
	(void)state;
	world.core->limits.descriptors = 1000;
	assert_int_equal(crb_room_most(world.core), 2);
	world.core->limits.descriptors = 4;
	assert_int_equal(crb_room_most(world.core), 2);
	world.core->limits.descriptors = 3;
	assert_int_equal(crb_room_most(world.core), 0);
	issue_fails("open files");
}

static void
without_a_descriptor_to_spare_none_is_issued(void **state)
{
	struct rlimit before, few;
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	(void)state;
	(void)close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)fd + 10;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	issue_fails("no descriptors left");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	world_issue(&world, GRANT, second);
}

static void
a_session_that_the_gateway_missed_is_told_again(void **state)
{
	const struct crb_msg_session_missed missed = { .session = CRB_SLICE(
							   first) };

	(void)state;
	world_gateway_says(&world, CRB_MSG_SESSION_MISSED, &missed);
	assert_true(crb_slice_is(
	    world_hear(&world, CRB_MSG_SESSION_OPEN)->session_open.session,
	    first));
}

static uint32_t
one_exchange(void)
{
	const struct crb_msg *msg;
	struct crb_msg_job_done sent = { .clean = 1,
		.outcome = CRB_SLICE("ok"),
		.status = 200,
		.detail = CRB_SLICE("") };
	struct crb_msg_exchange_done served = { .clean = 1, .status = 200 };
	uint32_t stream;

	served.exchange = world_git(&world, first, "GET",
	    "git.test/acme/api/info/refs", "service=git-upload-pack");
	msg = world_hear(&world, CRB_MSG_JOB);
	stream = msg->job.stream;
	sent.job = served.job = msg->job.job;
	world_egress_says(&world, CRB_MSG_JOB_DONE, &sent);
	world_gateway_says(&world, CRB_MSG_EXCHANGE_DONE, &served);
	for (int i = 0; i < 5000 && world.core->exchanges.count > 0; i++)
		world_turn(&world);
	return stream;
}

static void
a_stream_that_waits_for_long_is_closed(void **state)
{
	uint32_t stream = one_exchange();
	int64_t now = crb_loop_now(world.loop);
	const struct crb_msg *msg;

	(void)state;
	assert_true(crb_exchange_close_streams(world.core, now - 1000));
	assert_true(world_hears_no(&world, CRB_MSG_STREAM_CLOSE));
	assert_int_equal(one_exchange(), stream);
	now = crb_loop_now(world.loop);
	assert_false(crb_exchange_close_streams(world.core, now));
	msg = world_hear(&world, CRB_MSG_STREAM_CLOSE);
	assert_int_equal(msg->stream_close.stream, stream);
	assert_true(crb_slice_is(msg->stream_close.session, first));
	assert_int_not_equal(one_exchange(), stream);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_limit_is_one_of_sessions_that_live),
		TEST(descriptors_for_listeners_are_a_limit_too),
		TEST(without_a_descriptor_to_spare_none_is_issued),
		TEST(a_session_that_the_gateway_missed_is_told_again),
		TEST(a_stream_that_waits_for_long_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
