#include <signal.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "tests/fakes/world.h"

#define FETCH "service=git-upload-pack"

/* No file may grow: as on a full disk. */
static void
set_full(bool full)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = full ? 1 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static size_t
count(struct world *world, const char *method, const char *key)
{
	CRB_AUTO_JSON json_t *list = world_call(world, method, NULL);

	return json_array_size(json_object_get(list, key));
}

static size_t
grants(struct world *world, const char *session)
{
	CRB_AUTO_JSON json_t *shown = world_call(
	    world, "session.show", json_pack("{s:s}", "session", session));

	return json_array_size(
	    json_object_get(json_object_get(shown, "session"), "grants"));
}

static bool
healthy(struct world *world)
{
	CRB_AUTO_JSON json_t *status = world_call(world, "status", NULL);

	return json_is_true(
	    json_object_get(json_object_get(status, "audit"), "healthy"));
}

static bool
allowed(struct world *world, const char *session, const char *code)
{
	const struct crb_msg *msg;

	(void)world_git(
	    world, session, "GET", "git.test/acme/api/info/refs", FETCH);
	msg = world_hear(world, CRB_MSG_VERDICT);
	if (msg->verdict.allowed == 0 && !crb_slice_is(msg->verdict.code, code))
		fail_msg(
		    "%.*s", (int)msg->verdict.code.len, msg->verdict.code.p);
	return msg->verdict.allowed != 0;
}

static void
what_cannot_be_recorded_does_not_happen(void **state)
{
	char session[CRB_SESSION_ID_MAX + 1];
	struct world world;

	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	assert_true(allowed(&world, session, ""));
	(void)world_hear(&world, CRB_MSG_JOB);
	set_full(true);
	assert_false(allowed(&world, session, "audit_unavailable"));
	assert_true(world_hears_no(&world, CRB_MSG_JOB));
	world_call_fails(&world, "credential.add",
	    json_pack("{s:s, s:s, s:s, s:{s:s}}", "name", "more", "backend",
		"static", "secret", "x", "params", "hosts", "h.test"),
	    "audit_unavailable", "");
	world_call_fails(&world, "credential.remove",
	    json_pack("{s:s, s:b}", "name", "gh", "force", 1),
	    "audit_unavailable", "");
	world_call_fails(&world, "session.issue",
	    json_pack(
		"{s:s, s:[s]}", "task", "t", "grants", "gh:repository=a/b"),
	    "audit_unavailable", "");
	world_call_fails(&world, "session.grant",
	    json_pack(
		"{s:s, s:s}", "session", session, "grant", "gh:repository=a/b"),
	    "audit_unavailable", "");
	assert_int_equal(grants(&world, session), 1);
	assert_false(healthy(&world));
	assert_int_equal(count(&world, "credential.list", "credentials"), 1);
	assert_int_equal(count(&world, "session.list", "sessions"), 1);
	set_full(false);
	for (int i = 0; i < 20000 && !healthy(&world); i++)
		world_turn(&world);
	assert_true(allowed(&world, session, ""));
	world_restart(&world);
	assert_int_equal(count(&world, "credential.list", "credentials"), 1);
	assert_int_equal(count(&world, "session.list", "sessions"), 1);
	world_stop(&world);
}

/* Taking away works without a record, and says that there is none. */
static void
a_revoke_holds_even_when_it_cannot_be_recorded(void **state)
{
	char session[CRB_SESSION_ID_MAX + 1];
	struct world world;

	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	set_full(true);
	world_call_fails(&world, "revoke",
	    json_pack("{s:s}", "session", session), "audit_unavailable", "");
	set_full(false);
	assert_false(allowed(&world, session, "session_revoked"));
	world_stop(&world);
}

static void
after_a_failed_commit_nothing_happens_until_one_works(void **state)
{
	char session[CRB_SESSION_ID_MAX + 1];
	struct world world;
	struct crb_err why;

	(void)state;
	world_start(&world, NULL);
	world_add_credential(&world, "gh");
	world_issue(&world, "gh:repository=acme/api", session);
	(void)crb_err_set(&why, CRB_ERR_UNRECORDED, "played");
	crb_core_committed(world.core, &why);
	assert_false(allowed(&world, session, "audit_unavailable"));
	assert_false(healthy(&world));
	for (int i = 0; i < 20000 && !healthy(&world); i++)
		world_turn(&world);
	assert_true(allowed(&world, session, ""));
	world_stop(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_recorded_does_not_happen),
		cmocka_unit_test(
		    a_revoke_holds_even_when_it_cannot_be_recorded),
		cmocka_unit_test(
		    after_a_failed_commit_nothing_happens_until_one_works),
	};

	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
