#include "broker/core/approval.h"

#include <grp.h>

#include "base/cleanup.h"
#include "tests/fakes/world.h"

/*
 * Approvals of a core in the test's own process, asked for as an exchange or a
 * mint would, and answered over the admin socket.
 */
static struct world world;
static char one[CRB_SESSION_ID_MAX + 1], two[CRB_SESSION_ID_MAX + 1];

/* What was told to whoever held. */
struct told {
	unsigned times;
	bool failed;
	struct crb_err why;
};
/* Beyond the end of a test, where who waits is told too. */
static struct told told, first, second, third;

#define GRANT "github:repository=acme/api,git=fetch"

static int
start(void **state)
{
	(void)state;
	told = first = second = third = (struct told){ 0 };
	world_start(&world, "{\"approval_wait\": \"60s\"}");
	world_add_credential(&world, "github");
	world_issue(&world, GRANT, one);
	world_issue(&world, GRANT, two);
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
tell(void *ctx, const struct crb_err *why)
{
	struct told *to = ctx;

	to->times++;
	to->failed = why != NULL;
	if (why != NULL)
		to->why = *why;
}

static struct crb_session *
session(const char *id)
{
	struct crb_session *found = crb_session_get(world.core, CRB_SLICE(id));

	assert_non_null(found);
	return found;
}

struct ask {
	struct crb_verdict verdict;
	struct crb_approval_asked asked;
};

static void
ask_init(struct ask *ask, const char *id, json_t *details)
{
	struct crb_err err;

	ask->verdict = (struct crb_verdict){ .effect = CRB_EFFECT_ASK,
		.tier = "team",
		.policy = "acme",
		.rule = "deletes",
		.reason = "nothing goes away unseen" };
	ask->asked = (struct crb_approval_asked){ .session = session(id),
		.kind = "request",
		.credential = "github",
		.summary = "DELETE git.test/acme/api",
		.details = details,
		.verdict = &ask->verdict };
	assert_ok(crb_approval_bind(&ask->asked, &err));
}

static void
ask_clear(struct ask *ask)
{
	json_decref(ask->asked.details);
}
#define AUTO_ASK __attribute__((cleanup(ask_clear)))

static json_t *
request(const char *path, const char *query, const char *type, const char *hash)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:i, s:s}", "method",
	    "DELETE", "origin", "https://git.test", "path", path, "query",
	    query, "content_type", type, "body_length", 5, "body_sha256", hash);
}

static json_t *
usual(void)
{
	return request("/acme/api", NULL, "text/plain", "aa");
}

static void
ask_usual(struct ask *ask, const char *id)
{
	ask_init(ask, id, usual());
}

static json_t *
list(void)
{
	CRB_AUTO_JSON json_t *result = NULL;

	for (unsigned turn = 0; turn < 5; turn++)
		world_turn(&world);
	result = world_call(&world, "approval.list", NULL);
	return json_incref(json_object_get(result, "approvals"));
}

/* The id of the one that waits; the test fails when it is not one. */
static void
waiting(char id[CRB_APPROVAL_ID_LEN + 1])
{
	CRB_AUTO_JSON json_t *approvals = NULL;

	for (unsigned turn = 0; json_array_size(approvals) == 0; turn++) {
		assert_true(turn < 1000);
		json_decref(approvals);
		approvals = list();
	}
	assert_int_equal(json_array_size(approvals), 1);
	(void)snprintf(id, CRB_APPROVAL_ID_LEN + 1, "%s",
	    json_string_value(
		json_object_get(json_array_get(approvals, 0), "id")));
}

static void
hold(struct ask *ask, struct told *to, char id[CRB_APPROVAL_ID_LEN + 1])
{
	struct crb_err err;

	assert_ok(crb_approval_hold(&ask->asked, tell, to, &err));
	waiting(id);
}

static void
approve(const char *id)
{
	json_decref(world_call(
	    &world, "approval.approve", json_pack("{s:s}", "approval", id)));
}

static void
until_told(const struct told *of)
{
	for (unsigned turn = 0; of->times == 0 && turn < 2000; turn++)
		world_turn(&world);
	assert_int_equal(of->times, 1);
}

static size_t
events(const char *name)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    &world, "audit.show", json_pack("{s:s}", "event", name));

	return json_array_size(json_object_get(result, "events"));
}

