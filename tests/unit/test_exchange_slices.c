/* Pushes so large that the core judges them in slices, and serves others. */
#include "base/cleanup.h"
#include "broker/core/exchange.h"
#include "push.h"

#define RULES 1000
#define REFS 400u /* each is held against all of them: some twenty slices */
#define MANY                                                       \
	"refs/heads/1*+refs/heads/2*+refs/heads/3*+refs/heads/4*"  \
	"+refs/heads/5*+refs/heads/6*+refs/heads/7*+refs/heads/8*" \
	"+refs/heads/9*" /* all but refs/heads/0 */
#define SMALL "git.test/acme/api.git/info/refs"

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];
static char other[CRB_SESSION_ID_MAX + 1];

/* Rules that match none of the refs, and could by how they begin. */
static void
policy(const char *rules)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1u << 20);

	crb_buf_str(&text,
	    "{\"tier\": \"local\", \"name\": \"mine\", \"rules\": ["
	    "{\"id\": \"all\", \"effect\": \"allow\"}");
	for (int i = 0; i < RULES; i++)
		crb_buf_printf(&text,
		    ", {\"id\": \"no-%d\", \"effect\": \"deny\", \"scope\":"
		    " {\"ref\": [\"refs/heads/*-no-%d\"]}}",
		    i, i);
	crb_buf_printf(&text, "%s]}", rules);
	world.policy[CRB_POLICY_LOCAL] = crb_buf_text(&text);
	json_decref(world_call(&world, "policy.reload", json_object()));
	world.policy[CRB_POLICY_LOCAL] = NULL;
}

static int
begin(void **state)
{
	(void)state;
	world_start(&world,
	    "{\"exchanges_max\": 80, \"approval_wait\": \"60s\","
	    " \"requests_per_minute\": 100000}");
	world_add_credential(&world, "gh");
	policy("");
	world_issue(&world, PUSHES, session);
	world_issue(&world, PUSHES, other);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

/* Creates refs/heads/0 and so on, then "CHANGE REF|..." of `more`, or "". */
static uint64_t
push_by(const char *by, unsigned refs, const char *more)
{
	CRB_AUTO_BUF struct crb_buf script = CRB_BUF_INIT(1u << 20);
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(65536);
	uint64_t exchange = push_ask(&world, by);

	for (unsigned i = 0; i < refs; i++)
		crb_buf_printf(
		    &script, "%screate refs/heads/%u", i > 0 ? "|" : "", i);
	crb_buf_str(&script, more);
	push_write(&text, crb_buf_text(&script));
	assert_false(text.failed);
	push_shown(&world, exchange, text.data, text.len, true);
	return exchange;
}

static bool
is_judged(void)
{
	return TAILQ_EMPTY(&world.core->turns.list);
}

/* One that was begun, and of which much is left; it has no turns for now. */
static uint64_t
half_a_push(void)
{
	uint64_t exchange = push_by(session, REFS, "");

	world_turn(&world);
	assert_false(is_judged());
	crb_timer_clear(world.loop, &world.core->turns.timer);
	return exchange;
}

static void
go_on(void)
{
	struct crb_err err;

	assert_ok(crb_timer_set(world.loop, &world.core->turns.timer, 0, &err));
}

static const struct crb_msg_verdict *
verdict_of(uint64_t exchange)
{
	const struct crb_msg_verdict *said =
	    &world_hear(&world, CRB_MSG_VERDICT)->verdict;

	assert_true(said->exchange == exchange);
	return said;
}

static void
says(struct crb_slice slice, const char *text)
{
	if (memmem(slice.p, slice.len, text, strlen(text)) == NULL)
		fail_msg("\"%.*s\" does not say \"%s\"", (int)slice.len,
		    slice.p, text);
}

/* There is one verdict for each, and it was heard. */
static void
nothing_is_left(void)
{
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
	assert_true(is_judged());
	assert_true(TAILQ_EMPTY(&world.core->holds));
	assert_int_equal(world.core->held_bytes, 0);
}

static void
is_refused(uint64_t exchange, const char *code, const char *why)
{
	const struct crb_msg_verdict *said = verdict_of(exchange);

	assert_int_equal(said->allowed, 0);
	if (!crb_slice_is(said->code, code))
		fail_msg(
		    "%.*s is not %s", (int)said->code.len, said->code.p, code);
	says(said->detail, why);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	nothing_is_left();
}

static void
others_are_served_in_between(void **state)
{
	uint64_t large = push_by(session, REFS, ""), small;

	(void)state;
	small = world_git(
	    &world, other, "GET", SMALL, "service=git-receive-pack");
	assert_int_equal(verdict_of(small)->allowed, 1);
	assert_false(is_judged());
	assert_int_equal(verdict_of(large)->allowed, 1);
	nothing_is_left();
}

static void
a_small_push_waits_for_no_turn(void **state)
{
	uint64_t large = half_a_push(), small = push_by(other, 3, "");

	(void)state;
	assert_int_equal(verdict_of(small)->allowed, 1);
	assert_false(is_judged());
	go_on();
	assert_int_equal(verdict_of(large)->allowed, 1);
	nothing_is_left();
}

static void
a_session_has_one_judged_at_a_time(void **state)
{
	uint64_t large = half_a_push(), small = push_by(session, 3, "");

	(void)state;
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
	go_on();
	assert_int_equal(verdict_of(large)->allowed, 1);
	assert_int_equal(verdict_of(small)->allowed, 1);
	nothing_is_left();
}

/* Whatever a session has there: the other one has had half of the turns. */
static void
sessions_take_turns(void **state)
{
	uint64_t first = push_by(session, REFS, ""),
		 second = push_by(session, REFS, ""),
		 third = push_by(other, REFS, "");

	(void)state;
	assert_int_equal(verdict_of(first)->allowed, 1);
	assert_int_equal(verdict_of(third)->allowed, 1);
	assert_false(is_judged());
	assert_int_equal(verdict_of(second)->allowed, 1);
	nothing_is_left();
}

static void
each_ref_that_is_refused_is_told(void **state)
{
	const struct crb_msg_verdict *said;
	uint64_t exchange;

	(void)state;
	policy(", {\"id\": \"keep\", \"effect\": \"deny\", \"scope\": {\"ref\":"
	       " [\"refs/heads/0\", \"refs/heads/200\", \"refs/tags/**\"]}}");
	exchange = push_by(session, REFS, "|create refs/tags/v1");
	said = verdict_of(exchange);
	says(said->detail, "create of refs/heads/0 (and 2 more refs)");
	says(said->refs, "refs/heads/0 create is denied by rule keep");
	says(said->refs, "refs/heads/200 create is denied by rule keep");
	says(said->refs, "refs/tags/v1 create is denied by rule keep");
	nothing_is_left();
}

static json_t *
approvals(void)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    &world, "approval.list", json_object());

	return json_incref(json_object_get(result, "approvals"));
}

