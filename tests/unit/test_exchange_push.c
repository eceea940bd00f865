/* Pushes in the core: what is shown of one, what is decided, what is bound. */
#include <sodium.h>

#include "base/cleanup.h"
#include "push.h"

#define AGENT "gh:repository=acme/api,git=push,ref=refs/heads/agent/*"

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static int
begin(void **state)
{
	(void)state;
	world_start(&world,
	    "{\"exchanges_max\": 80, \"approval_wait\": \"60s\","
	    " \"requests_per_minute\": 100000}");
	world_add_credential(&world, "gh");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static void
slice_says(struct crb_slice slice, const char *text)
{
	if (slice.len < strlen(text) ||
	    memmem(slice.p, slice.len, text, strlen(text)) == NULL)
		fail_msg("\"%.*s\" does not say \"%s\"", (int)slice.len,
		    slice.p, text);
}

static void
shown(uint64_t exchange, const void *data, size_t len, bool last)
{
	push_shown(&world, exchange, data, len, last);
}

static uint64_t
ask(void)
{
	return push_ask(&world, session);
}

static uint64_t
push(const char *script)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(65536);
	uint64_t exchange = ask();

	push_write(&text, script);
	shown(exchange, text.data, text.len, true);
	return exchange;
}

static const struct crb_msg_verdict *
verdict(void)
{
	return &world_hear(&world, CRB_MSG_VERDICT)->verdict;
}

static void
nothing_waits(void)
{
	const struct crb_session *found = crb_session_get(
	    world.core, CRB_SLICE(session));

	assert_true(TAILQ_EMPTY(&world.core->holds));
	assert_int_equal(world.core->held_bytes, 0);
	if (found != NULL)
		assert_int_equal(found->waiting, 0);
}

static void
is_refused(const char *code, const char *says)
{
	const struct crb_msg_verdict *said = verdict();

	assert_int_equal(said->allowed, 0);
	slice_equal(said->code, code);
	slice_says(said->detail, says);
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	nothing_waits();
}

static void
policy(const char *rules)
{
	static char text[2048];

	(void)snprintf(text, sizeof(text),
	    "{\"tier\": \"local\", \"name\": \"mine\", \"rules\": ["
	    "{\"id\": \"all\", \"effect\": \"allow\"}%s]}",
	    rules);
	world.policy[CRB_POLICY_LOCAL] = text;
	json_decref(world_call(&world, "policy.reload", json_object()));
}

static void
what_is_sent_begins_with_what_was_judged(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(65536);
	uint8_t hash[crypto_hash_sha256_BYTES];
	const struct crb_msg_job *job;
	uint64_t exchange;

	(void)state;
	world_issue(&world, AGENT, session);
	exchange = ask();
	push_write(
	    &text, "create refs/heads/agent/a|update refs/heads/agent/b");
	shown(exchange, text.data, 50, false);
	shown(exchange, text.data + 50, text.len - 50, true);
	job = &world_hear(&world, CRB_MSG_JOB)->job;
	(void)crypto_hash_sha256(hash, (const uint8_t *)text.data, text.len);
	assert_int_equal(job->judged, CRB_JUDGED_START);
	assert_int_equal(job->judged_length, text.len);
	assert_int_equal(job->judged_hash.len, sizeof(hash));
	assert_memory_equal(job->judged_hash.p, hash, sizeof(hash));
	assert_int_equal(verdict()->allowed, 1);
	nothing_waits();
}

static void
behind_a_probe_comes_nothing(void **state)
{
	const struct crb_msg_job *job;

	(void)state;
	world_issue(&world, AGENT, session);
	shown(ask(), "0000", 4, true);
	job = &world_hear(&world, CRB_MSG_JOB)->job;
	assert_int_equal(job->judged, CRB_JUDGED_WHOLE);
	assert_int_equal(job->judged_length, 4);
	assert_int_equal(verdict()->allowed, 1);
}

static void
each_ref_that_is_refused_is_told(void **state)
{
	const struct crb_msg_verdict *said;

	(void)state;
	policy(", {\"id\": \"keep\", \"effect\": \"deny\", \"reason\": \"we "
	       "keep it\", \"scope\": {\"change\": [\"delete\"]}}");
	world_issue(&world, AGENT, session);
	push("create refs/heads/agent/a|update refs/heads/main|"
	     "delete refs/heads/agent/b");
	said = verdict();
	assert_int_equal(said->allowed, 0);
	slice_says(said->detail,
	    "update of refs/heads/main (and 1 more ref) in acme/api by task");
	slice_says(said->refs,
	    "refs/heads/main update is not allowed by the session: its "
	    "\"ref\" does not match: it takes refs/heads/agent/*\n");
	slice_says(said->refs,
	    "refs/heads/agent/b delete is denied by rule keep of the local "
	    "policy mine: we keep it\n");
	assert_null(
	    memmem(said->refs.p, said->refs.len, "agent/a", strlen("agent/a")));
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	nothing_waits();
}

