#include "broker/core/approval.h"
#include "broker/core/lease.h"
#include "lease.h"

/* Leases of a session that asks for everything. */
static struct world world;
static char id[CRB_SESSION_ID_MAX + 1];

static void
issue(const char *grant)
{
	json_t *params = lease_issue_params(grant);

	(void)json_object_set_new(params, "ask_always", json_true());
	lease_session_of(world_ask(&world, "session.issue", params), id);
}

static int
start(void **state)
{
	(void)state;
	world_start(&world, NULL);
	lease_add_credential(&world);
	issue(GRANT);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static void
fetch(uint64_t exchange)
{
	lease_ask_as(&world, id, CRB_QUERY_LEASE, exchange);
}

static const struct crb_msg_answer *
answered(uint64_t exchange)
{
	const struct crb_msg_answer *answer =
	    &world_hear(&world, CRB_MSG_ANSWER)->answer;

	assert_int_equal(answer->exchange, exchange);
	return answer;
}

/* The id of what waits, once it does. */
static void
waits(char out[CRB_APPROVAL_ID_LEN + 1])
{
	CRB_AUTO_JSON json_t *result = NULL;
	const json_t *approvals = NULL;

	for (unsigned turn = 0; json_array_size(approvals) == 0; turn++) {
		assert_true(turn < 5000);
		json_decref(result);
		world_turn(&world);
		result = world_call(&world, "approval.list", NULL);
		approvals = json_object_get(result, "approvals");
	}
	assert_int_equal(json_array_size(approvals), 1);
	assert_string_equal(lease_text(approvals, 0, "kind"), "mint");
	assert_string_equal(lease_text(approvals, 0, "rule"), "ask-always");
	(void)snprintf(
	    out, CRB_APPROVAL_ID_LEN + 1, "%s", lease_text(approvals, 0, "id"));
}

static void
answer(const char *method, const char *approval)
{
	json_decref(world_call(
	    &world, method, json_pack("{s:s}", "approval", approval)));
}

static void
live_for(int64_t seconds)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];

	fetch(1);
	waits(approval);
	answer("approval.approve", approval);
	lease_minted(&world, lease_asked(&world), KEYS, seconds);
	assert_int_equal(answered(1)->status, 200);
}

static void
it_is_minted_once_it_was_approved(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];
	CRB_AUTO_JSON json_t *events = NULL;

	(void)state;
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	fetch(7);
	waits(approval);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	assert_true(world_hears_no(&world, CRB_MSG_ANSWER));
	answer("approval.approve", approval);
	lease_minted(&world, lease_asked(&world), KEYS, 900);
	assert_int_equal(answered(7)->status, 200);
	events = lease_events(&world, "lease.mint.begin");
	assert_int_equal(json_array_size(events), 1);
	assert_non_null(strstr(lease_text(events, 0, "detail"), approval));
}

static void
an_approval_is_for_one_mint(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];
	struct crb_session *session;

	(void)state;
	live_for(900);
	session = crb_session_get(world.core, CRB_SLICE(id));
	crb_lease_drop(session, "aws", NULL);
	fetch(2);
	waits(approval);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
