#include "broker/core/lease.h"

#include <sys/socket.h>

#include "broker/core/session_end.h"
#include "tests/unit/lease.h"

/*
 * Leases as gateway, egress and the admin socket see them, the upstream being
 * the test.
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

static bool
is(struct crb_slice slice, const char *text)
{
	return crb_slice_is(slice, text);
}

static void
an_issue_answers_when_its_lease_is_there(void **state)
{
	const struct crb_msg *msg;
	uint32_t request;

	(void)state;
	world_send(&world, "session.issue", lease_issue_params(GRANT));
	msg = world_hear(&world, CRB_MSG_MINT);
	assert_true(is(msg->mint.backend, "aws-sts"));
	assert_true(is(msg->mint.secret, "AKIDLONGLIVED0001\n" LONG_LIVED));
	assert_non_null(
	    memmem(msg->mint.order.p, msg->mint.order.len, "alpha", 5));
	request = msg->mint.request;
	/* The gateway has nothing yet. */
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	lease_minted(&world, request, KEYS, 3600);
	lease_session_of(world_receive(&world), session);
	msg = world_hear(&world, CRB_MSG_LEASE);
	assert_true(is(msg->lease.session, session));
	assert_true(is(msg->lease.name, "aws"));
	assert_true(is(msg->lease.form, "aws-keys"));
	assert_true(is(msg->lease.keys, KEYS));
}

static void
what_is_only_injected_is_not_minted_at_issue_nor_handed_out(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	json_decref(
	    world_call(&world, "session.issue", lease_issue_params(INJECTED)));
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	json_decref(world_call(&world, "revoke", json_pack("{s:b}", "all", 1)));
	lease_issue_later(&world, INJECTED, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 403);
	lease_ask_as(&world, session, CRB_QUERY_CREDENTIAL, 8);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 403);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
wanted(void *ctx, const struct crb_err *why)
{
	int *called = ctx;

	*called = why == NULL ? 1 : -(int)why->status;
}

static struct crb_session *
live_session(void)
{
	return crb_session_get(world.core, CRB_SLICE(session));
}

static void
keys_that_are_only_used_here_are_never_told_to_the_gateway(void **state)
{
	struct crb_err err;
	int called = 0;

	(void)state;
	lease_issue_later(&world, INJECTED, session);
	assert_null(crb_lease_keys(live_session(), "aws"));
	assert_ok(crb_lease_want(live_session(), "aws", wanted, &called, &err));
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	while (called == 0)
		world_turn(&world);
	assert_int_equal(called, 1);
	assert_string_equal(
	    crb_secret_bytes(crb_lease_keys(live_session(), "aws")), KEYS);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	world_lose_gateway(&world);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
}

static void
one_mint_serves_all_who_wait(void **state)
{
	enum { ALL = 50 };
	bool seen[ALL] = { false };

	(void)state;
	lease_issue_later(&world, GRANT, session);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	for (uint64_t i = 0; i < ALL; i++)
		lease_ask_as(&world, session, CRB_QUERY_LEASE, i);
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	for (int i = 0; i < ALL; i++) {
		const struct crb_msg *msg = world_hear(&world, CRB_MSG_ANSWER);

		assert_int_equal(msg->answer.status, 200);
		assert_int_equal(msg->answer.body.len, 0);
		assert_true(msg->answer.exchange < ALL);
		seen[msg->answer.exchange] = true;
	}
	for (int i = 0; i < ALL; i++)
		assert_true(seen[i]);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

/* What a message says before another one, in the order of the bus. */
static void
the_gateway_has_the_lease_before_the_answer(void **state)
{
	const struct crb_msg *msg;
	int turns = 0;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	lease_minted(&world, lease_asked(&world), KEYS, 3600);
	while ((msg = world_next(&world)) == NULL ||
	    (msg->type != CRB_MSG_LEASE && msg->type != CRB_MSG_ANSWER)) {
		assert_true(turns++ < 5000);
		world_turn(&world);
	}
	assert_int_equal(msg->type, CRB_MSG_LEASE);
	(void)world_hear(&world, CRB_MSG_ANSWER);
}

static void
a_credential_that_is_minted_can_be_asked_for_by_name(void **state)
{
	CRB_AUTO_JSON json_t *events = NULL;
	CRB_AUTO_JSON json_t *json = NULL;
	const struct crb_msg *msg;
	const json_t *keys;
	struct crb_err err;

	(void)state;
	lease_issue(&world, 3600, session);
	lease_ask_as(&world, session, CRB_QUERY_CREDENTIAL, 7);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 200);
	assert_ok(crb_json_parse(
	    msg->answer.body.p, msg->answer.body.len, "answer", &json, &err));
	keys = json_object_get(json, "keys");
	assert_string_equal(
	    json_string_value(json_object_get(json, "form")), "aws-keys");
	assert_string_equal(
	    json_string_value(json_object_get(keys, "access_key_id")),
	    "AKIDLEASEDLEASED1");
	assert_string_equal(
	    json_string_value(json_object_get(keys, "secret_access_key")),
	    "leased/secret+1");
	assert_string_equal(
	    json_string_value(json_object_get(keys, "session_token")),
	    "leased-token-1");
	/* As those that the gateway hands out. */
	events = lease_events(&world, "lease.fetch");
	assert_int_equal(json_array_size(events), 1);
}