static void
options_and_certificates_are_granted_apart(void **state)
{
	static const char options[] = "0076" ZERO " " OID
				      " refs/heads/agent/a\0 push-options"
				      "0000000bci.skip0000";

	(void)state;
	assert_int_equal(sizeof(options) - 1, 0x76 + 4 + 0xb + 4);
	world_issue(&world, AGENT, session);
	shown(ask(), options, sizeof(options) - 1, true);
	is_refused(
	    "policy_denied", "a push with options of refs/heads/agent/a");
	world_issue(
	    &world, "gh:repository=acme/api,git=push+push-options", session);
	shown(ask(), options, sizeof(options) - 1, true);
	assert_int_equal(verdict()->allowed, 1);
}

/* Each of them was decided on, and so nobody makes the core do only that. */
static void
many_refs_use_up_the_rate(void **state)
{
	CRB_AUTO_BUF struct crb_buf script = CRB_BUF_INIT(65536);

	(void)state;
	world.core->config.requests_per_minute = 30;
	world_issue(&world, AGENT, session);
	for (unsigned i = 0; i < 120; i++)
		crb_buf_printf(&script, "%screate refs/heads/agent/%u",
		    i > 0 ? "|" : "", i);
	(void)push(crb_buf_text(&script));
	assert_int_equal(verdict()->allowed, 1);
	(void)world_git(&world, session, "POST", TARGET, NULL);
	assert_int_equal(verdict()->status, 429);
}

static void
a_list_that_is_none_is_refused(void **state)
{
	(void)state;
	world_issue(&world, AGENT, session);
	shown(ask(), "0009hello0000", 13, true);
	is_refused("invalid_request", "a line is no command");
	shown(ask(), "", 0, true);
	is_refused("invalid_request", "cut short");
}

static void
what_is_withdrawn_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *code, *becomes;
	} codes[] = { { "too_large", "too_large" }, { "limit", "limit" },
		{ "approval_too_large", "approval_too_large" },
		{ "what", "internal_error" }, { "ok", "internal_error" },
		{ "", "timeout" } };

	(void)state;
	world_issue(&world, AGENT, session);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		uint64_t exchange = ask();

		shown(exchange, "00", 2, false);
		world_gateway_says(&world, CRB_MSG_WITHDRAWN,
		    &(struct crb_msg_withdrawn){ .exchange = exchange,
			.code = CRB_SLICE(codes[i].code),
			.detail = CRB_SLICE("so it is") });
		is_refused(codes[i].becomes,
		    codes[i].code[0] != '\0' ? "so it is" : "client has gone");
	}
}

static void
what_nobody_asked_for_is_passed_over(void **state)
{
	uint64_t exchange;

	(void)state;
	world_issue(&world, AGENT, session);
	shown(77, "0000", 4, true);
	exchange = ask();
	shown(exchange + 1, "0000", 4, true);
	world_gateway_says(&world, CRB_MSG_SHOWN,
	    &(struct crb_msg_shown){ .exchange = exchange,
		.what = CRB_NEED_BODY,
		.last = 1,
		.data = CRB_SLICE(""),
		.hash = CRB_SLICE("01234567890123456789012345678901"),
		.type = CRB_SLICE("") });
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
	shown(exchange, "0000", 4, true);
	assert_int_equal(verdict()->allowed, 1);
	shown(exchange, "0000", 4, true);
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
}

static void
a_policy_that_comes_meanwhile_decides(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(65536);
	uint64_t exchange;

	(void)state;
	world_issue(&world, PUSHES, session);
	exchange = ask();
	policy(", {\"id\": \"no\", \"effect\": \"deny\", \"scope\": {\"ref\":"
	       " [\"refs/heads/main\"]}}");
	push_write(&text, "update refs/heads/main");
	shown(exchange, text.data, text.len, true);
	is_refused("policy_denied", "denied by rule no of the local policy");
}

static void
an_ended_session_pushes_nothing(void **state)
{
	uint64_t exchange;

	(void)state;
	world_issue(&world, AGENT, session);
	exchange = ask();
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	shown(exchange, "0000", 4, true);
	is_refused("session_revoked", "was revoked");
}

/* The session is loaded anew, and nothing of it waits. */
static void
a_lock_meanwhile_is_no_harm(void **state)
{
	uint64_t exchange;

	(void)state;
	world_issue(&world, AGENT, session);
	exchange = ask();
	json_decref(world_call(&world, "lock", json_object()));
	json_decref(world_call(
	    &world, "unlock", json_pack("{s:s}", "key_file", world.key)));
	shown(exchange, "0000", 4, true);
	assert_int_equal(verdict()->allowed, 1);
	nothing_waits();
}

static void
a_lost_gateway_leaves_nothing_behind(void **state)
{
	(void)state;
	world_issue(&world, AGENT, session);
	shown(ask(), "00", 2, false);
	(void)ask();
	world_lose_gateway(&world);
	nothing_waits();
}

