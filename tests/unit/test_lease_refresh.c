#include <sys/timerfd.h>
#include <time.h>

#include "broker/core/lease_impl.h"
#include "broker/core/session_end.h"
#include "tests/unit/lease.h"

/*
 * Leases over time, which passes as the test wants it to: every clock is ahead
 * by so much.
 */
static int64_t ahead;
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = __real_clock_gettime(clock, out);

	out->tv_sec += ahead;
	return result;
}

int __real_timerfd_settime(
    int fd, int flags, const struct itimerspec *at, struct itimerspec *old);
int __wrap_timerfd_settime(
    int fd, int flags, const struct itimerspec *at, struct itimerspec *old);

/* The kernel's clock is not ahead. */
int
__wrap_timerfd_settime(
    int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
	struct itimerspec real = *at;

	if (flags == TFD_TIMER_ABSTIME && real.it_value.tv_sec > ahead)
		real.it_value.tv_sec -= ahead;
	return __real_timerfd_settime(fd, flags, &real, old);
}

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static int
setup(void **state)
{
	(void)state;
	world_start(&world, "{\"ttl\": \"8h\"}");
	lease_add_credential(&world);
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
pass(int64_t seconds)
{
	ahead += seconds;
	world_turn(&world);
	if (seconds < 10)
		return;
	/* One that is idle for so long is closed. */
	(void)close(world.admin);
	world.admin = world_connect_proven(&world);
}

static void
fetch(uint32_t count)
{
	const struct crb_msg_lease_fetched fetched = { .session = CRB_SLICE(
							   session),
		.name = CRB_SLICE("aws"),
		.count = count };

	world_gateway_says(&world, CRB_MSG_LEASE_FETCHED, &fetched);
	world_turn(&world);
}

static void
so_long_before_its_end_a_lease_is_minted_anew(void **state)
{
	(void)state;
	assert_int_equal(crb_lease_ahead(12 * 3600), 1200);
	assert_int_equal(crb_lease_ahead(3600), 1200);
	assert_int_equal(crb_lease_ahead(2000), 1000);
	assert_int_equal(crb_lease_ahead(900), 660);
	assert_int_equal(crb_lease_ahead(700), 640);
	assert_int_equal(crb_lease_ahead(60), 0);
	assert_int_equal(crb_lease_ahead(1), 0);
}

static void
one_that_is_fetched_is_minted_ahead_of_its_end(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue(&world, 3600, session);
	fetch(1);
	pass(3600 - 1200 - 30);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	pass(61);
	lease_minted(
	    &world, lease_asked(&world), "AKIDSECOND0000001\nx\ny", 3600);
	msg = world_hear(&world, CRB_MSG_LEASE);
	assert_true(crb_slice_is(msg->lease.keys, "AKIDSECOND0000001\nx\ny"));
	/* Nobody has fetched this one yet. */
	pass(3600 - 60);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	fetch(1);
	(void)lease_asked(&world);
}

static size_t
asked_for(void)
{
	CRB_AUTO_JSON json_t *events = lease_events(&world, "approval.ask");

	return json_array_size(events);
}

static void
one_that_has_to_be_approved_is_asked_for_when_it_ends(void **state)
{
	(void)state;
	lease_issue(&world, 3600, session);
	crb_session_get(world.core, CRB_SLICE(session))->ask_always = true;
	fetch(1);
	pass(3600 - 1200 + 31);
	fetch(1);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	pass(1200 - 31 - 300);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 200);
	assert_int_equal(asked_for(), 0);
	pass(270);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 8);
	for (unsigned turn = 0; asked_for() == 0; turn++) {
		assert_true(turn < 5000);
		world_turn(&world);
	}
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	assert_true(world_hears_no(&world, CRB_MSG_ANSWER));
}

static void
one_that_nobody_fetches_is_left_to_end(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue(&world, 3600, session);
	pass(3600 - 100);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	pass(200);
	assert_null(crb_lease_keys(
	    crb_session_get(world.core, CRB_SLICE(session)), "aws"));
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 200);
}