static void
what_was_approved_goes_through_once(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1], used[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;

	(void)state;
	ask_usual(&ask, one);
	assert_false(crb_approval_take(&ask.asked, used));
	hold(&ask, &told, id);
	assert_false(crb_approval_take(&ask.asked, used));
	assert_int_equal(told.times, 0);
	approve(id);
	until_told(&told);
	assert_false(told.failed);
	assert_true(crb_approval_given(&ask.asked));
	assert_true(crb_approval_take(&ask.asked, used));
	assert_string_equal(used, id);
	assert_false(crb_approval_take(&ask.asked, used));
	world_call_fails(&world, "approval.approve",
	    json_pack("{s:s}", "approval", id), "not_found", "no such");
	assert_int_equal(events("approval.ask"), 1);
	assert_int_equal(events("approval.approve"), 1);
	assert_int_equal(events("approval.use"), 1);
}

static void
is_not(struct ask *approved, struct ask *other)
{
	char id[CRB_APPROVAL_ID_LEN + 1];

	(void)approved;
	assert_false(crb_approval_take(&other->asked, id));
	ask_clear(other);
}

static void
it_is_good_for_nothing_else(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct ask other;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	approve(id);
	ask_usual(&other, two);
	is_not(&ask, &other);
	ask_init(&other, one, request("/acme/apx", NULL, "text/plain", "aa"));
	is_not(&ask, &other);
	ask_init(&other, one, request("/acme/api", "", "text/plain", "aa"));
	is_not(&ask, &other);
	ask_init(&other, one, request("/acme/api", NULL, "text/html", "aa"));
	is_not(&ask, &other);
	ask_init(&other, one, request("/acme/api", NULL, NULL, "aa"));
	is_not(&ask, &other);
	ask_init(&other, one, request("/acme/api", NULL, "text/plain", "ab"));
	is_not(&ask, &other);
	ask_usual(&other, one);
	other.verdict.rule = "others";
	assert_ok(crb_approval_bind(&other.asked, &err));
	is_not(&ask, &other);
	ask_usual(&other, one);
	other.verdict.four_eyes = true;
	assert_ok(crb_approval_bind(&other.asked, &err));
	is_not(&ask, &other);
	ask_usual(&other, one);
	other.asked.kind = "push";
	assert_ok(crb_approval_bind(&other.asked, &err));
	is_not(&ask, &other);
	assert_true(crb_approval_take(&ask.asked, NULL));
}

/* What ends one field and begins the next cannot be moved. */
static void
no_two_requests_have_one_digest(void **state)
{
	static const char *const pairs[][2] = { { "/a", "b" }, { "/ab", "" },
		{ "/a\",\"query\":\"b", "" }, { "/a", "b\",\"x\":\"" },
		{ "/a?b", NULL } };
	uint8_t digest[sizeof(pairs) / sizeof(pairs[0])][CRB_APPROVAL_DIGEST];
	size_t count = sizeof(pairs) / sizeof(pairs[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		AUTO_ASK struct ask ask;

		ask_init(&ask, one,
		    request(pairs[i][0], pairs[i][1], "text/plain", "aa"));
		memcpy(digest[i], ask.asked.digest, CRB_APPROVAL_DIGEST);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(
			    digest[i], digest[k], CRB_APPROVAL_DIGEST);
	}
}

static void
of_two_that_wait_one_goes_through(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1], again[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &first, id);
	assert_ok(crb_approval_hold(&ask.asked, tell, &second, &err));
	approve(id);
	until_told(&first);
	until_told(&second);
	assert_true(crb_approval_take(&ask.asked, NULL));
	assert_false(crb_approval_take(&ask.asked, NULL));
	hold(&ask, &third, again);
	assert_string_not_equal(again, id);
}

static void
what_was_denied_is_refused_without_asking_again(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	json_decref(world_call(&world, "approval.deny",
	    json_pack(
		"{s:s, s:s}", "approval", id, "reason", "not \033[1mtoday")));
	until_told(&told);
	assert_true(told.failed);
	assert_int_equal(told.why.status, CRB_ERR_DECLINED);
	assert_non_null(strstr(told.why.msg, "not \\x1b[1mtoday"));
	assert_false(crb_approval_take(&ask.asked, NULL));
	assert_int_equal(
	    crb_approval_hold(&ask.asked, tell, &told, &err), CRB_ERR_DECLINED);
	world_call_fails(&world, "approval.approve",
	    json_pack("{s:s}", "approval", id), "exists", "denied");
	assert_int_equal(events("approval.ask"), 1);
	assert_int_equal(events("approval.deny"), 1);
}

static void
whoever_waits_too_long_may_come_again(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	world.core->config.approval_wait = 0;
	ask_usual(&ask, one);
	assert_ok(crb_approval_hold(&ask.asked, tell, &told, &err));
	until_told(&told);
	assert_true(told.failed);
	assert_int_equal(told.why.status, CRB_ERR_PENDING);
	waiting(id);
	assert_non_null(strstr(told.why.msg, id));
	approve(id);
	assert_true(crb_approval_take(&ask.asked, NULL));
}