static void
a_failed_mint_fails_the_issue_and_leaves_nothing_live(void **state)
{
	CRB_AUTO_JSON json_t *answer = NULL;
	CRB_AUTO_JSON json_t *result = NULL;
	CRB_AUTO_JSON json_t *events = NULL;
	CRB_AUTO_JSON json_t *leases = NULL;
	const json_t *error, *sessions;

	(void)state;
	world_send(&world, "session.issue", lease_issue_params(GRANT));
	lease_refused(&world, lease_asked(&world), "policy_denied", 403,
	    "AccessDenied: not you (request 4711)");
	answer = world_receive(&world);
	error = json_object_get(answer, "error");
	assert_non_null(error);
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(error, "data"), "exit")),
	    4);
	/* Of several, which it was. */
	assert_string_equal(
	    json_string_value(json_object_get(error, "message")),
	    "credential aws: AccessDenied: not you (request 4711)");
	result = world_call(
	    &world, "session.list", json_pack("{s:b}", "all", 1));
	sessions = json_object_get(result, "sessions");
	assert_int_equal(json_array_size(sessions), 1);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(sessions, 0), "state")),
	    "failed");
	events = lease_events(&world, "session.fail");
	assert_int_equal(json_array_size(events), 1);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	/* The service said no: there is nothing that could still work. */
	leases = lease_shown(&world,
	    json_string_value(
		json_object_get(json_array_get(sessions, 0), "id")));
	assert_int_equal(json_array_size(leases), 0);
}

/* Else who asks on has them minted all the time. */
static void
after_keys_that_last_no_time_the_upstream_rests(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;
	const struct crb_msg *msg;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	lease_minted(&world, lease_asked(&world), KEYS, 50);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 502);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 8);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 502);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	/* They are about all the same. */
	leases = lease_shown(&world, session);
	assert_int_equal(json_array_size(leases), 1);
}

static void
after_a_failure_the_upstream_rests(void **state)
{
	const struct crb_msg *msg;
	int64_t since;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 1);
	lease_refused(&world, lease_asked(&world), "upstream_failed", 503,
	    "ServiceUnavailable: busy");
	msg = world_hear(&world, CRB_MSG_ANSWER);
	since = crb_loop_now(world.loop);
	assert_int_equal(msg->answer.status, 503);
	assert_int_equal(msg->answer.retry, 1);
	assert_non_null(memmem(msg->answer.body.p, msg->answer.body.len,
	    "ServiceUnavailable: busy", 24));
	/* What SDKs show. */
	assert_non_null(
	    memmem(msg->answer.body.p, msg->answer.body.len, "\"Message\"", 9));
	assert_non_null(
	    memmem(msg->answer.body.p, msg->answer.body.len, "\"Code\"", 6));
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 2);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.exchange, 2);
	assert_int_equal(msg->answer.status, 503);
	/* A second later it is asked again, and then not for two. */
	while (crb_loop_now(world.loop) < since + 1000) {
		assert_true(world_hears_no(&world, CRB_MSG_MINT));
		world_turn(&world);
	}
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 3);
	lease_refused(&world, lease_asked(&world), "upstream_failed", 503,
	    "ServiceUnavailable: busy");
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.retry, 2);
}

