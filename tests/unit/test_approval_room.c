#include "broker/core/approval.h"

#include "base/cleanup.h"
#include "tests/fakes/world.h"

/* Who may ask for how much, while others do. */
#define GRANT "github:repository=acme/api,git=fetch"

static struct world world;
static unsigned last_path;

static int
start(void **state)
{
	(void)state;
	world_start(&world, "{\"approval_wait\": \"60s\"}");
	world_add_credential(&world, "github");
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	crb_approvals_clear(world.core);
	world_stop(&world);
	return 0;
}

static void
told(void *ctx, const struct crb_err *why)
{
	(void)ctx;
	(void)why;
}

/* Of another user than the test's, as far as approvals are concerned. */
static struct crb_session *
session_of(uid_t user)
{
	char id[CRB_SESSION_ID_MAX + 1];
	struct crb_session *session;

	world_issue(&world, GRANT, id);
	session = crb_session_get(world.core, CRB_SLICE(id));
	assert_non_null(session);
	session->issuer = user;
	return session;
}

static enum crb_status
ask(struct crb_session *session, struct crb_err *err)
{
	struct crb_verdict verdict = { .effect = CRB_EFFECT_ASK,
		.tier = "team",
		.policy = "acme",
		.rule = "deletes" };
	CRB_AUTO_JSON json_t *details = json_pack(
	    "{s:i}", "path", (int)++last_path);
	struct crb_approval_asked asked = { .session = session,
		.kind = "request",
		.credential = "github",
		.summary = "DELETE git.test/acme/api",
		.details = details,
		.verdict = &verdict };

	assert_int_equal(crb_approval_bind(&asked, err), CRB_OK);
	return crb_approval_hold(&asked, told, NULL, err);
}

/* As much as one session gets. */
static unsigned
flood(struct crb_session *session, struct crb_err *err)
{
	unsigned count = 0;

	while (ask(session, err) == CRB_OK)
		count++;
	assert_int_equal(err->status, CRB_ERR_LIMIT);
	assert_true(count <= CRB_APPROVALS_SESSION_MAX);
	return count;
}

/* As much as one user gets, with as many sessions as it takes. */
static unsigned
flood_as(uid_t user, struct crb_err *err)
{
	unsigned count = 0, more;

	while ((more = flood(session_of(user), err)) > 0)
		count += more;
	return count;
}

static void
users_who_take_all_leave_room_for_others(void **state)
{
	unsigned all = 0, count;
	struct crb_err err;

	(void)state;
	assert_int_equal(flood_as(2001, &err), CRB_APPROVALS_MAX / 2);
	assert_non_null(strstr(err.msg, "128 requests of this user wait"));
	assert_non_null(strstr(err.msg, "credbroker approvals"));
	all = CRB_APPROVALS_MAX / 2;
	assert_int_equal(flood_as(2002, &err), CRB_APPROVALS_MAX / 4);
	all += CRB_APPROVALS_MAX / 4;
	for (uid_t user = 2003; user < 2009; user++) {
		count = flood_as(user, &err);
		assert_true(count > 0);
		all += count;
		assert_true(all <= CRB_APPROVALS_MAX);
	}
	/* Whoever had much has to wait until it is less, others being here. */
	assert_int_equal(flood_as(2001, &err), 0);
}

static void
sessions_that_take_all_leave_room_for_others_of_the_user(void **state)
{
	struct crb_err err;

	(void)state;
	for (unsigned i = 0; i < CRB_APPROVALS_MAX / 16; i++)
		(void)flood(session_of(2001), &err);
	assert_true(flood(session_of(2001), &err) > 0);
	assert_non_null(strstr(err.msg, " of this session wait for approval"));
}

static void
one_session_alone_has_eight(void **state)
{
	struct crb_err err;

	(void)state;
	assert_int_equal(flood(session_of(2001), &err), 8);
	assert_non_null(strstr(err.msg, "8 requests of this session wait"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(users_who_take_all_leave_room_for_others),
		TEST(sessions_that_take_all_leave_room_for_others_of_the_user),
		TEST(one_session_alone_has_eight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