one_that_was_denied_is_not(void **state)
{
	const struct crb_msg_answer *said;
	char approval[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	fetch(7);
	waits(approval);
	json_decref(world_call(&world, "approval.deny",
	    json_pack(
		"{s:s, s:s}", "approval", approval, "reason", "not now")));
	said = answered(7);
	assert_int_equal(said->status, 403);
	assert_true(crb_slice_is(said->code, "approval_denied"));
	assert_non_null(memmem(said->body.p, said->body.len, "not now", 7));
	fetch(8);
	assert_true(crb_slice_is(answered(8)->code, "approval_denied"));
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
whoever_does_not_wait_comes_again(void **state)
{
	const struct crb_msg_answer *said;
	char approval[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	world.core->config.approval_wait = 0;
	fetch(7);
	said = answered(7);
	assert_int_equal(said->status, 403);
	assert_true(crb_slice_is(said->code, "approval_pending"));
	waits(approval);
	/* At once: nobody was asked in vain. */
	fetch(8);
	assert_true(crb_slice_is(answered(8)->code, "approval_pending"));
	answer("approval.approve", approval);
	fetch(9);
	lease_minted(&world, lease_asked(&world), KEYS, 900);
	assert_int_equal(answered(9)->status, 200);
}

/* Keys that somebody uses would be minted anew by now. */
static void
nobody_is_asked_ahead_of_need(void **state)
{
	CRB_AUTO_JSON json_t *asked = NULL;

	(void)state;
	live_for(300);
	fetch(2);
	assert_int_equal(answered(2)->status, 200);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	asked = lease_events(&world, "approval.ask");
	assert_int_equal(json_array_size(asked), 1);
}

static void
nothing_is_minted_for_a_session_that_has_ended(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	fetch(7);
	waits(approval);
	json_decref(
	    world_call(&world, "revoke", json_pack("{s:s}", "session", id)));
	assert_int_equal(answered(7)->status, 403);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	world_call_fails(&world, "approval.approve",
	    json_pack("{s:s}", "approval", approval), "not_found", "");
}

static void
other_grants_are_asked_for_anew(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];
	CRB_AUTO_JSON json_t *begun = NULL;

	(void)state;
	fetch(7);
	waits(approval);
	json_decref(world_call(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", id, "grant",
		"aws:actions=s3:PutObject,resources=arn:aws:s3:::beta/*")));
	assert_int_equal(answered(7)->status, 503);
	answer("approval.approve", approval);
	world.core->config.approval_wait = 0;
	fetch(8);
	assert_true(crb_slice_is(answered(8)->code, "approval_pending"));
	begun = lease_events(&world, "lease.mint.begin");
	assert_int_equal(json_array_size(begun), 0);
}

static void
a_lock_answers_who_is_held(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	fetch(7);
	waits(approval);
	json_decref(world_call(&world, "lock", NULL));
	assert_int_equal(answered(7)->status, 503);
}

static void
a_restart_does_not_make_it_ask_less(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	fetch(7);
	waits(approval);
	answer("approval.approve", approval);
	lease_minted(&world, lease_asked(&world), KEYS, 900);
	assert_int_equal(answered(7)->status, 200);
	world_restart(&world);
	fetch(8);
	waits(approval);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
put(const char *text)
{
	world.policy[CRB_POLICY_LOCAL] = text;
	json_decref(world_call(&world, "policy.reload", json_object()));
}

#define POLICY(rules) \
	"{\"tier\": \"local\", \"name\": \"mine\", \"rules\": [" rules "]}"
#define ALL "{\"id\": \"all\", \"effect\": \"allow\"}"
#define NONE "{\"id\": \"none\", \"effect\": \"deny\"}"
#define ASK(id, group, resource)                                            \
	"{\"id\": \"" id "\", \"effect\": \"ask\", \"approvers\": \"" group \
	"\", \"scope\": {\"resources\": [\"arn:aws:s3:::" resource "/*\"]}}"

static void
one_that_is_denied_while_it_waits_is_not_minted(void **state)
{
	const struct crb_msg_answer *said;
	char approval[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	fetch(7);
	waits(approval);
	put(POLICY(ALL ", " NONE));
	said = answered(7);
	assert_int_equal(said->status, 403);
	assert_true(crb_slice_is(said->code, "policy_denied"));
	/* It is too late for this, and of no use. */
	answer("approval.approve", approval);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
one_that_is_denied_once_it_was_approved_is_not_minted(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	world.core->config.approval_wait = 0;
	fetch(7);
	assert_true(crb_slice_is(answered(7)->code, "approval_pending"));
	waits(approval);
	answer("approval.approve", approval);
	put(POLICY(ALL ", " NONE));
	fetch(8);
	assert_true(crb_slice_is(answered(8)->code, "policy_denied"));
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
whoever_approves_keys_of_several_grants_may_approve_each(void **state)
{
	json_t *params = lease_issue_params(GRANT);
	CRB_AUTO_JSON json_t *result = NULL;
	const json_t *approvals = NULL;

	(void)state;
	put(POLICY(ALL ", " ASK("a", "group-a", "alpha") ", " ASK(
	    "b", "group-b", "beta")));
	(void)json_array_append_new(json_object_get(params, "grants"),
	    json_string(
		"aws:actions=s3:PutObject,resources=arn:aws:s3:::beta/*"));
	lease_session_of(world_ask(&world, "session.issue", params), id);
	fetch(7);
	for (unsigned turn = 0; json_array_size(approvals) == 0; turn++) {
		assert_true(turn < 5000);
		json_decref(result);
		world_turn(&world);
		result = world_call(&world, "approval.list", NULL);
		approvals = json_object_get(result, "approvals");
	}
	approvals = json_object_get(json_array_get(approvals, 0), "approvers");
	assert_int_equal(json_array_size(approvals), 2);
	assert_string_equal(
	    json_string_value(json_array_get(approvals, 0)), "group-a");
	assert_string_equal(
	    json_string_value(json_array_get(approvals, 1)), "group-b");
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
note(void *ctx, const struct crb_err *why)
{
	(void)ctx;
	(void)why;
}

/* Each request that uses them is asked about. */
static void
keys_that_nobody_gets_are_minted_without_asking(void **state)
{
	struct crb_err err;

	(void)state;
	issue(INJECTED);
	assert_ok(crb_lease_want(crb_session_get(world.core, CRB_SLICE(id)),
	    "aws", note, NULL, &err));
	(void)lease_asked(&world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_minted_once_it_was_approved),
		TEST(an_approval_is_for_one_mint),
		TEST(one_that_was_denied_is_not),
		TEST(whoever_does_not_wait_comes_again),
		TEST(nobody_is_asked_ahead_of_need),
		TEST(nothing_is_minted_for_a_session_that_has_ended),
		TEST(other_grants_are_asked_for_anew),
		TEST(a_lock_answers_who_is_held),
		TEST(a_restart_does_not_make_it_ask_less),
		TEST(one_that_is_denied_while_it_waits_is_not_minted),
		TEST(one_that_is_denied_once_it_was_approved_is_not_minted),
		TEST(whoever_approves_keys_of_several_grants_may_approve_each),
		TEST(keys_that_nobody_gets_are_minted_without_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