static void
what_does_not_pass_is_no_503(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 1);
	lease_refused(&world, lease_asked(&world), "policy_denied", 403,
	    "AccessDenied: not you");
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 502);
	assert_int_equal(msg->answer.retry, 0);
}

static void
a_lease_that_lives_is_told_again_without_a_mint(void **state)
{
	(void)state;
	lease_issue(&world, 3600, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	(void)world_hear(&world, CRB_MSG_LEASE);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 200);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

static void
a_new_gateway_is_told_of_live_leases(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue(&world, 3600, session);
	world_lose_gateway(&world);
	msg = world_hear(&world, CRB_MSG_LEASE);
	assert_true(is(msg->lease.keys, KEYS));
}

static void
metadata_are_said_of_a_session_that_wants_them(void **state)
{
	json_t *params = lease_issue_params(GRANT);
	const struct crb_msg *msg;

	(void)state;
	(void)json_object_set_new(params, "aws", json_string("imds"));
	(void)json_object_set_new(params, "mint", json_string("later"));
	json_decref(world_call(&world, "session.issue", params));
	msg = world_hear(&world, CRB_MSG_SESSION_IMDS);
	assert_true(is(msg->session_imds.name, "aws"));
	assert_true(is(msg->session_imds.region, "eu-west-1"));
	assert_true(is(msg->session_imds.account, "123456789012"));
}

static void
a_revoke_says_until_when_issued_keys_work(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const json_t *leases;

	(void)state;
	lease_issue(&world, 3600, session);
	result = world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session));
	leases = json_object_get(result, "leases");
	assert_int_equal(json_array_size(leases), 1);
	assert_string_equal(lease_text(leases, 0, "session"), session);
	assert_string_equal(lease_text(leases, 0, "credential"), "aws");
	assert_string_equal(lease_text(leases, 0, "id"), "AKIDLEASEDLEASED1");
	assert_non_null(lease_text(leases, 0, "expires"));
	/* And so does the session, for as long as it is there. */
	json_decref(result);
	result = lease_shown(&world, session);
	assert_string_equal(lease_text(result, 0, "state"), "issued");
}

static void
a_revoke_of_a_task_tells_of_sessions_that_ended_before(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)state;
	lease_issue(&world, 3600, session);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	result = world_call(
	    &world, "revoke", json_pack("{s:s}", "task", "fix-1"));
	assert_int_equal(
	    json_array_size(json_object_get(result, "revoked")), 0);
	assert_string_equal(
	    lease_text(json_object_get(result, "leases"), 0, "session"),
	    session);
	json_decref(result);
	result = world_call(
	    &world, "revoke", json_pack("{s:s}", "task", "other"));
	assert_int_equal(json_array_size(json_object_get(result, "leases")), 0);
}

static void
who_waits_when_the_session_ends_is_told(void **state)
{
	const struct crb_msg *msg;
	uint32_t request;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	request = lease_asked(&world);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_int_equal(msg->answer.status, 403);
	/* What comes then is written down, and given to nobody. */
	lease_minted(&world, request, KEYS, 3600);
	for (;;) {
		CRB_AUTO_JSON json_t *leases = lease_shown(&world, session);

		if (strcmp(lease_text(leases, 0, "state"), "issued") == 0)
			break;
	}
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
}

