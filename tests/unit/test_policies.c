#include "broker/core/policies.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "broker/core/lease.h"
#include "broker/core/policies_impl.h"
#include "tests/unit/lease.h"
#include "tests/unit/wall_clock.h"

/*
 * Policies as the admin socket and the gateway see them: when they are in
 * force, and what that ends.
 */
#define ALLOW "{\"id\": \"all\", \"effect\": \"allow\"}"
#define TEAM(rules) \
	"{\"tier\": \"team\", \"name\": \"t\", \"rules\": [" rules "]}"
#define NO_MINTS                                                    \
	TEAM(ALLOW ", {\"id\": \"no-mints\", \"effect\": \"deny\"," \
		   "\"delivery\": [\"mint\"]}")
#define ASK_MINTS                                                   \
	TEAM(ALLOW ", {\"id\": \"ask-mints\", \"effect\": \"ask\"," \
		   "\"delivery\": [\"mint\"]}")

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
	set_by = 0;
	world_stop(&world);
	return 0;
}

static void
reload(const char *team)
{
	world.policy[CRB_POLICY_TEAM] = team;
	json_decref(world_call(&world, "policy.reload", NULL));
}

static bool
answered(void)
{
	char c;

	return recv(world.admin, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

static const struct crb_session *
live(void)
{
	return TAILQ_FIRST(&world.core->list);
}

static void
nothing_is_answered_as_unlocked_before_they_were_read(void **state)
{
	CRB_AUTO_JSON json_t *issued = NULL;

	(void)state;
	world.policy[CRB_POLICY_TEAM] = TEAM(ALLOW);
	json_decref(world_call(&world, "lock", NULL));
	world.hold_policies = true;
	world_send(&world, "unlock", json_pack("{s:s}", "key_file", world.key));
	for (int i = 0; i < 50; i++) {
		world_turn(&world);
		assert_false(answered());
	}
	world_release_policies(&world);
	json_decref(world_receive(&world));
	issued = world_call(&world, "policy.show", NULL);
	assert_true(json_is_true(json_object_get(issued, "ready")));
}

static void
a_file_that_cannot_be_opened_is_not_no_file(void **state)
{
	(void)state;
	world.refuse_policies = "/p/team.json: others can write it";
	world_restart(&world);
	world_call_fails(&world, "session.issue", lease_issue_params(GRANT),
	    "policy_denied", "others can write it");
	world.refuse_policies = NULL;
	reload(NULL);
	lease_issue(&world, 3600, session);
}

static void
a_new_policy_takes_leases_back_before_it_is_acknowledged(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue(&world, 3600, session);
	world.hold_acks = true;
	world.policy[CRB_POLICY_TEAM] = NO_MINTS;
	world_send(&world, "policy.reload", NULL);
	msg = world_hear(&world, CRB_MSG_LEASE_DROP);
	assert_true(crb_slice_is(msg->lease_drop.session, session));
	for (int i = 0; i < 50; i++) {
		world_turn(&world);
		assert_false(answered());
	}
	world_gateway_says(&world, CRB_MSG_LEASE_DROPPED,
	    &(struct crb_msg_lease_dropped){
		.request = msg->lease_drop.request });
	json_decref(world_receive(&world));
	assert_int_equal(crb_lease_expires(live(), "aws"), 0);
	/* And none is minted anew. */
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	assert_int_not_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 200);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
what_is_still_allowed_stays(void **state)
{
	(void)state;
	lease_issue(&world, 3600, session);
	reload(TEAM(ALLOW));
	assert_true(world_hears_no(&world, CRB_MSG_LEASE_DROP));
	/* What was approved, or needed no approval, is not asked about again.
	 */
	reload(ASK_MINTS);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE_DROP));
	assert_int_not_equal(crb_lease_expires(live(), "aws"), 0);
}

static void
keys_that_come_after_a_new_policy_are_not_given_out(void **state)
{
	uint32_t request;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	request = lease_asked(&world);
	reload(NO_MINTS);
	assert_int_not_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 200);
	lease_minted(&world, request, KEYS, 3600);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	assert_int_equal(crb_lease_expires(live(), "aws"), 0);
}

