#include "broker/core/approval.h"
#include "broker/core/lease.h"
#include "lease.h"

/*
 * An approval is used up when what it was for has left for the egress, and not
 * before: requests and mints of a session that asks for everything.
 */
static struct world world;
static char id[CRB_SESSION_ID_MAX + 1];
static uint64_t last_exchange;

static void
issue(const char *grant)
{
	json_t *params = lease_issue_params(grant);

	(void)json_object_set_new(params, "ask_always", json_true());
	(void)json_object_set_new(params, "mint", json_string("later"));
	lease_session_of(world_ask(&world, "session.issue", params), id);
}

static int
start(void **state)
{
	(void)state;
	world_start(&world, "{\"approval_wait\": \"60s\"}");
	lease_add_credential(&world);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

/* A request that the broker signs, as far as it is to be approved. */
static uint64_t
ask(void)
{
	static const uint8_t hash[32] = { 7 };
	const struct crb_msg_exchange exchange = {
		.exchange = ++last_exchange,
		.session = CRB_SLICE(id),
		.route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE("DELETE"),
		.target = CRB_SLICE("aws/alpha/key"),
		.query = CRB_SLICE(""),
		.service = CRB_SLICE("s3"),
		.region = CRB_SLICE("eu-west-1"),
	};
	const struct crb_msg_shown shown = { .exchange = last_exchange,
		.what = CRB_NEED_BODY,
		.last = 1,
		.data = CRB_SLICE(""),
		.hash = { (const char *)hash, sizeof(hash) },
		.type = CRB_SLICE(""),
		.headers = CRB_SLICE("") };

	world_gateway_says(&world, CRB_MSG_EXCHANGE, &exchange);
	assert_true(
	    world_hear(&world, CRB_MSG_NEED)->need.exchange == last_exchange);
	world_gateway_says(&world, CRB_MSG_SHOWN, &shown);
	return last_exchange;
}

static void
go_away(uint64_t exchange)
{
	const struct crb_msg_withdrawn msg = { .exchange = exchange,
		.code = CRB_SLICE(""),
		.detail = CRB_SLICE("") };

	world_gateway_says(&world, CRB_MSG_WITHDRAWN, &msg);
}

static size_t
events(const char *name)
{
	CRB_AUTO_JSON json_t *list = lease_events(&world, name);

	return json_array_size(list);
}

/* The id and state of the one that there is, once there is one. */
static void
the_one(char out[CRB_APPROVAL_ID_LEN + 1], const char *state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const json_t *list = NULL;

	for (unsigned turn = 0; json_array_size(list) == 0; turn++) {
		assert_true(turn < 5000);
		json_decref(result);
		world_turn(&world);
		result = world_call(&world, "approval.list", NULL);
		list = json_object_get(result, "approvals");
	}
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(lease_text(list, 0, "state"), state);
	(void)snprintf(
	    out, CRB_APPROVAL_ID_LEN + 1, "%s", lease_text(list, 0, "id"));
}

static size_t
there_are(void)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    &world, "approval.list", NULL);

	return json_array_size(json_object_get(result, "approvals"));
}

static void
approve(char out[CRB_APPROVAL_ID_LEN + 1])
{
	the_one(out, "waiting");
	json_decref(world_call(
	    &world, "approval.approve", json_pack("{s:s}", "approval", out)));
}

static const struct crb_msg_verdict *
verdict(uint64_t exchange)
{
	const struct crb_msg_verdict *said =
	    &world_hear(&world, CRB_MSG_VERDICT)->verdict;

	assert_true(said->exchange == exchange);
	return said;
}

static void
who_leaves_while_a_lease_is_minted_uses_nothing_up(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];
	char same[CRB_APPROVAL_ID_LEN + 1];
	uint64_t exchange;
	uint32_t mint;

	(void)state;
	issue(INJECTED);
	exchange = ask();
	approve(approval);
	mint = lease_asked(&world);
	go_away(exchange);
	assert_int_equal(verdict(exchange)->allowed, 0);
	lease_minted(&world, mint, KEYS, 3600);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	assert_true(TAILQ_EMPTY(&world.core->holds));
	the_one(same, "approved");
	assert_string_equal(same, approval);
	assert_int_equal(events("approval.use"), 0);

	/* It is still good, for one. */
	exchange = ask();
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(verdict(exchange)->allowed, 1);
	assert_int_equal(events("approval.use"), 1);
	(void)ask();
	the_one(same, "waiting");
	assert_string_not_equal(same, approval);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
}