static void
an_issue_whose_session_ends_meanwhile_fails(void **state)
{
	CRB_AUTO_JSON json_t *answer = NULL;

	(void)state;
	world_send(&world, "session.issue", lease_issue_params(GRANT));
	(void)lease_asked(&world);
	(void)crb_session_end(
	    TAILQ_FIRST(&world.core->list), CRB_SESSION_REVOKED, "test", NULL);
	answer = world_receive(&world);
	assert_non_null(json_object_get(answer, "error"));
}

static void
a_grant_that_is_dropped_takes_the_lease_with_it(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue(&world, 3600, session);
	world.hold_acks = true;
	world_send(&world, "session.drop",
	    json_pack("{s:s, s:s}", "session", session, "grant", "aws"));
	msg = world_hear(&world, CRB_MSG_LEASE_DROP);
	assert_true(is(msg->lease_drop.session, session));
	assert_true(is(msg->lease_drop.name, "aws"));
	/* Not answered before the gateway has done so. */
	for (int i = 0; i < 50; i++) {
		char c;

		world_turn(&world);
		assert_int_equal(recv(world.admin, &c, 1, MSG_DONTWAIT), -1);
	}
	world_gateway_says(&world, CRB_MSG_LEASE_DROPPED,
	    &(struct crb_msg_lease_dropped){
		.request = msg->lease_drop.request });
	json_decref(world_receive(&world));
	assert_null(crb_lease_keys(live_session(), "aws"));
}

static void
another_grant_means_another_lease(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	lease_issue(&world, 3600, session);
	json_decref(world_call(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant",
		"aws:actions=s3:ListBucket,resources=arn:aws:s3:::alpha")));
	(void)world_hear(&world, CRB_MSG_LEASE_DROP);
	assert_null(crb_lease_keys(live_session(), "aws"));
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	msg = world_hear(&world, CRB_MSG_MINT);
	assert_non_null(
	    memmem(msg->mint.order.p, msg->mint.order.len, "ListBucket", 10));
	assert_non_null(
	    memmem(msg->mint.order.p, msg->mint.order.len, "GetObject", 9));
}

static void
a_grant_that_is_delivered_otherwise_is_refused(void **state)
{
	(void)state;
	lease_issue(&world, 3600, session);
	world_call_fails(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant", INJECTED),
	    "invalid_request", "delivery");
	/* What was there is not touched. */
	assert_non_null(crb_lease_keys(live_session(), "aws"));
	world_call_fails(&world, "session.issue",
	    json_pack(
		"{s:s, s:[s,s]}", "task", "fix-1", "grants", GRANT, INJECTED),
	    "invalid_request", "delivery");
}

static void
a_credential_that_changes_takes_its_leases_with_it(void **state)
{
	(void)state;
	lease_issue(&world, 3600, session);
	json_decref(world_call(&world, "credential.set",
	    json_pack("{s:s, s:s}", "name", "aws", "secret",
		"AKIDLONGLIVED0002\n" LONG_LIVED)));
	(void)world_hear(&world, CRB_MSG_LEASE_DROP);
	assert_null(crb_lease_keys(live_session(), "aws"));
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	assert_true(is(world_hear(&world, CRB_MSG_MINT)->mint.secret,
	    "AKIDLONGLIVED0002\n" LONG_LIVED));
	json_decref(world_call(&world, "credential.remove",
	    json_pack("{s:s, s:b}", "name", "aws", "force", 1)));
	/* Who waited is told to try again, and then that there is none. */
	assert_int_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 503);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 8);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 404);
}

static void
a_lease_dropped_while_it_is_minted_is_given_to_nobody(void **state)
{
	uint32_t request;

	(void)state;
	lease_issue_later(&world, GRANT, session);
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	request = lease_asked(&world);
	json_decref(world_call(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant",
		"aws:actions=s3:ListBucket,resources=arn:aws:s3:::alpha")));
	assert_int_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 503);
	lease_minted(&world, request, KEYS, 3600);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	assert_null(crb_lease_keys(live_session(), "aws"));
}