static void
one_that_outlives_its_session_is_not_minted_anew(void **state)
{
	json_t *params = lease_issue_params(GRANT);

	(void)state;
	(void)json_object_set_new(params, "ttl", json_integer(3000));
	world_send(&world, "session.issue", params);
	lease_minted(&world, lease_asked(&world), KEYS, 3100);
	lease_session_of(world_receive(&world), session);
	fetch(1);
	pass(2900);
	fetch(1);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	/* Unless the session is given more time. */
	json_decref(world_call(&world, "session.extend",
	    json_pack("{s:s, s:i}", "session", session, "ttl", 3600)));
	fetch(1);
	(void)lease_asked(&world);
}

static void
a_renewal_that_fails_is_tried_again_with_pauses(void **state)
{
	struct crb_session *live;
	int tries = 0;

	(void)state;
	lease_issue(&world, 3600, session);
	live = crb_session_get(world.core, CRB_SLICE(session));
	fetch(1);
	pass(3600 - 1199);
	for (int i = 0; i < 1100; i++) {
		const struct crb_msg *msg;

		while ((msg = world_next(&world)) != NULL)
			if (msg->type == CRB_MSG_MINT) {
				lease_refused(&world, msg->mint.request,
				    "upstream_failed", 503, "down");
				tries++;
			}
		pass(1);
	}
	/* 1, 2, 4, 8, 16, 32 s, and then once a minute. */
	assert_in_range(tries, 18, 26);
	/* All the while the old one is there, until its last minute. */
	assert_non_null(crb_lease_keys(live, "aws"));
	pass(45);
	assert_null(crb_lease_keys(live, "aws"));
}

static void
who_asks_for_one_that_soon_ends_waits_for_another(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue(&world, 3600, session);
	pass(3600 - 650);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 200);
}

/* A service whose keys last no time is not asked for each request. */
static void
one_that_was_just_minted_is_good_enough(void **state)
{
	(void)state;
	lease_issue(&world, 300, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 200);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	pass(31);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 8);
	(void)lease_asked(&world);
}

static void
what_waits_too_long_for_its_turn_is_told_so(void **state)
{
	enum { SESSIONS = 4 };
	const struct crb_msg *msg;

	(void)state;
	for (int i = 0; i < SESSIONS; i++) {
		lease_issue_later(&world, GRANT, session);
		lease_ask_as(&world, session, CRB_QUERY_LEASE, (uint64_t)i);
	}
	for (int i = 0; i < SESSIONS - 1; i++)
		(void)lease_asked(&world);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	pass(31);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.exchange, SESSIONS - 1);
}

static void
an_egress_that_says_nothing_is_not_waited_for(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	(void)lease_asked(&world);
	pass(41);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 503);
}

static void
records_end_with_their_keys(void **state)
{
	(void)state;
	lease_issue(&world, 3600, session);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	pass(1800);
	assert_true(TAILQ_EMPTY(&world.core->lease_records));
	json_decref(lease_shown(&world, session));
	pass(1800 + 61);
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	world_call_fails(&world, "session.show",
	    json_pack("{s:s}", "session", session), "not_found", "");
	pass(61);
	world_turn(&world);
	assert_true(TAILQ_EMPTY(&world.core->lease_records));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(so_long_before_its_end_a_lease_is_minted_anew),
		TEST(one_that_is_fetched_is_minted_ahead_of_its_end),
		TEST(one_that_has_to_be_approved_is_asked_for_when_it_ends),
		TEST(one_that_nobody_fetches_is_left_to_end),
		TEST(one_that_outlives_its_session_is_not_minted_anew),
		TEST(a_renewal_that_fails_is_tried_again_with_pauses),
		TEST(who_asks_for_one_that_soon_ends_waits_for_another),
		TEST(one_that_was_just_minted_is_good_enough),
		TEST(what_waits_too_long_for_its_turn_is_told_so),
		TEST(an_egress_that_says_nothing_is_not_waited_for),
		TEST(records_end_with_their_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