/* However many sandboxes begin a list and do not end it. */
static void
what_is_held_is_bounded(void **state)
{
	CRB_AUTO_BUF struct crb_buf piece = CRB_BUF_INIT(65536);
	unsigned refused = 0;
	size_t most = 0;

	(void)state;
	memset(crb_buf_room(&piece, 65536), 'x', 65536);
	crb_buf_grew(&piece, 65536);
	world_issue(&world, AGENT, session);
	for (int i = 0; i < 66; i++) {
		uint64_t exchange = ask();

		for (int k = 0; k < 16; k++) {
			shown(exchange, piece.data, piece.len, false);
			world_turn(&world);
		}
		most = world.core->held_bytes > most ? world.core->held_bytes
						     : most;
		if (world.core->held_bytes + piece.len > CRB_HOLDS_BYTES_MAX)
			refused++;
	}
	assert_true(refused > 0);
	assert_true(most <= CRB_HOLDS_BYTES_MAX);
	world_lose_gateway(&world);
	nothing_waits();
}

static json_t *
approvals(void)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    &world, "approval.list", json_object());

	return json_incref(json_object_get(result, "approvals"));
}

#define LOOK                                                                \
	", {\"id\": \"look\", \"effect\": \"ask\", \"approvers\": \"dev\"," \
	" \"scope\": {\"ref\": [\"refs/heads/main\"]}}"                     \
	", {\"id\": \"tags\", \"effect\": \"ask\", \"approvers\": \"ops\"," \
	" \"four_eyes\": true, \"scope\": {\"ref\": [\"refs/tags/**\"]}}"

static void
a_push_asks_whoever_any_of_its_refs_needs(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;
	const json_t *approval, *details;
	uint64_t exchange;

	(void)state;
	policy(LOOK);
	world_issue(&world, PUSHES, session);
	exchange = push("create refs/heads/a|create refs/tags/v1|"
			"update refs/heads/main");
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
	list = approvals();
	assert_int_equal(json_array_size(list), 1);
	approval = json_array_get(list, 0);
	assert_int_equal(
	    json_array_size(json_object_get(approval, "approvers")), 2);
	assert_true(json_is_true(json_object_get(approval, "four_eyes")));
	details = json_object_get(approval, "details");
	assert_int_equal(json_array_size(json_object_get(details, "refs")), 3);
	assert_string_equal(
	    json_string_value(json_object_get(details, "repository")),
	    "acme/api");
	world_gateway_says(&world, CRB_MSG_WITHDRAWN,
	    &(struct crb_msg_withdrawn){ .exchange = exchange,
		.code = CRB_SLICE(""),
		.detail = CRB_SLICE("") });
	is_refused("timeout", "client has gone");
}

static void
one_denied_ref_is_not_asked_about(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;

	(void)state;
	policy(LOOK ", {\"id\": \"no\", \"effect\": \"deny\", \"scope\":"
		    " {\"ref\": [\"refs/heads/prod\"]}}");
	world_issue(&world, PUSHES, session);
	push("update refs/heads/main|update refs/heads/prod");
	is_refused("policy_denied", "update of refs/heads/prod in acme/api");
	list = approvals();
	assert_int_equal(json_array_size(list), 0);
}

static void
discovery_and_probe_are_not_asked_about_but_where_all_is(void **state)
{
	struct crb_session *found;

	(void)state;
	policy(", {\"id\": \"look\", \"effect\": \"ask\", \"scope\": {\"git\":"
	       " [\"push\"]}}");
	world_issue(&world, PUSHES, session);
	(void)world_git(&world, session, "GET",
	    "git.test/acme/api.git/info/refs", "service=git-receive-pack");
	assert_int_equal(verdict()->allowed, 1);
	shown(ask(), "0000", 4, true);
	assert_int_equal(verdict()->allowed, 1);
	found = crb_session_get(world.core, CRB_SLICE(session));
	found->ask_always = true;
	(void)world_git(&world, session, "GET",
	    "git.test/acme/api.git/info/refs", "service=git-receive-pack");
	assert_true(world_hears_no(&world, CRB_MSG_VERDICT));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_sent_begins_with_what_was_judged),
		TEST(behind_a_probe_comes_nothing),
		TEST(each_ref_that_is_refused_is_told),
		TEST(options_and_certificates_are_granted_apart),
		TEST(many_refs_use_up_the_rate),
		TEST(a_list_that_is_none_is_refused),
		TEST(what_is_withdrawn_is_refused_with_its_reason),
		TEST(what_nobody_asked_for_is_passed_over),
		TEST(a_policy_that_comes_meanwhile_decides),
		TEST(an_ended_session_pushes_nothing),
		TEST(a_lock_meanwhile_is_no_harm),
		TEST(a_lost_gateway_leaves_nothing_behind),
		TEST(what_is_held_is_bounded),
		TEST(a_push_asks_whoever_any_of_its_refs_needs),
		TEST(one_denied_ref_is_not_asked_about),
		TEST(discovery_and_probe_are_not_asked_about_but_where_all_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