static void
what_is_not_used_in_time_is_gone(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	world.core->config.approval_ttl = 0;
	approve(id);
	until_told(&told);
	for (unsigned turn = 0; crb_approval_given(&ask.asked); turn++) {
		assert_true(turn < 5000);
		world_turn(&world);
	}
	assert_false(crb_approval_take(&ask.asked, NULL));
	assert_int_equal(events("approval.expire"), 1);
	assert_int_equal(events("approval.use"), 0);
}

static void
what_nobody_decides_is_gone(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;

	(void)state;
	world.core->config.approval_ttl = 1;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	until_told(&told);
	assert_true(told.failed);
	assert_int_equal(told.why.status, CRB_ERR_PENDING);
	world_call_fails(&world, "approval.approve",
	    json_pack("{s:s}", "approval", id), "not_found", "expired");
	assert_int_equal(events("approval.expire"), 1);
}

static void
it_ends_with_its_session(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	json_decref(
	    world_call(&world, "revoke", json_pack("{s:s}", "session", one)));
	until_told(&told);
	assert_true(told.failed);
	assert_int_equal(told.why.status, CRB_ERR_DENIED);
	world_call_fails(&world, "approval.approve",
	    json_pack("{s:s}", "approval", id), "not_found", "no such");
}

static void
an_approved_one_is_no_good_once_the_session_has_ended(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	approve(id);
	until_told(&told);
	json_decref(
	    world_call(&world, "revoke", json_pack("{s:s}", "session", one)));
	assert_false(crb_approval_take(&ask.asked, NULL));
	assert_int_equal(
	    crb_approval_hold(&ask.asked, tell, &told, &err), CRB_ERR_DENIED);
}

static void
a_restart_forgets_all(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	struct ask ask;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	approve(id);
	until_told(&told);
	ask_clear(&ask);
	world_restart(&world);
	world_turn(&world);
	ask_usual(&ask, one);
	assert_false(crb_approval_take(&ask.asked, NULL));
	ask_clear(&ask);
}

static void
a_lock_tells_who_waits(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	json_decref(world_call(&world, "lock", NULL));
	until_told(&told);
	assert_true(told.failed);
}

static void
who_left_is_not_told(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	crb_approval_leave(world.core, &told);
	approve(id);
	world_turn(&world);
	assert_int_equal(told.times, 0);
	assert_true(crb_approval_take(&ask.asked, NULL));
}

static void
other_policies_let_all_try_again(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;

	(void)state;
	ask_usual(&ask, one);
	hold(&ask, &told, id);
	crb_approvals_again(world.core);
	assert_int_equal(told.times, 0);
	until_told(&told);
	assert_false(told.failed);
	assert_false(crb_approval_take(&ask.asked, NULL));
}

static void
a_session_asks_for_so_much_at_once(void **state)
{
	struct crb_err err;
	char path[32];

	(void)state;
	for (unsigned i = 0; i <= CRB_APPROVALS_SESSION_MAX; i++) {
		AUTO_ASK struct ask ask;
		enum crb_status status;

		(void)snprintf(path, sizeof(path), "/acme/%u", i);
		ask_init(&ask, one, request(path, NULL, NULL, "aa"));
		status = crb_approval_hold(&ask.asked, tell, &told, &err);
		assert_int_equal(status,
		    i < CRB_APPROVALS_SESSION_MAX ? CRB_OK : CRB_ERR_LIMIT);
	}
	/* Another session is not the worse for it. */
	AUTO_ASK struct ask other;

	ask_usual(&other, two);
	assert_ok(crb_approval_hold(&other.asked, tell, &told, &err));
	crb_approvals_clear(world.core);
}

static void
only_so_many_wait_for_one(void **state)
{
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	for (unsigned i = 0; i < CRB_APPROVAL_HOLDS_MAX; i++)
		assert_ok(crb_approval_hold(&ask.asked, tell, &told, &err));
	assert_int_equal(
	    crb_approval_hold(&ask.asked, tell, &told, &err), CRB_ERR_LIMIT);
	crb_approvals_clear(world.core);
	assert_int_equal(told.times, CRB_APPROVAL_HOLDS_MAX);
}

