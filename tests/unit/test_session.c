#include "broker/core/session.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "tests/fakes/world.h"

static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static int
setup(void **state)
{
	(void)state;
	world_start(&world, "{\"ttl\": \"1h\", \"ttl_max\": \"2h\"}");
	world_add_credential(&world, "gh");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static json_t *
issue(json_t *params)
{
	(void)json_object_set_new(params, "task", json_string("fix-1"));
	(void)json_object_set_new(
	    params, "grants", json_pack("[s]", "gh:repository=acme/api"));
	return params;
}

static json_t *
show(const char *id)
{
	CRB_AUTO_JSON json_t *result = world_call(
	    &world, "session.show", json_pack("{s:s}", "session", id));

	return json_incref(json_object_get(result, "session"));
}

static const char *
state_of(const char *id)
{
	static char name[32];
	CRB_AUTO_JSON json_t *shown = show(id);

	(void)snprintf(name, sizeof(name), "%s",
	    json_string_value(json_object_get(shown, "state")));
	return name;
}

static void
state_becomes(const char *id, const char *state)
{
	for (int i = 0; i < 5000 && strcmp(state_of(id), state) != 0; i++)
		world_turn(&world);
	assert_string_equal(state_of(id), state);
}

static void
an_issued_session_is_known_to_the_gateway_by_its_tokens_hash(void **state)
{
	unsigned char hash[CRB_TOKEN_HASH_BYTES];
	const struct crb_msg *msg;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	assert_true(crb_token_ok(world.token, strlen(world.token)));
	crb_token_hash(world.token, strlen(world.token), hash);
	msg = world_hear(&world, CRB_MSG_SESSION_OPEN);
	assert_int_equal(msg->session_open.token_hash.len, sizeof(hash));
	assert_memory_equal(msg->session_open.token_hash.p, hash, sizeof(hash));
	assert_int_not_equal(msg->fd, -1);
}

static void
nothing_is_left_of_one_whose_folder_cannot_be_made(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;

	(void)state;
	world.refuse_folders = true;
	world_call_fails(&world, "session.issue", issue(json_object()),
	    "internal_error", "no space");
	world_turn(&world);
	assert_int_equal(world.removed, 1);
	list = world_call(&world, "session.list", json_pack("{s:b}", "all", 1));
	assert_int_equal(json_array_size(json_object_get(list, "sessions")), 0);
	assert_true(world_hears_no(&world, CRB_MSG_SESSION_OPEN));
	world.refuse_folders = false;
	json_decref(world_call(&world, "session.issue", issue(json_object())));
}

static void
what_is_wrong_with_an_issue_is_said(void **state)
{
	(void)state;
	world_call_fails(&world, "session.issue",
	    json_pack("{s:s}", "task", "x"), "invalid_request",
	    "needs a grant");
	world_call_fails(&world, "session.issue",
	    json_pack(
		"{s:s, s:[s]}", "task", "x", "grants", "nope:repository=a/b"),
	    "not_found", "no credential \"nope\"");
	world_call_fails(&world, "session.issue",
	    json_pack("{s:s, s:[s]}", "task", "x", "grants", "hg:git=fetch"),
	    "not_found", "did you mean \"gh\"");
	world_call_fails(&world, "session.issue",
	    json_pack("{s:s, s:[s]}", "task", "x", "grants", "gh:repo=a/b"),
	    "invalid_request", "repo");
	world_call_fails(&world, "session.issue",
	    json_pack(
		"{s:s, s:[s]}", "task", "x y", "grants", "gh:repository=a/b"),
	    "invalid_request", "task");
	world_call_fails(&world, "session.issue",
	    issue(json_pack("{s:s}", "profile", "none")), "not_found",
	    "no profile");
	world_call_fails(&world, "session.issue",
	    issue(json_pack("{s:i}", "ttl", 7201)), "limit", "at most 2h");
	world_call_fails(&world, "session.issue",
	    issue(json_pack("{s:i}", "ttl", 0)), "invalid_request", "ttl");
	world_call_fails(&world, "session.issue",
	    issue(json_pack("{s:i}", "bind_pid", 4194000)), "not_found", "");
	world_call_fails(&world, "session.issue",
	    issue(json_pack("{s:s}", "workspace", "relative")),
	    "invalid_request", "absolute");
	world_call_fails(&world, "session.issue",
	    issue(json_pack("{s:{s:s}}", "labels", "Bad Name", "x")),
	    "invalid_request", "label");
	assert_int_equal(world.folders, 0);
}

static void
a_session_has_thirty_two_grants_at_most(void **state)
{
	json_t *grants = json_array();
	char text[64];

	(void)state;
	for (int i = 0; i <= CRB_SESSION_GRANTS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "gh:repository=acme/r%d", i);
		(void)json_array_append_new(grants, json_string(text));
	}
	world_call_fails(&world, "session.issue",
	    json_pack("{s:s, s:o}", "task", "x", "grants", grants), "limit",
	    "at most 32 grants");
}