static void
fetches_are_counted_and_audited_together(void **state)
{
	CRB_AUTO_JSON json_t *leases = NULL;
	CRB_AUTO_JSON json_t *events = NULL;
	struct crb_msg_lease_fetched fetched;

	(void)state;
	lease_issue(&world, 3600, session);
	fetched = (struct crb_msg_lease_fetched){ .session = CRB_SLICE(session),
		.name = CRB_SLICE("aws"),
		.count = 41 };
	world_gateway_says(&world, CRB_MSG_LEASE_FETCHED, &fetched);
	fetched.name = CRB_SLICE("other");
	world_gateway_says(&world, CRB_MSG_LEASE_FETCHED, &fetched);
	events = lease_events(&world, "lease.fetch");
	assert_int_equal(json_array_size(events), 1);
	leases = lease_shown(&world, session);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(leases, 0), "fetched")),
	    41);
}

/* A gateway that was taken over must not fill the disk. */
static void
a_gateway_that_counts_all_the_time_fills_no_log(void **state)
{
	CRB_AUTO_JSON json_t *events = NULL;

	(void)state;
	lease_issue(&world, 3600, session);
	for (int i = 0; i < 200; i++) {
		const struct crb_msg_lease_fetched fetched = {
			.session = CRB_SLICE(session),
			.name = CRB_SLICE("aws"),
			.count = 1
		};

		world_gateway_says(&world, CRB_MSG_LEASE_FETCHED, &fetched);
	}
	for (int64_t fetched = 0; fetched < 200;) {
		CRB_AUTO_JSON json_t *leases = lease_shown(&world, session);

		fetched = json_integer_value(
		    json_object_get(json_array_get(leases, 0), "fetched"));
	}
	events = lease_events(&world, "lease.fetch");
	assert_in_range(json_array_size(events), 1, 25);
}

static void
a_lock_takes_leases_from_everybody(void **state)
{
	uint32_t request;

	(void)state;
	lease_issue(&world, 3600, session);
	world_send(&world, "session.issue", lease_issue_params(GRANT));
	request = lease_asked(&world);
	lease_minted(&world, request, KEYS, 3600);
	json_decref(world_receive(&world));
	(void)world_hear(&world, CRB_MSG_LEASE);
	json_decref(world_call(&world, "lock", NULL));
	(void)world_hear(&world, CRB_MSG_SESSION_END);
	json_decref(world_call(
	    &world, "unlock", json_pack("{s:s}", "key_file", world.key)));
	(void)world_hear(&world, CRB_MSG_SESSION_OPEN);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE));
	/* Not kept anywhere, so minted anew. */
	lease_ask_as(&world, session, CRB_QUERY_LEASE, 7);
	(void)lease_asked(&world);
}

/* Who has been told "locked" may believe that nothing is handed out. */
static void
a_lock_is_answered_when_nothing_is_handed_out_any_more(void **state)
{
	uint32_t ended, dropped;
	char c;

	(void)state;
	lease_issue(&world, 3600, session);
	world.hold_acks = true;
	world_send(&world, "lock", json_object());
	ended = world_hear(&world, CRB_MSG_SESSION_END)->session_end.request;
	dropped =
	    world_hear(&world, CRB_MSG_SESSION_DROP)->session_drop.request;
	assert_false(crb_core_unlocked(world.core));
	world_egress_says(&world, CRB_MSG_SESSION_DROPPED,
	    &(struct crb_msg_session_dropped){
		.request = dropped, .session = CRB_SLICE(session) });
	for (int i = 0; i < 50; i++) {
		world_turn(&world);
		assert_int_equal(recv(world.admin, &c, 1, MSG_DONTWAIT), -1);
	}
	world_gateway_says(&world, CRB_MSG_SESSION_ENDED,
	    &(struct crb_msg_session_ended){
		.request = ended, .session = CRB_SLICE(session) });
	json_decref(world_receive(&world));
}

