#include "policy/during.h"

#include "policy.h"

/* Monday 1970-01-05 00:00 UTC. */
#define MONDAY ((int64_t)4 * 86400)
#define HOUR ((int64_t)3600)

static void
make(struct crb_during *out, struct crb_during_part *part, const char *days,
    const char *hours, const char *zone)
{
	unsigned bits = 0;
	struct crb_hours range[1];
	struct crb_err err = { 0 };

	assert_ok(crb_days_parse(days, &bits, &err));
	assert_ok(crb_hours_parse(hours, range, &err));
	*out = (struct crb_during){ zone,
		crb_during_parts(bits, range, 1, part), part };
}

static enum crb_during_share
share(const struct crb_during *during, int64_t from, int64_t seconds)
{
	return crb_during_share(during, &zones, from, seconds);
}

static void
days_are_of_the_week(void **state)
{
	unsigned days = 0;
	struct crb_err err = { 0 };

	(void)state;
	assert_ok(crb_days_parse("mon-fri", &days, &err));
	assert_int_equal(days, 0x1f);
	days = 0;
	assert_ok(crb_days_parse("sat-mon", &days, &err));
	assert_int_equal(days, 0x61);
	assert_ok(crb_days_parse("wed", &days, &err));
	assert_int_equal(days, 0x65);
	assert_fails(crb_days_parse("Mon", &days, &err), CRB_ERR_INVALID);
	assert_fails(crb_days_parse("mon-", &days, &err), CRB_ERR_INVALID);
	assert_fails(crb_days_parse("mon+fri", &days, &err), CRB_ERR_INVALID);
	assert_fails(crb_days_parse("", &days, &err), CRB_ERR_INVALID);
}

static void
hours_begin_and_end(void **state)
{
	struct crb_during_part part[CRB_DURING_PARTS];
	struct crb_during office;

	(void)state;
	make(&office, part, "mon-fri", "09:00-17:30", "UTC");
	assert_int_equal(office.count, 5);
	assert_int_equal(share(&office, MONDAY + 9 * HOUR, 0), CRB_DURING_ALL);
	assert_int_equal(
	    share(&office, MONDAY + 9 * HOUR - 1, 0), CRB_DURING_NONE);
	assert_int_equal(
	    share(&office, MONDAY + 17 * HOUR + 1799, 0), CRB_DURING_ALL);
	assert_int_equal(
	    share(&office, MONDAY + 17 * HOUR + 1800, 0), CRB_DURING_NONE);
	assert_int_equal(share(&office, MONDAY - 2 * 24 * HOUR + 12 * HOUR, 0),
	    CRB_DURING_NONE);
	/* A length of time. */
	assert_int_equal(
	    share(&office, MONDAY + 9 * HOUR, 8 * HOUR + 1800), CRB_DURING_ALL);
	assert_int_equal(share(&office, MONDAY + 9 * HOUR, 8 * HOUR + 1801),
	    CRB_DURING_SOME);
	assert_int_equal(share(&office, MONDAY, 9 * HOUR), CRB_DURING_NONE);
	assert_int_equal(
	    share(&office, MONDAY, 400 * 24 * HOUR), CRB_DURING_SOME);
}

static void
midnight_and_the_weeks_end_are_passed(void **state)
{
	struct crb_during_part part[CRB_DURING_PARTS];
	struct crb_during night, always;

	(void)state;
	make(&night, part, "sun", "22:00-06:00", "UTC");
	assert_int_equal(night.count, 2);
	assert_int_equal(share(&night, MONDAY + 5 * HOUR, 0), CRB_DURING_ALL);
	assert_int_equal(share(&night, MONDAY + 6 * HOUR, 0), CRB_DURING_NONE);
	assert_int_equal(
	    share(&night, MONDAY - 2 * HOUR, 8 * HOUR), CRB_DURING_ALL);
	assert_int_equal(
	    share(&night, MONDAY - 2 * HOUR, 8 * HOUR + 1), CRB_DURING_SOME);
	make(&always, part, "mon-sun", "00:00-24:00", "UTC");
	assert_int_equal(always.count, 1);
	assert_int_equal(
	    share(&always, MONDAY, 400 * 24 * HOUR), CRB_DURING_ALL);
	make(&always, part, "mon-sun", "12:00-11:59", "UTC");
	assert_int_equal(
	    share(&always, MONDAY, 400 * 24 * HOUR), CRB_DURING_SOME);
}

static void
a_clock_may_change(void **state)
{
	struct crb_during_part part[CRB_DURING_PARTS];
	struct crb_during hour;
	/* Time 1000000 is a Monday, 13:46:40 UTC: 14:46:40, then 15:46:40. */
	int64_t change = 1000000;

	(void)state;
	make(&hour, part, "mon", "14:00-15:00", "Test/Summer");
	assert_int_equal(share(&hour, change - 1, 0), CRB_DURING_ALL);
	assert_int_equal(share(&hour, change, 0), CRB_DURING_NONE);
	assert_int_equal(share(&hour, change - 10, 10), CRB_DURING_ALL);
	assert_int_equal(share(&hour, change - 10, 11), CRB_DURING_SOME);
	make(&hour, part, "mon", "15:00-16:00", "Test/Summer");
	assert_int_equal(share(&hour, change - 1, 0), CRB_DURING_NONE);
	assert_int_equal(share(&hour, change, 0), CRB_DURING_ALL);
}

static void
what_nobody_knows_is_neither(void **state)
{
	struct crb_during_part part[CRB_DURING_PARTS];
	struct crb_during office;

	(void)state;
	make(&office, part, "mon-sun", "00:00-24:00", "Mars/Base");
	assert_int_equal(share(&office, MONDAY, 0), CRB_DURING_SOME);
	office.zone = "UTC";
	assert_int_equal(share(&office, MONDAY, 0), CRB_DURING_ALL);
	assert_int_equal(
	    crb_during_share(&office, NULL, MONDAY, 0), CRB_DURING_SOME);
	assert_int_equal(share(&office, -1, 0), CRB_DURING_SOME);
	assert_int_equal(share(&office, INT64_MAX, 0), CRB_DURING_SOME);
	assert_int_equal(share(&office, 0, INT64_MAX), CRB_DURING_SOME);
	office.count = 0;
	assert_int_equal(share(&office, MONDAY, 0), CRB_DURING_NONE);
}

static void
hours_lie_inside_hours(void **state)
{
	struct crb_during_part wide_part[CRB_DURING_PARTS];
	struct crb_during_part part[CRB_DURING_PARTS];
	struct crb_during wide, narrow;

	(void)state;
	make(&wide, wide_part, "mon-fri", "08:00-18:00", "UTC");
	make(&narrow, part, "tue-wed", "09:00-18:00", "UTC");
	assert_true(crb_during_contains(&wide, &narrow));
	assert_false(crb_during_contains(&narrow, &wide));
	make(&narrow, part, "tue-sat", "09:00-10:00", "UTC");
	assert_false(crb_during_contains(&wide, &narrow));
	make(&narrow, part, "tue", "09:00-10:00", "Test/East");
	assert_false(crb_during_contains(&wide, &narrow));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_are_of_the_week),
		cmocka_unit_test(hours_begin_and_end),
		cmocka_unit_test(midnight_and_the_weeks_end_are_passed),
		cmocka_unit_test(a_clock_may_change),
		cmocka_unit_test(what_nobody_knows_is_neither),
		cmocka_unit_test(hours_lie_inside_hours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
