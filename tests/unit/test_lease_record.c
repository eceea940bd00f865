#include "broker/core/lease_record.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "broker/core/session_end.h"
#include "tests/unit/lease.h"

/*
 * What is known of leases after a crash at any point: the store as it is on
 * the disk at that moment is all that the next core has.
 */
static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static int
setup(void **state)
{
	(void)state;
	world_start(&world, NULL);
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

/* What the core does from here on never reaches the disk. */
static void
crash(void)
{
	char copy[160], command[400];

	(void)snprintf(copy, sizeof(copy), "%.120s.crashed", world.state);
	(void)snprintf(
	    command, sizeof(command), "cp -a %s %s", world.state, copy);
	assert_int_equal(system(command), 0);
	world_restart_on(&world, copy);
}

static int64_t
seconds_of(const json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));
	struct tm tm = { 0 };

	assert_non_null(text);
	assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm));
	return (int64_t)timegm(&tm);
}

static void
a_crash_while_it_is_minted_leaves_that_it_may_have_been(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;
	CRB_AUTO_JSON json_t *events = NULL;
	const json_t *lease, *event;
	int64_t now = crb_wall_seconds();

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	/* The upstream is being asked: so all of it must be durable. */
	(void)lease_asked(&world);
	crash();
	leases = lease_shown(&world, session);
	assert_int_equal(json_array_size(leases), 1);
	lease = json_array_get(leases, 0);
	assert_string_equal(lease_text(leases, 0, "state"), "unknown");
	assert_null(lease_text(leases, 0, "id"));
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(lease, "order"), "role_arn")),
	    "arn:aws:iam::123456789012:role/agent");
	/* As long as it could work, and not much longer. */
	assert_in_range(
	    seconds_of(lease, "expires") - now, 3600, 3600 + 3 * 60);
	events = lease_events(&world, "lease.mint.begin");
	assert_int_equal(json_array_size(events), 1);
	event = json_array_get(events, 0);
	assert_non_null(strstr(
	    json_string_value(json_object_get(event, "order")), "GetObject"));
	assert_string_equal(
	    json_string_value(json_object_get(event, "session")), session);
}

static void
a_crash_after_it_was_given_away_leaves_what_it_is(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;
	int64_t now = crb_wall_seconds();

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	lease_minted(&world, lease_asked(&world), KEYS, 1800);
	/* Somebody has the keys: so all of it must be durable. */
	(void)world_hear(&world, CRB_MSG_LEASE);
	crash();
	leases = lease_shown(&world, session);
	assert_int_equal(json_array_size(leases), 1);
	assert_string_equal(lease_text(leases, 0, "state"), "issued");
	assert_string_equal(lease_text(leases, 0, "id"), "AKIDLEASEDLEASED1");
	assert_in_range(
	    seconds_of(json_array_get(leases, 0), "expires") - now, 1799, 1802);
	/* The keys themselves are nowhere: it is minted anew. */
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 8);
	(void)lease_asked(&world);
}

static void
what_the_service_refused_leaves_no_record(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;
	CRB_AUTO_JSON json_t *events = NULL;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	lease_refused(&world, lease_asked(&world), "policy_denied", 403,
	    "AccessDenied: not you");
	(void)world_hear(&world, CRB_MSG_ANSWER);
	crash();
	leases = lease_shown(&world, session);
	assert_int_equal(json_array_size(leases), 0);
	events = lease_events(&world, "lease.mint");
	assert_int_equal(json_array_size(events), 1);
	assert_string_equal(
	    lease_text(events, 0, "outcome"), "upstream_failed");
}

static void
an_egress_that_dies_leaves_one_record_however_often(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	for (int i = 0; i < 2; i++) {
		const struct crb_msg *msg;

		lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
		(void)lease_asked(&world);
		world_lose_egress(&world);
		msg = world_hear(&world, CRB_MSG_ANSWER);
		assert_int_equal(msg->answer.status, 503);
		for (int64_t until = crb_loop_now(world.loop) + 1000;
		     crb_loop_now(world.loop) <= until;)
			world_turn(&world);
	}
	leases = lease_shown(&world, session);
	assert_int_equal(json_array_size(leases), 1);
	assert_string_equal(lease_text(leases, 0, "state"), "unknown");
}

static void
an_ended_session_is_there_while_its_keys_work(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;

	(void)state;
	lease_issue(&world, 1800, session);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	world_restart(&world);
	leases = lease_shown(&world, session);
	assert_string_equal(lease_text(leases, 0, "id"), "AKIDLEASEDLEASED1");
	/* And no longer, when its place is needed. */
	crb_session_bury(crb_session_get(world.core, CRB_SLICE(session)));
	world_restart(&world);
	world_call_fails(&world, "session.show",
	    json_pack("{s:s}", "session", session), "not_found", "");
}