static void
whoever_any_ref_needs_is_asked(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;
	const json_t *approval;
	uint64_t exchange;

	(void)state;
	policy(", {\"id\": \"look\", \"effect\": \"ask\", \"approvers\":"
	       " \"dev\", \"scope\": {\"ref\": [\"refs/heads/0\"]}}"
	       ", {\"id\": \"tags\", \"effect\": \"ask\", \"approvers\":"
	       " \"ops\", \"four_eyes\": true, \"scope\": {\"ref\":"
	       " [\"refs/tags/**\"]}}");
	exchange = push_by(session, REFS, "|create refs/tags/v1");
	for (int i = 0; i < 10000 && json_array_size(list) == 0; i++) {
		json_decref(list);
		list = approvals();
	}
	approval = json_array_get(list, 0);
	assert_int_equal(
	    json_array_size(json_object_get(approval, "approvers")), 2);
	assert_true(json_is_true(json_object_get(approval, "four_eyes")));
	world_gateway_says(&world, CRB_MSG_WITHDRAWN,
	    &(struct crb_msg_withdrawn){ .exchange = exchange,
		.code = CRB_SLICE("limit"),
		.detail = CRB_SLICE("nobody came") });
	is_refused(exchange, "limit", "nobody came");
}

static void
grant(const char *text)
{
	json_decref(world_call(&world, "session.grant",
	    json_pack("{s:s, s:s}", "session", session, "grant", text)));
}

/* The one that was there from its start. */
static void
drop_first_grant(void)
{
	json_decref(world_call(&world, "session.drop",
	    json_pack("{s:s, s:i}", "session", session, "grant", 1)));
}

/* Which is in the log, and cuts it off when it is dropped. */
static void
the_grant_is_the_one_of_the_first_ref(void **state)
{
	const struct crb_exchange *found;
	uint64_t exchange;

	(void)state;
	grant(PUSHES ",ref=" MANY);
	grant(PUSHES ",ref=refs/heads/0");
	drop_first_grant();
	exchange = push_by(session, REFS, "");
	assert_int_equal(verdict_of(exchange)->allowed, 1);
	found = crb_map_get(
	    &world.core->exchanges, &exchange, sizeof(exchange));
	assert_non_null(found);
	assert_int_equal(found->grant, 3);
}

static void
each_credential_is_tried(void **state)
{
	const struct crb_exchange *found;
	uint64_t exchange;

	(void)state;
	world_add_credential(&world, "hg");
	grant(PUSHES ",ref=" MANY);
	grant("hg:repository=acme/api,git=push");
	drop_first_grant();
	exchange = push_by(session, REFS, "");
	assert_int_equal(verdict_of(exchange)->allowed, 1);
	found = crb_map_get(
	    &world.core->exchanges, &exchange, sizeof(exchange));
	assert_non_null(found);
	assert_string_equal(found->credential, "hg");
}