static void
a_prefix_names_a_session_while_no_other_has_it(void **state)
{
	char prefix[4] = "";
	CRB_AUTO_JSON json_t *shown = NULL;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	memcpy(prefix, session, 3);
	shown = show(prefix);
	assert_string_equal(
	    json_string_value(json_object_get(shown, "id")), session);
	prefix[2] = '\0';
	world_call_fails(&world, "session.show",
	    json_pack("{s:s}", "session", prefix), "invalid_request",
	    "3 characters");
	world_call_fails(&world, "session.show",
	    json_pack("{s:s}", "session", "../../x"), "invalid_request", "");
	world_call_fails(&world, "session.show",
	    json_pack("{s:s}", "session", "zzzzzzzz"), "not_found",
	    "no session");
}

/* Two ids with a common start are made by hand: chance does not give them. */
static void
a_prefix_of_two_is_refused(void **state)
{
	char one[CRB_SESSION_ID_MAX + 1], other[CRB_SESSION_ID_MAX + 1];
	struct crb_session *at, *first, *found;
	struct crb_err err;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", one);
	world_issue(&world, "gh:repository=acme/api", other);
	first = crb_session_get(world.core, CRB_SLICE(one));
	at = crb_session_get(world.core, CRB_SLICE(other));
	(void)crb_map_take(&world.core->sessions, at->id, strlen(at->id));
	memcpy(at->id, first->id, 5);
	at->id[5] = first->id[5] == 'x' ? 'y' : 'x';
	assert_ok(crb_map_put(
	    &world.core->sessions, at->id, strlen(at->id), at, &err));
	one[5] = '\0';
	assert_fails(
	    crb_session_find(world.core, one, &found, &err), CRB_ERR_INVALID);
	assert_says("2 sessions start with");
	assert_ok(crb_session_find(world.core, at->id, &found, &err));
	assert_ptr_equal(found, at);
}

static void
sessions_survive_a_restart(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	CRB_AUTO_JSON json_t *first = NULL;
	CRB_AUTO_JSON json_t *second = NULL;
	const json_t *bound;

	(void)state;
	result = world_call(&world, "session.issue",
	    issue(json_pack("{s:{s:s}, s:i, s:s}", "labels", "ticket", "X-1",
		"bind_pid", (int)getpid(), "workspace", "/srv/x")));
	bound = json_object_get(result, "session");
	world_issue(&world, "gh:repository=acme/api,git=fetch+push", session);
	first = show(session);
	world_restart(&world);
	assert_int_equal(world.folders, 4);
	second = show(session);
	assert_true(json_equal(first, second));
	json_decref(second);
	second = show(json_string_value(json_object_get(bound, "id")));
	assert_true(json_equal(bound, second));
	assert_int_not_equal(world_hear(&world, CRB_MSG_SESSION_OPEN)->fd, -1);
	assert_int_not_equal(world_hear(&world, CRB_MSG_SESSION_OPEN)->fd, -1);
}

static void
an_ended_session_is_gone_after_a_restart(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	assert_string_equal(state_of(session), "revoked");
	world_restart(&world);
	world_turn(&world);
	assert_int_equal(world.removed, 1);
	list = world_call(&world, "session.list", json_pack("{s:b}", "all", 1));
	assert_int_equal(json_array_size(json_object_get(list, "sessions")), 0);
}