static void
two_that_are_being_minted_are_both_given_up(void **state)
{
	CRB_AUTO_JSON json_t *answer = NULL;
	uint32_t first, second;

	(void)state;
	json_decref(world_call(&world, "credential.add",
	    json_pack("{s:s, s:s, s:{s:s, s:s}, s:s}", "name", "aws2",
		"backend", "aws-sts", "params", "role-arn",
		"arn:aws:iam::123456789012:role/agent", "region", "eu-west-1",
		"secret", "AKIDLONGLIVED0001\n" LONG_LIVED)));
	world_send(&world, "session.issue",
	    json_pack("{s:s, s:[s, s]}", "task", "fix-1", "grants", GRANT,
		"aws2:actions=s3:GetObject,resources=arn:aws:s3:::alpha/*"));
	first = lease_asked(&world);
	second = lease_asked(&world);
	world.policy[CRB_POLICY_TEAM] = NO_MINTS;
	world_supervisor_says(
	    &world, CRB_MSG_RELOAD, &(struct crb_msg_reload){ 0 });
	answer = world_receive(&world);
	assert_non_null(json_object_get(answer, "error"));
	lease_minted(&world, first, KEYS, 3600);
	lease_minted(&world, second, KEYS, 3600);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	assert_null(TAILQ_FIRST(&live()->leases));
}

static void
a_policy_that_runs_out_takes_leases_back(void **state)
{
	char text[256], when[CRB_TIME_TEXT];

	(void)state;
	crb_text_time(crb_wall_seconds() + 3, when);
	(void)snprintf(text, sizeof(text),
	    "{\"tier\": \"team\", \"name\": \"t\", \"expires\": \"%s\", "
	    "\"rules\": [" ALLOW "]}",
	    when);
	reload(text);
	lease_issue(&world, 3600, session);
	(void)world_hear(&world, CRB_MSG_LEASE_DROP);
	world_call_fails(&world, "session.issue", lease_issue_params(GRANT),
	    "policy_denied", "ran out at");
}

static void
a_reload_that_is_asked_for_meanwhile_is_not_lost(void **state)
{
	CRB_AUTO_JSON json_t *shown = NULL;
	const struct crb_msg_reload hup = { 0 };

	(void)state;
	world.hold_policies = true;
	world_supervisor_says(&world, CRB_MSG_RELOAD, &hup);
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	world.policy[CRB_POLICY_TEAM] = TEAM("");
	world_send(&world, "policy.reload", NULL);
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	/* What is answered now was opened before. */
	world.policy[CRB_POLICY_TEAM] = NULL;
	world_release_policies(&world);
	world.policy[CRB_POLICY_TEAM] = TEAM("");
	json_decref(world_receive(&world));
	world_call_fails(&world, "session.issue", lease_issue_params(GRANT),
	    "policy_denied", "team");
	shown = world_call(&world, "policy.show", NULL);
	assert_true(json_is_true(json_object_get(shown, "ready")));
}

static void
a_lock_gives_up_what_is_being_read(void **state)
{
	(void)state;
	world.hold_policies = true;
	world_supervisor_says(
	    &world, CRB_MSG_RELOAD, &(struct crb_msg_reload){ 0 });
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	json_decref(world_call(&world, "lock", NULL));
	world.policy[CRB_POLICY_TEAM] = TEAM("");
	world_release_policies(&world);
	for (int i = 0; i < 20; i++)
		world_turn(&world);
	assert_null(crb_policies_tiers(world.core->policies)[1]);
	json_decref(world_call(
	    &world, "unlock", json_pack("{s:s}", "key_file", world.key)));
	assert_non_null(crb_policies_tiers(world.core->policies)[1]);
	/* And the end of the core. */
	world.hold_policies = true;
	world_supervisor_says(
	    &world, CRB_MSG_RELOAD, &(struct crb_msg_reload){ 0 });
	for (int i = 0; i < 20; i++)
		world_turn(&world);
}