static void
what_the_first_one_says_is_told(void **state)
{
	const struct crb_msg_verdict *said;
	uint64_t exchange;

	(void)state;
	world_add_credential(&world, "hg");
	grant(PUSHES ",ref=" MANY);
	grant("hg:repository=acme/api,git=push,ref=" MANY);
	drop_first_grant();
	exchange = push_by(session, REFS, "");
	said = verdict_of(exchange);
	assert_int_equal(said->allowed, 0);
	says(said->detail, "create of refs/heads/0 in acme/api");
	assert_non_null(memchr(said->refs.p, '\n', said->refs.len));
	assert_true(memchr(said->refs.p, '\n', said->refs.len) ==
	    said->refs.p + said->refs.len - 1);
	nothing_is_left();
}

static void
a_policy_that_comes_meanwhile_decides_of_all(void **state)
{
	uint64_t exchange = half_a_push();

	(void)state;
	policy(", {\"id\": \"late\", \"effect\": \"deny\", \"scope\":"
	       " {\"ref\": [\"refs/heads/0\"]}}");
	go_on();
	is_refused(exchange, "policy_denied", "denied by rule late");
}

static void
and_so_does_one_that_denies_no_more(void **state)
{
	uint64_t exchange;

	(void)state;
	policy(", {\"id\": \"early\", \"effect\": \"deny\", \"scope\":"
	       " {\"ref\": [\"refs/heads/0\"]}}");
	exchange = half_a_push();
	policy("");
	go_on();
	assert_int_equal(verdict_of(exchange)->allowed, 1);
	nothing_is_left();
}

static void
a_grant_that_is_dropped_meanwhile_is_missed(void **state)
{
	uint64_t exchange = half_a_push();

	(void)state;
	grant(PUSHES ",ref=" MANY);
	drop_first_grant();
	go_on();
	is_refused(
	    exchange, "policy_denied", "create of refs/heads/0 in acme/api");
}

static void
a_credential_that_is_replaced_meanwhile_is_not_used(void **state)
{
	uint64_t exchange = half_a_push();

	(void)state;
	json_decref(world_call(&world, "credential.remove",
	    json_pack("{s:s, s:b}", "name", "gh", "force", 1)));
	go_on();
	is_refused(exchange, "policy_denied", "git.test");
}

static void
an_ended_session_pushes_nothing(void **state)
{
	uint64_t exchange = half_a_push();

	(void)state;
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	go_on();
	is_refused(exchange, "session_revoked", "was revoked");
}

static void
what_is_withdrawn_is_judged_no_further(void **state)
{
	uint64_t exchange = half_a_push();

	(void)state;
	world_gateway_says(&world, CRB_MSG_WITHDRAWN,
	    &(struct crb_msg_withdrawn){ .exchange = exchange,
		.code = CRB_SLICE(""),
		.detail = CRB_SLICE("") });
	is_refused(exchange, "timeout", "client has gone");
}

static void
a_lost_gateway_leaves_nothing_behind(void **state)
{
	(void)state;
	(void)half_a_push();
	world_lose_gateway(&world);
	nothing_is_left();
}

static void
a_lock_meanwhile_is_no_harm(void **state)
{
	uint64_t exchange = half_a_push();

	(void)state;
	json_decref(world_call(&world, "lock", json_object()));
	go_on();
	is_refused(exchange, "broker_locked", "locked");
}

/* The session and all that it is judged by is another one by then. */
static void
nor_is_an_unlock(void **state)
{
	uint64_t exchange = half_a_push();

	(void)state;
	json_decref(world_call(&world, "lock", json_object()));
	json_decref(world_call(
	    &world, "unlock", json_pack("{s:s}", "key_file", world.key)));
	go_on();
	assert_int_equal(verdict_of(exchange)->allowed, 1);
	nothing_is_left();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(others_are_served_in_between),
		TEST(a_small_push_waits_for_no_turn),
		TEST(a_session_has_one_judged_at_a_time),
		TEST(sessions_take_turns),
		TEST(each_ref_that_is_refused_is_told),
		TEST(whoever_any_ref_needs_is_asked),
		TEST(the_grant_is_the_one_of_the_first_ref),
		TEST(each_credential_is_tried),
		TEST(what_the_first_one_says_is_told),
		TEST(a_policy_that_comes_meanwhile_decides_of_all),
		TEST(and_so_does_one_that_denies_no_more),
		TEST(a_grant_that_is_dropped_meanwhile_is_missed),
		TEST(a_credential_that_is_replaced_meanwhile_is_not_used),
		TEST(an_ended_session_pushes_nothing),
		TEST(what_is_withdrawn_is_judged_no_further),
		TEST(a_lost_gateway_leaves_nothing_behind),
		TEST(a_lock_meanwhile_is_no_harm),
		TEST(nor_is_an_unlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