static void
who_is_not_in_the_group_does_not_approve(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	ask.verdict.approver_count = 1;
	ask.verdict.approvers[0] = "nobody-is-in-this";
	assert_ok(crb_approval_bind(&ask.asked, &err));
	hold(&ask, &told, id);
	world_call_fails(&world, "approval.approve",
	    json_pack("{s:s}", "approval", id), "denied", "nobody-is-in-this");
	world_call_fails(&world, "approval.deny",
	    json_pack("{s:s}", "approval", id), "denied", "nobody-is-in-this");
	assert_false(crb_approval_take(&ask.asked, NULL));
	assert_int_equal(told.times, 0);
	assert_int_equal(events("approval.refused"), 2);
	assert_int_equal(events("approval.approve"), 0);
}

static void
who_is_in_the_group_does(void **state)
{
	const struct group *group = getgrgid(getegid());
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	if (group == NULL)
		skip();
	ask_usual(&ask, one);
	ask.verdict.approver_count = 1;
	ask.verdict.approvers[0] = group->gr_name;
	assert_ok(crb_approval_bind(&ask.asked, &err));
	hold(&ask, &told, id);
	approve(id);
	assert_true(crb_approval_take(&ask.asked, NULL));
}

static void
who_has_issued_the_session_is_not_the_second_pair_of_eyes(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	ask.verdict.four_eyes = true;
	assert_ok(crb_approval_bind(&ask.asked, &err));
	hold(&ask, &told, id);
	world_call_fails(&world, "approval.approve",
	    json_pack("{s:s}", "approval", id), "denied", "not for the user");
	assert_false(crb_approval_take(&ask.asked, NULL));
	assert_int_equal(events("approval.refused"), 1);
	/* To say no he needs nobody. */
	json_decref(world_call(
	    &world, "approval.deny", json_pack("{s:s}", "approval", id)));
	until_told(&told);
	assert_int_equal(told.why.status, CRB_ERR_DECLINED);
}

static void
keys_that_last_longer_are_asked_for_anew(void **state)
{
	char id[CRB_APPROVAL_ID_LEN + 1];
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_init(&ask, one,
	    json_pack("{s:{s:s, s:i}}", "order", "role", "r", "duration", 900));
	ask.asked.seconds = 900;
	hold(&ask, &told, id);
	approve(id);
	(void)json_object_set_new(json_object_get(ask.asked.details, "order"),
	    "duration", json_integer(901));
	assert_ok(crb_approval_bind(&ask.asked, &err));
	ask.asked.seconds = 901;
	assert_false(crb_approval_take(&ask.asked, NULL));
	ask.asked.seconds = 600;
	(void)json_object_set_new(json_object_get(ask.asked.details, "order"),
	    "role", json_string("s"));
	assert_ok(crb_approval_bind(&ask.asked, &err));
	assert_false(crb_approval_take(&ask.asked, NULL));
	(void)json_object_set_new(json_object_get(ask.asked.details, "order"),
	    "role", json_string("r"));
	assert_ok(crb_approval_bind(&ask.asked, &err));
	assert_true(crb_approval_take(&ask.asked, NULL));
}

static void
what_a_sandbox_chose_steers_no_terminal(void **state)
{
	CRB_AUTO_JSON json_t *approvals = NULL;
	char id[CRB_APPROVAL_ID_LEN + 1];
	const json_t *approval;
	AUTO_ASK struct ask ask;

	(void)state;
	ask_init(&ask, one,
	    request("/\033]0;x\007", NULL,
		"text/\xe2\x80\xae"
		"nialp",
		"aa"));
	ask.asked.summary = "DELETE \033[2J\xe2\x80\xaex\n";
	hold(&ask, &told, id);
	approvals = list();
	approval = json_array_get(approvals, 0);
	assert_string_equal(
	    json_string_value(json_object_get(approval, "summary")),
	    "DELETE \\x1b[2J\\xe2\\x80\\xaex\\x0a");
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(approval, "details"), "path")),
	    "/\\x1b]0;x\\x07");
	assert_string_equal(
	    json_string_value(json_object_get(
		json_object_get(approval, "details"), "content_type")),
	    "text/\\xe2\\x80\\xaenialp");
}

static void
what_is_too_long_to_be_shown_cannot_be_asked_for(void **state)
{
	static char path[CRB_APPROVAL_DETAILS_MAX + 1];
	CRB_AUTO_JSON json_t *details = NULL;
	struct crb_approval_asked asked;
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	ask_usual(&ask, one);
	memset(path, 'a', sizeof(path) - 1);
	details = request(path, NULL, NULL, "aa");
	asked = ask.asked;
	asked.details = details;
	assert_int_equal(crb_approval_bind(&asked, &err), CRB_ERR_TOO_LARGE);
}

