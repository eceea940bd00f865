#include "broker/core/query.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "tests/fakes/world.h"

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static int
setup(void **state)
{
	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api,git=fetch+push", session);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static const struct crb_msg_answer *
ask(enum crb_query what, bool plain, const char *name, const char *body)
{
	const struct crb_msg_query query = { .exchange = 5,
		.session = CRB_SLICE(session),
		.what = (uint8_t)what,
		.plain = plain,
		.name = CRB_SLICE(name),
		.body = CRB_SLICE(body) };
	const struct crb_msg *msg;

	world_gateway_says(&world, CRB_MSG_QUERY, &query);
	msg = world_hear(&world, CRB_MSG_ANSWER);
	assert_true(msg->answer.exchange == 5);
	/* Whatever is asked, the secret and the token are not told. */
	assert_null(
	    memmem(msg->answer.body.p, msg->answer.body.len, "hunter2", 7));
	assert_null(
	    memmem(msg->answer.body.p, msg->answer.body.len, "crbs_", 5));
	return &msg->answer;
}

static bool
says(const struct crb_msg_answer *answer, const char *text)
{
	return memmem(answer->body.p, answer->body.len, text, strlen(text)) !=
	    NULL;
}

static void
a_session_says_what_it_may_use(void **state)
{
	const struct crb_msg_answer *answer = ask(
	    CRB_QUERY_SESSION, false, "", "");
	CRB_AUTO_JSON json_t *json = NULL;
	const json_t *grant;
	struct crb_err err;

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_ok(crb_json_parse(
	    answer->body.p, answer->body.len, "answer", &json, &err));
	assert_string_equal(
	    json_string_value(json_object_get(json, "task")), "fix-1");
	grant = json_array_get(json_object_get(json, "credentials"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(grant, "delivery")), "inject");
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(grant, "hosts"), 0)),
	    "git.test");
}

static void
it_says_so_in_plain_text_too(void **state)
{
	const struct crb_msg_answer *answer = ask(
	    CRB_QUERY_SESSION, true, "", "");

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_true(crb_slice_starts(answer->type, "text/plain"));
	assert_true(says(answer, "task fix-1"));
	assert_true(says(answer, "fetch, push on acme/api"));
	assert_true(says(answer, "injected"));
}

static void
an_injected_credential_is_not_handed_out(void **state)
{
	const struct crb_msg_answer *answer = ask(
	    CRB_QUERY_CREDENTIAL, false, "gh", "");

	(void)state;
	assert_int_equal(answer->status, 403);
	assert_true(crb_slice_is(answer->code, "policy_denied"));
	assert_true(crb_slice_is(answer->type, "application/problem+json"));
	assert_true(says(answer, "never handed out"));
	answer = ask(CRB_QUERY_CREDENTIAL, false, "other", "");
	assert_int_equal(answer->status, 404);
}

static void
git_is_told_to_stop_asking_where_the_gateway_helps(void **state)
{
	const struct crb_msg_answer *answer = ask(
	    CRB_QUERY_GIT_GET, true, "", "protocol=https\nhost=git.test\n\n");

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_true(crb_slice_is(answer->body, "quit=1\n"));
	answer = ask(CRB_QUERY_GIT_GET, true, "",
	    "protocol=https\nhost=elsewhere.test\n");
	assert_int_equal(answer->status, 200);
	assert_int_equal(answer->body.len, 0);
	answer = ask(CRB_QUERY_GIT_ERASE, true, "",
	    "protocol=https\nhost=git.test\nusername=x\npassword=y\n");
	assert_int_equal(answer->status, 200);
}

static void
a_broken_question_of_gits_is_refused(void **state)
{
	static const char *const broken[] = {
		"",
		"\n",
		"host=git.test\n",
		"protocol=https\n",
		"protocol=https\nhost=\n",
		"protocol=https\nhost=git.test\nhost=evil.test\n",
		"protocol=https\nhost=git.test\r\n",
		"protocol=https\nhost\n",
		"protocol=https\n=git.test\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_equal(
		    ask(CRB_QUERY_GIT_GET, true, "", broken[i])->status, 400);
}

static void
an_ended_session_is_told_why(void **state)
{
	const struct crb_msg_answer *answer;

	(void)state;
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	answer = ask(CRB_QUERY_SESSION, false, "", "");
	assert_int_equal(answer->status, 403);
	assert_true(crb_slice_is(answer->code, "session_revoked"));
	assert_true(says(answer, "credbroker issue"));
}

static void
an_unknown_question_is_refused(void **state)
{
	(void)state;
	assert_int_equal(ask((enum crb_query)99, false, "", "")->status, 400);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_says_what_it_may_use),
		TEST(it_says_so_in_plain_text_too),
		TEST(an_injected_credential_is_not_handed_out),
		TEST(git_is_told_to_stop_asking_where_the_gateway_helps),
		TEST(a_broken_question_of_gits_is_refused),
		TEST(an_ended_session_is_told_why),
		TEST(an_unknown_question_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