static void
what_cannot_be_recorded_is_not_in_force(void **state)
{
	CRB_AUTO_JSON json_t *answer = NULL;
	struct rlimit was, small;

	(void)state;
	reload(TEAM(ALLOW));
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	world.policy[CRB_POLICY_TEAM] = NO_MINTS;
	answer = world_ask(&world, "policy.reload", NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_non_null(json_object_get(answer, "error"));
	/* The policy that was recorded is in force. */
	assert_null(crb_policies_tiers(world.core->policies)[0]);
	assert_int_equal(
	    crb_policy_about(crb_policies_tiers(world.core->policies)[1])
		->rules,
	    1);
}

/* As one that SIGHUP asks for, which nobody would ask for again. */
static void
what_could_not_be_recorded_is_tried_again(void **state)
{
	const struct crb_policy *const *now;
	struct rlimit was, small;

	(void)state;
	reload(TEAM(ALLOW));
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	world.policy[CRB_POLICY_TEAM] = NO_MINTS;
	json_decref(world_ask(&world, "policy.reload", NULL));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	now = crb_policies_tiers(world.core->policies);
	for (int i = 0; i < 20000 && crb_policy_about(now[1])->rules != 2; i++)
		world_turn(&world);
	assert_int_equal(crb_policy_about(now[1])->rules, 2);
}

/* The loop's clock is not set: a minute of it is not waited for here. */
static void
look(void)
{
	struct crb_timer *timer = &world.core->policies->expiry;

	assert_true(
	    crb_timer_fires_by(timer, crb_loop_now(world.loop) + 60000));
	timer->fn(timer->ctx);
}

static void
a_clock_that_is_set_back_keeps_no_keys(void **state)
{
	char text[256], when[CRB_TIME_TEXT];

	(void)state;
	crb_text_time(crb_wall_seconds() + 5000, when);
	(void)snprintf(text, sizeof(text),
	    "{\"tier\": \"team\", \"name\": \"t\", \"expires\": \"%s\", "
	    "\"rules\": [" ALLOW "]}",
	    when);
	reload(text);
	lease_issue(&world, 36000, session);
	set_by = 6000;
	look();
	(void)world_hear(&world, CRB_MSG_LEASE_DROP);
	world_call_fails(&world, "session.issue", lease_issue_params(GRANT),
	    "policy_denied", "ran out at");
	/* It has not run out any more, and then has. */
	set_by = 0;
	lease_issue(&world, 36000, session);
	set_by = 6000;
	look();
	(void)world_hear(&world, CRB_MSG_LEASE_DROP);
}

static void
the_least_of_all_tiers_limits_is_the_limit(void **state)
{
	const struct crb_limits *limits;

	(void)state;
	world.policy[CRB_POLICY_LOCAL] =
	    "{\"tier\": \"local\", \"name\": "
	    "\"l\", \"limits\": {\"mints_per_session\": 3}, "
	    "\"rules\": [" ALLOW "]}";
	reload("{\"tier\": \"team\", \"name\": \"t\", \"limits\": "
	       "{\"mints_per_session\": 5}, \"rules\": [" ALLOW "]}");
	limits = crb_policies_limits(world.core->policies);
	assert_int_equal(limits->most[CRB_LIMIT_MINTS], 3);
	assert_string_equal(limits->tier[CRB_LIMIT_MINTS], "local");
	world.policy[CRB_POLICY_LOCAL] = NULL;
	reload(world.policy[CRB_POLICY_TEAM]);
	limits = crb_policies_limits(world.core->policies);
	assert_int_equal(limits->most[CRB_LIMIT_MINTS], 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    nothing_is_answered_as_unlocked_before_they_were_read,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_file_that_cannot_be_opened_is_not_no_file, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_new_policy_takes_leases_back_before_it_is_acknowledged,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_still_allowed_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    keys_that_come_after_a_new_policy_are_not_given_out, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    two_that_are_being_minted_are_both_given_up, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_policy_that_runs_out_takes_leases_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_reload_that_is_asked_for_meanwhile_is_not_lost, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_lock_gives_up_what_is_being_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_cannot_be_recorded_is_not_in_force, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_could_not_be_recorded_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_clock_that_is_set_back_keeps_no_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_least_of_all_tiers_limits_is_the_limit, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