static void
a_session_expires(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)state;
	result = world_call(
	    &world, "session.issue", issue(json_pack("{s:i}", "ttl", 1)));
	(void)snprintf(session, sizeof(session), "%s",
	    json_string_value(
		json_object_get(json_object_get(result, "session"), "id")));
	state_becomes(session, "expired");
	(void)world_hear(&world, CRB_MSG_SESSION_END);
}

static void
a_session_ends_with_the_process_that_it_is_bound_to(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	result = world_call(&world, "session.issue",
	    issue(json_pack("{s:i}", "bind_pid", (int)pid)));
	(void)snprintf(session, sizeof(session), "%s",
	    json_string_value(
		json_object_get(json_object_get(result, "session"), "id")));
	assert_string_equal(state_of(session), "live");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	state_becomes(session, "process ended");
}

static void
a_revoke_waits_for_gateway_and_egress(void **state)
{
	static const char line[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"revoke\","
	    "\"params\":{\"all\":true}}\n";
	CRB_AUTO_FREE char *answer = NULL;
	uint32_t request;
	char c;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	world.hold_acks = true;
	world_write(&world, line, sizeof(line) - 1);
	request = world_hear(&world, CRB_MSG_SESSION_END)->session_end.request;
	world_gateway_says(&world, CRB_MSG_SESSION_ENDED,
	    &(struct crb_msg_session_ended){
		.request = request, .session = CRB_SLICE(session) });
	request =
	    world_hear(&world, CRB_MSG_SESSION_DROP)->session_drop.request;
	for (int i = 0; i < 50; i++)
		world_turn(&world);
	assert_int_equal(recv(world.admin, &c, 1, MSG_DONTWAIT), -1);
	world_egress_says(&world, CRB_MSG_SESSION_DROPPED,
	    &(struct crb_msg_session_dropped){
		.request = request, .session = CRB_SLICE(session) });
	answer = world_read_line(&world);
	assert_non_null(strstr(answer, session));
}

static void
a_revoke_by_task_takes_no_other(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	json_decref(world_call(&world, "session.issue",
	    json_pack("{s:s, s:[s]}", "task", "fix-2", "grants",
		"gh:repository=acme/api")));
	result = world_call(
	    &world, "revoke", json_pack("{s:s}", "task", "fix-2"));
	assert_int_equal(
	    json_array_size(json_object_get(result, "revoked")), 1);
	assert_string_equal(state_of(session), "live");
	world_call_fails(&world, "revoke",
	    json_pack("{s:s, s:b}", "task", "fix-2", "all", 1),
	    "invalid_request", "one of");
	world_call_fails(&world, "revoke", NULL, "invalid_request", "one of");
	world_call_fails(&world, "revoke", json_pack("{s:b}", "all", 0),
	    "invalid_request", "one of");
}

static void
extending_stops_at_the_ceiling(void **state)
{
	const struct crb_msg *msg;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	json_decref(world_call(&world, "session.extend",
	    json_pack("{s:s, s:i}", "session", session, "ttl", 7000)));
	msg = world_hear(&world, CRB_MSG_SESSION_RENEW);
	assert_true(msg->session_renew.expires > 0);
	world_call_fails(&world, "session.extend",
	    json_pack("{s:s, s:i}", "session", session, "ttl", 9999), "limit",
	    "at most 2h");
	/* It is the whole life that has a ceiling. */
	crb_session_get(world.core, CRB_SLICE(session))->created -= 3600;
	world_call_fails(&world, "session.extend",
	    json_pack("{s:s, s:i}", "session", session, "ttl", 7000), "limit",
	    "can last at most 1h");
	json_decref(world_call(
	    &world, "revoke", json_pack("{s:s}", "session", session)));
	world_call_fails(&world, "session.extend",
	    json_pack("{s:s, s:i}", "session", session, "ttl", 60), "not_found",
	    "not live any more: revoked");
}

static void
a_grants_number_is_not_used_again(void **state)
{
	CRB_AUTO_JSON json_t *shown = NULL;
	const json_t *grants;

	(void)state;
	world_issue(&world, "gh:repository=acme/api", session);
	for (int i = 0; i < 2; i++) {
		json_decref(world_call(&world, "session.grant",
		    json_pack("{s:s, s:s}", "session", session, "grant",
			"gh:repository=acme/web")));
		if (i == 0)
			json_decref(world_call(&world, "session.drop",
			    json_pack("{s:s, s:s}", "session", session, "grant",
				"2")));
		world_restart(&world);
	}
	shown = show(session);
	grants = json_object_get(shown, "grants");
	assert_int_equal(json_array_size(grants), 2);
	assert_int_equal(json_integer_value(json_object_get(
			     json_array_get(grants, 1), "number")),
	    3);
	world_call_fails(&world, "session.drop",
	    json_pack("{s:s, s:s}", "session", session, "grant", "2"),
	    "not_found", "no such grant");
}

static void
a_profile_gives_grants_labels_and_time(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	const struct crb_session *at;
	const json_t *shown;

	(void)state;
	json_decref(world_call(&world, "profile.add",
	    json_pack("{s:s, s:[s,s], s:{s:s}, s:i}", "name", "web", "grants",
		"gh:repository=acme/web", "gh:repository=acme/api,git=push",
		"labels", "team", "blue", "ttl", 60)));
	world_call_fails(&world, "profile.add",
	    json_pack("{s:s, s:[s]}", "name", "web", "grants",
		"gh:repository=acme/web"),
	    "exists", "--replace");
	world_restart(&world);
	result = world_call(&world, "session.issue",
	    json_pack("{s:s, s:s, s:{s:s}}", "task", "t", "profile", "web",
		"labels", "ticket", "7"));
	shown = json_object_get(result, "session");
	assert_int_equal(json_array_size(json_object_get(shown, "grants")), 2);
	at = crb_session_get(world.core,
	    CRB_SLICE(json_string_value(json_object_get(shown, "id"))));
	assert_int_equal(at->expires - at->created, 60);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(shown, "labels"), "team")),
	    "blue");
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(shown, "labels"), "ticket")),
	    "7");
	json_decref(world_call(
	    &world, "profile.remove", json_pack("{s:s}", "name", "web")));
	world_call_fails(&world, "profile.show",
	    json_pack("{s:s}", "name", "web"), "not_found", "no profile");
}

