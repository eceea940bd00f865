#include "broker/core/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define EACH_US 20000 /* fifty a second */
#define BURST 10

static unsigned
take_all(struct crb_rate *rate, int64_t now)
{
	unsigned count = 0;

	while (count < 1000 && crb_rate_take(rate, now, EACH_US, BURST))
		count++;
	return count;
}

static void
a_burst_and_no_more(void **state)
{
	struct crb_rate rate = { 0 };

	(void)state;
	assert_int_equal(take_all(&rate, 5000), BURST);
	assert_int_equal(take_all(&rate, 5000), 0);
}

static void
it_comes_back_one_by_one(void **state)
{
	struct crb_rate rate = { 0 };

	(void)state;
	assert_int_equal(take_all(&rate, 5000), BURST);
	assert_int_equal(take_all(&rate, 5019), 0);
	assert_int_equal(take_all(&rate, 5020), 1);
	assert_int_equal(take_all(&rate, 5030), 0);
	assert_int_equal(take_all(&rate, 5040), 1);
}

static void
a_long_rest_gives_a_burst_and_no_more(void **state)
{
	struct crb_rate rate = { 0 };

	(void)state;
	assert_int_equal(take_all(&rate, 5000), BURST);
	assert_int_equal(take_all(&rate, 5000000), BURST);
}

static void
it_says_how_long_to_wait(void **state)
{
	struct crb_rate rate = { 0 };

	(void)state;
	assert_int_equal(crb_rate_wait(&rate, 5000, EACH_US, BURST), 0);
	assert_int_equal(take_all(&rate, 5000), BURST);
	assert_int_equal(crb_rate_wait(&rate, 5000, EACH_US, BURST), 20);
	assert_int_equal(crb_rate_wait(&rate, 5019, EACH_US, BURST), 1);
	assert_int_equal(crb_rate_wait(&rate, 5020, EACH_US, BURST), 0);
	assert_int_equal(take_all(&rate, 5020), 1);
}

/* With bursts of one length in time, as those of a minute are. */
static void
another_bound_keeps_what_was_spent(void **state)
{
	struct crb_rate rate = { 0 };

	(void)state;
	assert_int_equal(take_all(&rate, 5000), BURST);
	assert_false(crb_rate_take(&rate, 5000, EACH_US * BURST, 1));
	assert_int_equal(crb_rate_wait(&rate, 5000, EACH_US * BURST, 1), 200);
	assert_true(crb_rate_take(&rate, 5200, EACH_US * BURST, 1));
}

static void
what_was_spent_in_any_case_is_waited_for(void **state)
{
	struct crb_rate rate = { 0 };

	(void)state;
	crb_rate_spend(&rate, 5000, EACH_US, BURST + 3);
	assert_false(crb_rate_take(&rate, 5000, EACH_US, BURST));
	assert_int_equal(crb_rate_wait(&rate, 5000, EACH_US, BURST), 80);
	assert_int_equal(take_all(&rate, 5080), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_no_more),
		cmocka_unit_test(it_comes_back_one_by_one),
		cmocka_unit_test(a_long_rest_gives_a_burst_and_no_more),
		cmocka_unit_test(it_says_how_long_to_wait),
		cmocka_unit_test(another_bound_keeps_what_was_spent),
		cmocka_unit_test(what_was_spent_in_any_case_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