static void
a_lock_does_not_wait_for_an_upstream(void **state)
{
	CRB_AUTO_JSON json_t *first = NULL;
	CRB_AUTO_JSON json_t *second = NULL;
	static const char lock[] = "{\"jsonrpc\":\"2.0\",\"id\":8,"
				   "\"method\":\"lock\"}\n";
	int other = world_connect_proven(&world), issuer = world.admin;
	uint32_t request;

	(void)state;
	world_send(&world, "session.issue", lease_issue_params(GRANT));
	request = lease_asked(&world);
	assert_int_equal(send(other, lock, sizeof(lock) - 1, MSG_NOSIGNAL),
	    sizeof(lock) - 1);
	first = world_receive(&world);
	assert_string_equal(
	    json_string_value(json_object_get(
		json_object_get(json_object_get(first, "error"), "data"),
		"code")),
	    "broker_locked");
	world.admin = other;
	free(world_read_line(&world));
	world.admin = issuer;
	(void)close(other);
	assert_false(crb_core_unlocked(world.core));
	/* It comes too late, and is wiped; what may be about is remembered. */
	lease_minted(&world, request, KEYS, 3600);
	world_turn(&world);
	json_decref(world_call(
	    &world, "unlock", json_pack("{s:s}", "key_file", world.key)));
	second = world_call(
	    &world, "session.list", json_pack("{s:b}", "all", 1));
	assert_string_equal(
	    lease_text(json_object_get(second, "sessions"), 0, "state"),
	    "failed");
	first = (json_decref(first),
	    lease_shown(&world,
		json_string_value(json_object_get(
		    json_array_get(json_object_get(second, "sessions"), 0),
		    "id"))));
	assert_string_equal(lease_text(first, 0, "state"), "unknown");
}

static void
so_many_are_minted_at_once(void **state)
{
	enum { SESSIONS = 8, MOST = 3 };
	char id[CRB_SESSION_ID_MAX + 1];
	uint32_t request[MOST];

	(void)state;
	for (int i = 0; i < SESSIONS; i++) {
		lease_issue_later(&world, GRANT, id);
		lease_ask_as(&world, id, CRB_QUERY_LEASE, (uint64_t)i);
	}
	for (int i = 0; i < MOST; i++)
		request[i] = lease_asked(&world);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
	lease_minted(&world, request[0], KEYS, 3600);
	(void)lease_asked(&world);
	assert_true(world_hears_no(&world, CRB_MSG_MINT));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_issue_answers_when_its_lease_is_there),
		TEST(
		    what_is_only_injected_is_not_minted_at_issue_nor_handed_out),
		TEST(
		    keys_that_are_only_used_here_are_never_told_to_the_gateway),
		TEST(one_mint_serves_all_who_wait),
		TEST(the_gateway_has_the_lease_before_the_answer),
		TEST(a_credential_that_is_minted_can_be_asked_for_by_name),
		TEST(a_failed_mint_fails_the_issue_and_leaves_nothing_live),
		TEST(after_keys_that_last_no_time_the_upstream_rests),
		TEST(after_a_failure_the_upstream_rests),
		TEST(what_does_not_pass_is_no_503),
		TEST(a_lease_that_lives_is_told_again_without_a_mint),
		TEST(a_new_gateway_is_told_of_live_leases),
		TEST(metadata_are_said_of_a_session_that_wants_them),
		TEST(a_revoke_says_until_when_issued_keys_work),
		TEST(a_revoke_of_a_task_tells_of_sessions_that_ended_before),
		TEST(who_waits_when_the_session_ends_is_told),
		TEST(an_issue_whose_session_ends_meanwhile_fails),
		TEST(a_grant_that_is_dropped_takes_the_lease_with_it),
		TEST(another_grant_means_another_lease),
		TEST(a_grant_that_is_delivered_otherwise_is_refused),
		TEST(a_credential_that_changes_takes_its_leases_with_it),
		TEST(a_lease_dropped_while_it_is_minted_is_given_to_nobody),
		TEST(fetches_are_counted_and_audited_together),
		TEST(a_gateway_that_counts_all_the_time_fills_no_log),
		TEST(a_lock_takes_leases_from_everybody),
		TEST(a_lock_is_answered_when_nothing_is_handed_out_any_more),
		TEST(a_lock_does_not_wait_for_an_upstream),
		TEST(so_many_are_minted_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
