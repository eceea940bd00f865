#include "broker/core/refusal.h"

#include "unit.h"

#define NOW 1000000
#define BURST 20

static struct crb_refusals refusals;
static uint64_t left_out;

static int
start(void **state)
{
	(void)state;
	refusals = (struct crb_refusals){ 0 };
	return 0;
}

/* How many of `count` are recorded. */
static unsigned
recorded(uid_t uid, unsigned count, int64_t now)
{
	unsigned due = 0;

	while (count-- > 0)
		due += crb_refusal_due(&refusals, uid, now, &left_out);
	return due;
}

static void
test_a_user_has_a_burst_and_then_one_in_a_while(void **state)
{
	(void)state;
	assert_int_equal(recorded(7, 100, NOW), BURST);
	assert_int_equal(recorded(7, 100, NOW + 10000), 1);
	assert_int_equal(left_out, 80);
}

static void
test_one_users_refusals_are_not_anothers(void **state)
{
	(void)state;
	assert_int_equal(recorded(7, 100, NOW), BURST);
	assert_int_equal(recorded(8, 1, NOW), 1);
	assert_int_equal(left_out, 0);
}

/* A user namespace has uids enough to fill a disk with, else. */
static void
test_many_uids_have_no_more_than_the_places(void **state)
{
	unsigned due = 0;

	(void)state;
	for (int round = 0; round < 3; round++)
		for (uid_t uid = 100000; uid < 101000; uid++)
			due += recorded(uid, 2 * BURST, NOW);
	assert_int_equal(due, CRB_REFUSAL_USERS * BURST);
	assert_int_equal(recorded(5, 1, NOW + 10000), 1);
	assert_true(left_out > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_a_user_has_a_burst_and_then_one_in_a_while, start),
		cmocka_unit_test_setup(
		    test_one_users_refusals_are_not_anothers, start),
		cmocka_unit_test_setup(
		    test_many_uids_have_no_more_than_the_places, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