static size_t
told_by_revoke(json_t *params)
{
	CRB_AUTO_JSON json_t *result = world_call(&world, "revoke", params);

	return json_array_size(json_object_get(result, "leases"));
}

/* Nothing else says that they work: session.show knows nothing of it. */
static void
keys_of_a_session_that_made_room_are_told_to_who_revokes(void **state)
{
	(void)state;
	lease_issue(&world, 1800, session);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	crb_session_bury(crb_session_get(world.core, CRB_SLICE(session)));
	assert_int_equal(told_by_revoke(json_pack("{s:b}", "all", 1)), 1);
	assert_int_equal(
	    told_by_revoke(json_pack("{s:s}", "task", "fix-1")), 1);
	assert_int_equal(
	    told_by_revoke(json_pack("{s:s}", "task", "fix-2")), 0);
}

static void
what_has_expired_is_deleted(void **state)
{
	struct crb_lease_record *record;

	(void)state;
	lease_issue(&world, 1800, session);
	record = crb_lease_record_newest(
	    crb_session_get(world.core, CRB_SLICE(session)), "aws");
	assert_non_null(record);
	crb_lease_records_keep(world.core);
	assert_ptr_equal(
	    crb_lease_record_newest(
		crb_session_get(world.core, CRB_SLICE(session)), "aws"),
	    record);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	record->expires = crb_wall_seconds();
	crb_lease_records_keep(world.core);
	world_restart(&world);
	assert_true(TAILQ_EMPTY(&world.core->lease_records));
	world_call_fails(&world, "session.show",
	    json_pack("{s:s}", "session", session), "not_found", "");
}

/* Without the others the count of an hour's renewals could not be kept. */
static void
a_session_has_so_many_records(void **state)
{
	enum { MOST = CRB_LEASE_RECORDS_MAX };
	struct crb_session *live;
	const struct crb_msg *msg;
	struct crb_err err;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	live = crb_session_get(world.core, CRB_SLICE(session));
	for (int i = 0; i < MOST; i++) {
		struct crb_lease_record *record;
		CRB_AUTO_JSON json_t *order = json_object();

		assert_ok(crb_lease_record_new(live,
		    crb_map_text(&world.core->credentials, "aws"), order,
		    &record, &err));
	}
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 503);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

/* Those of sessions that are gone can neither be forgotten nor add up. */
static void
the_broker_has_so_many_records(void **state)
{
	enum { MOST = CRB_LEASE_RECORDS_ALL };
	struct crb_session *live;
	const struct crb_msg *msg;
	struct crb_err err;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	live = crb_session_get(world.core, CRB_SLICE(session));
	for (int i = 0; i < MOST; i++) {
		struct crb_lease_record *record;
		CRB_AUTO_JSON json_t *order = json_object();

		assert_ok(crb_lease_record_new(live,
		    crb_map_text(&world.core->credentials, "aws"), order,
		    &record, &err));
		crb_lease_records_leave(live);
	}
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 503);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	/* One has expired; whoever asked in vain has to wait a moment. */
	crb_lease_record_free(TAILQ_FIRST(&world.core->lease_records));
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 8);
	(void)lease_asked(&world);
	crb_lease_records_clear(&world.core->lease_records);
	assert_int_equal(world.core->lease_record_count, 1);
}

/* No file may grow: as on a full disk. */
static void
set_full(bool full)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = full ? 1 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
what_cannot_be_recorded_is_not_minted(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	set_full(true);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 503);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	set_full(false);
}

static void
what_was_minted_and_cannot_be_recorded_is_given_to_nobody(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;
	const struct crb_msg *msg;
	uint32_t request;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	request = lease_asked(&world);
	set_full(true);
	lease_minted(&world, request, KEYS, 3600);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 503);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	leases = lease_shown(&world, session);
	assert_int_equal(json_array_size(leases), 1);
	set_full(false);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_crash_while_it_is_minted_leaves_that_it_may_have_been),
		TEST(a_crash_after_it_was_given_away_leaves_what_it_is),
		TEST(what_the_service_refused_leaves_no_record),
		TEST(an_egress_that_dies_leaves_one_record_however_often),
		TEST(an_ended_session_is_there_while_its_keys_work),
		TEST(keys_of_a_session_that_made_room_are_told_to_who_revokes),
		TEST(what_has_expired_is_deleted),
		TEST(a_session_has_so_many_records),
		TEST(the_broker_has_so_many_records),
		TEST(what_cannot_be_recorded_is_not_minted),
		TEST(what_was_minted_and_cannot_be_recorded_is_given_to_nobody),
	};

	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
