#include "base/units.h"

#include "tests/unit/unit.h"

static void
durations_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = { { "0s", 0 }, { "90s", 90 }, { "30m", 1800 },
		{ "8h", 28800 }, { "7d", 604800 }, { "1h30m", 5400 },
		{ "1d2h3m4s", 93784 }, { "3650d", 315360000 },
		{ "315360000s", 315360000 } };
	struct crb_err err;
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ok(crb_duration_parse(cases[i].text, &seconds, &err));
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void
what_is_no_duration_is_refused(void **state)
{
	static const char *const cases[] = { "", "0", "90", "h", "1x", "-1s",
		"+1s", " 1s", "1s ", "1 s", "1.5h", "30m1h", "1h1h", "1m1m",
		"1h30", "1H", "3651d", "3650d1s", "315360001s",
		"99999999999999999999s", "18446744073709551617s", "1s1s",
		"\xc2\xb2s" };
	struct crb_err err;
	int64_t seconds = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_fails(crb_duration_parse(cases[i], &seconds, &err),
		    CRB_ERR_INVALID);
	assert_int_equal(seconds, 42);
}

static void
durations_are_shown_in_two_units(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = { { -5, "0s" }, { 0, "0s" }, { 59, "59s" }, { 60, "1m" },
		{ 61, "1m1s" }, { 22320, "6h12m" }, { 22379, "6h12m" },
		{ 86400, "1d" }, { 86401, "1d" }, { 90000, "1d1h" },
		{ INT64_MAX, "106751991167300d15h" } };
	char text[CRB_DURATION_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		crb_duration_text(cases[i].seconds, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
sizes_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = { { "0", 0 }, { "4096", 4096 }, { "64KiB", 65536 },
		{ "10MiB", 10485760 }, { "2GiB", UINT64_C(2147483648) },
		{ "18446744073709551615", UINT64_MAX },
		{ "18014398509481983KiB", UINT64_MAX - 1023 } };
	struct crb_err err;
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ok(crb_size_parse(cases[i].text, &bytes, &err));
		assert_true(bytes == cases[i].bytes);
	}
}

static void
what_is_no_size_is_refused(void **state)
{
	static const char *const cases[] = { "", "KiB", "1KB", "1k", "1 KiB",
		"1kib", "-1", "1.5MiB", "0x10", "18446744073709551616",
		"18014398509481984KiB", "1KiBKiB" };
	struct crb_err err;
	uint64_t bytes = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_fails(
		    crb_size_parse(cases[i], &bytes, &err), CRB_ERR_INVALID);
	assert_true(bytes == 42);
}

static void
sizes_are_shown_with_one_decimal(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = { { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" }, { 1048575, "1.0 MiB" },
		{ UINT64_C(1503238553), "1.4 GiB" },
		{ UINT64_MAX, "16.0 EiB" } };
	char text[CRB_SIZE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		crb_size_text(cases[i].bytes, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
numbers_stop_at_their_maximum(void **state)
{
	struct crb_err err;
	uint64_t number = 0;

	(void)state;
	assert_ok(crb_number_parse("65535", 5, 65535, &number, &err));
	assert_true(number == 65535);
	assert_fails(crb_number_parse("65536", 5, 65535, &number, &err),
	    CRB_ERR_INVALID);
	assert_ok(crb_number_parse(
	    "18446744073709551615", 20, UINT64_MAX, &number, &err));
	assert_true(number == UINT64_MAX);
	assert_fails(crb_number_parse(
			 "18446744073709551616", 20, UINT64_MAX, &number, &err),
	    CRB_ERR_INVALID);
	assert_ok(crb_number_parse("0", 1, 0, &number, &err));
	assert_fails(
	    crb_number_parse("5", 1, 3, &number, &err), CRB_ERR_INVALID);
	assert_true(number == 0);
}

static void
a_number_is_digits_only_and_as_long_as_it_is_said_to_be(void **state)
{
	static const char *const cases[] = { "", "-1", "+1", " 1", "1 ", "1a",
		"0x1", "1e3", "1.0" };
	struct crb_err err;
	uint64_t number;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_fails(crb_number_parse(cases[i], strlen(cases[i]),
				 UINT64_MAX, &number, &err),
		    CRB_ERR_INVALID);
	assert_ok(crb_number_parse("123", 2, 99, &number, &err));
	assert_true(number == 12);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(durations_are_shown_in_two_units),
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(sizes_are_shown_with_one_decimal),
		cmocka_unit_test(numbers_stop_at_their_maximum),
		cmocka_unit_test(
		    a_number_is_digits_only_and_as_long_as_it_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