/* Its details, escaped, are more than a pipe holds. */
static void
the_hook_hears_of_a_long_one(void **state)
{
	CRB_AUTO_BUF struct crb_buf path = CRB_BUF_INIT(65536);
	struct told to = { 0 };
	struct crb_err err;
	AUTO_ASK struct ask ask;

	(void)state;
	world_stop(&world);
	world_start(&world, "{\"approval_hook\": [\"/bin/true\"]}");
	world_add_credential(&world, "github");
	world_issue(&world, GRANT, one);
	for (size_t i = 0; i < CRB_APPROVAL_DETAILS_MAX / 13; i++)
		crb_buf_str(&path, "\xf0\x9f\x94\x91");
	ask_init(&ask, one, request(crb_buf_text(&path), NULL, NULL, "aa"));
	assert_ok(crb_approval_hold(&ask.asked, tell, &to, &err));
	for (int i = 0; i < 2000 && world.hooks == 0; i++)
		world_turn(&world);
	assert_int_equal(world.hooks, 1);
	crb_approval_leave(world.core, &to);
}

static void
hold_many(const char *id, unsigned count, struct told *to)
{
	for (unsigned i = 0; i < count; i++) {
		AUTO_ASK struct ask ask;
		struct crb_err err;
		char path[32];

		(void)snprintf(path, sizeof(path), "/acme/%u", i);
		ask_init(&ask, id, request(path, NULL, NULL, "aa"));
		assert_ok(crb_approval_hold(&ask.asked, tell, to, &err));
	}
}

static void
the_hook_hears_of_one_behind_many(void **state)
{
	char three[CRB_SESSION_ID_MAX + 1];

	(void)state;
	world_stop(&world);
	world_start(&world, "{\"approval_hook\": [\"/bin/true\"]}");
	world_add_credential(&world, "github");
	world_issue(&world, GRANT, one);
	world_issue(&world, GRANT, two);
	world_issue(&world, GRANT, three);
	hold_many(one, CRB_APPROVALS_SESSION_MAX, &first);
	hold_many(two, CRB_APPROVALS_SESSION_MAX, &second);
	for (int i = 0; i < 2000 && world.hooks < 14; i++)
		world_turn(&world);
	/* The first two of each, and ten others, or one more by now. */
	assert_in_range(world.hooks, 14, 16);
	world.hooks = 0;
	hold_many(three, 1, &third);
	for (int i = 0; i < 2000 && world.hooks == 0; i++)
		world_turn(&world);
	assert_int_equal(world.hooks, 1);
}

static void
a_list_that_waits_is_answered_when_something_changes(void **state)
{
	CRB_AUTO_JSON json_t *before = world_call(
	    &world, "approval.list", NULL);
	CRB_AUTO_JSON json_t *answer = NULL;
	AUTO_ASK struct ask ask;
	struct crb_err err;

	(void)state;
	world_send(&world, "approval.list",
	    json_pack("{s:O, s:i}", "after", json_object_get(before, "version"),
		"wait", 30));
	ask_usual(&ask, one);
	assert_ok(crb_approval_hold(&ask.asked, tell, &told, &err));
	answer = world_receive(&world);
	assert_int_equal(json_array_size(json_object_get(
			     json_object_get(answer, "result"), "approvals")),
	    1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_approved_goes_through_once),
		TEST(it_is_good_for_nothing_else),
		TEST(no_two_requests_have_one_digest),
		TEST(of_two_that_wait_one_goes_through),
		TEST(what_was_denied_is_refused_without_asking_again),
		TEST(whoever_waits_too_long_may_come_again),
		TEST(what_is_not_used_in_time_is_gone),
		TEST(what_nobody_decides_is_gone),
		TEST(it_ends_with_its_session),
		TEST(an_approved_one_is_no_good_once_the_session_has_ended),
		TEST(a_restart_forgets_all),
		TEST(a_lock_tells_who_waits),
		TEST(who_left_is_not_told),
		TEST(other_policies_let_all_try_again),
		TEST(a_session_asks_for_so_much_at_once),
		TEST(only_so_many_wait_for_one),
		TEST(who_is_not_in_the_group_does_not_approve),
		TEST(who_is_in_the_group_does),
		TEST(who_has_issued_the_session_is_not_the_second_pair_of_eyes),
		TEST(keys_that_last_longer_are_asked_for_anew),
		TEST(what_a_sandbox_chose_steers_no_terminal),
		TEST(what_is_too_long_to_be_shown_cannot_be_asked_for),
		TEST(the_hook_hears_of_a_long_one),
		TEST(the_hook_hears_of_one_behind_many),
		TEST(a_list_that_waits_is_answered_when_something_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