static void
a_request_that_cannot_be_sent_gives_it_back(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];
	char same[CRB_APPROVAL_ID_LEN + 1];
	CRB_AUTO_JSON json_t *returned = NULL;
	uint64_t exchange;
	uint32_t mint;

	(void)state;
	issue(INJECTED);
	exchange = ask();
	approve(approval);
	mint = lease_asked(&world);
	lease_minted(&world, mint, KEYS, 3600);
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(verdict(exchange)->allowed, 1);

	exchange = ask();
	the_one(approval, "waiting");
	/* It dies just before. */
	crb_link_down(&world.core->egress);
	approve(approval);
	assert_int_equal(verdict(exchange)->allowed, 0);
	the_one(same, "approved");
	assert_string_equal(same, approval);
	assert_int_equal(events("approval.use"), 2);
	returned = lease_events(&world, "approval.return");
	assert_int_equal(json_array_size(returned), 1);
	assert_non_null(strstr(lease_text(returned, 0, "detail"), approval));

	world_lose_egress(&world);
	exchange = ask();
	(void)world_hear(&world, CRB_MSG_JOB);
	assert_int_equal(verdict(exchange)->allowed, 1);
	assert_int_equal(events("approval.use"), 3);
	assert_int_equal(there_are(), 0);
}

static void
keys_that_cannot_be_asked_for_give_it_back(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1];
	char same[CRB_APPROVAL_ID_LEN + 1];

	(void)state;
	issue(GRANT);
	lease_ask_as(&world, id, CRB_QUERY_LEASE, 1);
	the_one(approval, "waiting");
	crb_link_down(&world.core->egress);
	approve(approval);
	assert_int_equal(
	    world_hear(&world, CRB_MSG_ANSWER)->answer.status, 503);
	the_one(same, "approved");
	assert_string_equal(same, approval);
	assert_int_equal(events("approval.return"), 1);
	world_lose_egress(&world);
	/* It rests a while. */
	crb_lease_drop(crb_session_get(world.core, CRB_SLICE(id)), "aws", NULL);
	lease_ask_as(&world, id, CRB_QUERY_LEASE, 2);
	lease_minted(&world, lease_asked(&world), KEYS, 900);
	assert_int_equal(there_are(), 0);
}

static void
note(void *ctx, const struct crb_err *why)
{
	bool *told = ctx;

	(void)why;
	*told = true;
}

/* What was asked for the same in between is let through by it. */
static void
what_was_given_back_is_for_whoever_waits(void **state)
{
	char approval[CRB_APPROVAL_ID_LEN + 1], taken[CRB_APPROVAL_ID_LEN + 1];
	struct crb_approval_asked asked;
	struct crb_verdict verdict = { .effect = CRB_EFFECT_ASK,
		.tier = "session",
		.policy = "",
		.rule = "r" };
	CRB_AUTO_JSON json_t *details = json_pack("{s:s}", "method", "GET");
	struct crb_session *session;
	struct crb_err err;
	bool told = false, again = false;
	unsigned turns = 0;

	(void)state;
	issue(GRANT);
	session = crb_session_get(world.core, CRB_SLICE(id));
	asked = (struct crb_approval_asked){ .session = session,
		.kind = "request",
		.credential = "aws",
		.summary = "GET",
		.details = details,
		.verdict = &verdict };
	assert_ok(crb_approval_bind(&asked, &err));
	assert_ok(crb_approval_hold(&asked, note, &told, &err));
	approve(approval);
	assert_true(crb_approval_take(&asked, taken));
	assert_string_equal(taken, approval);
	assert_false(crb_approval_take(&asked, NULL));
	assert_false(crb_approval_given(&asked));
	world_call_fails(&world, "approval.deny",
	    json_pack("{s:s}", "approval", approval), "not_found", "");
	assert_ok(crb_approval_hold(&asked, note, &again, &err));
	(void)crb_err_set(&err, CRB_ERR_LIMIT, "not sent");
	crb_approval_settle(world.core, approval, &err);
	while (!again) {
		assert_true(turns++ < 1000);
		world_turn(&world);
	}
	assert_true(crb_approval_take(&asked, taken));
	assert_string_equal(taken, approval);
	crb_approval_settle(world.core, taken, NULL);
	/* Once and for all. */
	crb_approval_settle(world.core, taken, &err);
	assert_false(crb_approval_take(&asked, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_leaves_while_a_lease_is_minted_uses_nothing_up),
		TEST(a_request_that_cannot_be_sent_gives_it_back),
		TEST(keys_that_cannot_be_asked_for_give_it_back),
		TEST(what_was_given_back_is_for_whoever_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