/* The sandbox's git is sent to the gateway, and no secret is in it. */
static void
the_environment_points_git_at_the_gateway(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;
	bool https = false, scp = false;
	const json_t *environment;
	const char *name;
	json_t *value;

	(void)state;
	result = world_call(&world, "session.issue", issue(json_object()));
	environment = json_object_get(result, "environment");
	json_object_foreach((json_t *)(uintptr_t)environment, name, value)
	{
		const char *text = json_string_value(value);

		assert_null(strstr(text, "hunter2"));
		assert_null(strstr(text, "crbs_"));
		https = https || strcmp(text, "https://git.test/") == 0;
		scp = scp || strcmp(text, "git@git.test:") == 0;
	}
	assert_true(https);
	assert_true(scp);
	assert_string_equal(
	    json_string_value(json_object_get(environment, "GIT_CONFIG_KEY_0")),
	    "credential.helper");
	assert_string_equal(json_string_value(json_object_get(
				environment, "GIT_CONFIG_VALUE_0")),
	    "");
	assert_string_equal(json_string_value(json_object_get(
				environment, "CREDBROKER_TOKEN_FILE")),
	    "/run/credbroker/token");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(
		    an_issued_session_is_known_to_the_gateway_by_its_tokens_hash),
		TEST(nothing_is_left_of_one_whose_folder_cannot_be_made),
		TEST(what_is_wrong_with_an_issue_is_said),
		TEST(a_session_has_thirty_two_grants_at_most),
		TEST(a_prefix_names_a_session_while_no_other_has_it),
		TEST(a_prefix_of_two_is_refused),
		TEST(sessions_survive_a_restart),
		TEST(an_ended_session_is_gone_after_a_restart),
		TEST(a_session_expires),
		TEST(a_session_ends_with_the_process_that_it_is_bound_to),
		TEST(a_revoke_waits_for_gateway_and_egress),
		TEST(a_revoke_by_task_takes_no_other),
		TEST(extending_stops_at_the_ceiling),
		TEST(a_grants_number_is_not_used_again),
		TEST(a_profile_gives_grants_labels_and_time),
		TEST(the_environment_points_git_at_the_gateway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
