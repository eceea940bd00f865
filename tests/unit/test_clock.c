#include "broker/core/policies.h"
#include "broker/core/session.h"

#include "lease.h"
#include "wall_clock.h"

/* What ends by the wall clock, when that is set. */
static struct world world;
static char session[CRB_SESSION_ID_MAX + 1];

static int
setup(void **state)
{
	(void)state;
	set_by = 0;
	world_start(&world, NULL);
	lease_add_credential(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	set_by = 0;
	world_stop(&world);
	return 0;
}

static void
a_policy_that_has_run_out_takes_leases_back_at_once(void **state)
{
	char text[256], when[CRB_TIME_TEXT];

	(void)state;
	crb_text_time(crb_wall_seconds() + 1000, when);
	(void)snprintf(text, sizeof(text),
	    "{\"tier\": \"team\", \"name\": \"t\", \"expires\": \"%s\", "
	    "\"rules\": [{\"id\": \"all\", \"effect\": \"allow\"}]}",
	    when);
	world.policy[CRB_POLICY_TEAM] = text;
	json_decref(world_call(&world, "policy.reload", NULL));
	lease_issue(&world, 3600, session);
	assert_true(world_hears_no(&world, CRB_MSG_LEASE_DROP));
	set_by = 1001;
	crb_policies_clock_set(world.core->policies);
	(void)world_hear(&world, CRB_MSG_LEASE_DROP);
	world_call_fails(&world, "session.issue", lease_issue_params(GRANT),
	    "policy_denied", "ran out at");
}

static void
a_session_that_has_expired_ends_at_once(void **state)
{
	const struct crb_session *found;

	(void)state;
	lease_issue(&world, 3600, session);
	found = crb_session_get(world.core, CRB_SLICE(session));
	set_by = crb_session_left(found) + 1;
	assert_true(world_hears_no(&world, CRB_MSG_SESSION_END));
	crb_policies_clock_set(world.core->policies);
	(void)world_hear(&world, CRB_MSG_SESSION_END);
	assert_int_equal(found->state, CRB_SESSION_EXPIRED);
}

static bool
is_watch(int fd)
{
	bool flags = false, clock = false;
	char path[64], line[128];

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	CRB_AUTO_FILE FILE *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		/* TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, in octal. */
		flags |= strcmp(line, "settime flags: 03\n") == 0;
		clock |= strcmp(line, "clockid: 0\n") == 0;
	}
	return flags && clock;
}

/* Nobody sets the clock for a test: but the kernel was asked to say so. */
static void
the_kernel_says_when_it_is_set(void **state)
{
	unsigned count = 0;

	(void)state;
	for (int fd = 0; fd < 256; fd++)
		count += is_watch(fd);
	assert_int_equal(count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_policy_that_has_run_out_takes_leases_back_at_once),
		TEST(a_session_that_has_expired_ends_at_once),
		TEST(the_kernel_says_when_it_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
