#include "base/text.h"

#include <ctype.h>

#include "tests/unit/unit.h"

static void
slices_compare_by_content(void **state)
{
	struct crb_slice host = { "Host: x", 4 };
	struct crb_slice none = { NULL, 0 };

	(void)state;
	assert_true(crb_slice_is(host, "Host"));
	assert_false(crb_slice_is(host, "Host:"));
	assert_false(crb_slice_is(host, "host"));
	assert_true(crb_slice_is_nocase(host, "hOST"));
	assert_false(crb_slice_is_nocase(host, "hos"));
	assert_true(crb_slice_starts(host, "Ho"));
	assert_false(crb_slice_starts(host, "Host:"));
	assert_true(crb_slice_ends(host, "st"));
	assert_false(crb_slice_ends(host, "xHost"));
	assert_true(crb_slice_starts_nocase(host, "hO"));
	assert_true(crb_slice_starts_nocase(host, "hOST"));
	assert_false(crb_slice_starts_nocase(host, "hOST:"));
	assert_false(crb_slice_starts_nocase(host, "os"));
	assert_true(crb_slice_starts_nocase(none, ""));
	assert_true(crb_slice_is(none, ""));
	assert_true(crb_slice_is_nocase(none, ""));
	assert_true(crb_slice_starts(none, ""));
	assert_true(crb_slice_ends(none, ""));
	assert_false(crb_slice_starts(none, "a"));
}

static void
a_copy_is_terminated(void **state)
{
	char *copy = crb_slice_dup((struct crb_slice){ "abc", 2 });

	(void)state;
	assert_string_equal(copy, "ab");
	free(copy);
	copy = crb_slice_dup((struct crb_slice){ NULL, 0 });
	assert_string_equal(copy, "");
	free(copy);
}

static void
a_copy_has_room_or_is_not_made(void **state)
{
	char out[3] = "--";

	(void)state;
	assert_false(crb_slice_copy(CRB_SLICE("abc"), out, sizeof(out)));
	assert_string_equal(out, "--");
	assert_true(crb_slice_copy((struct crb_slice){ "abc", 2 }, out, 3));
	assert_string_equal(out, "ab");
	assert_true(crb_slice_copy((struct crb_slice){ NULL, 0 }, out, 1));
	assert_string_equal(out, "");
	assert_false(crb_slice_copy((struct crb_slice){ NULL, 0 }, out, 0));
}

static void
blanks_are_trimmed_from_both_sides_alone(void **state)
{
	static const struct {
		struct crb_slice text;
		const char *wanted;
	} rows[] = {
		{ { " \ta b\t ", 7 }, "a b" },
		{ { "a\r", 2 }, "a\r" },
		{ { " \t ", 3 }, "" },
		{ { NULL, 0 }, "" },
		/* strchr() finds it in every text. */
		{ { " \0", 2 }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crb_slice got = crb_slice_trim(rows[i].text, " \t");

		if (rows[i].wanted == NULL)
			assert_int_equal(got.len, 1);
		else
			assert_true(crb_slice_is(got, rows[i].wanted));
	}
	assert_true(
	    crb_slice_is(crb_slice_trim(CRB_SLICE("a\r"), " \t\r"), "a"));
}

static void
a_slice_consists_of_what_is_listed(void **state)
{
	struct crb_slice none = { NULL, 0 };

	(void)state;
	assert_true(crb_slice_consists(
	    CRB_SLICE("us-east-1"), CRB_LOWER CRB_DIGITS "-"));
	assert_false(crb_slice_consists(
	    CRB_SLICE("us-East-1"), CRB_LOWER CRB_DIGITS "-"));
	assert_false(crb_slice_consists((struct crb_slice){ "a\0", 2 }, "a"));
	assert_true(crb_slice_consists(none, ""));
}

static void
capitals_of_ascii_become_small(void **state)
{
	(void)state;
	assert_int_equal(crb_text_lower('A'), 'a');
	assert_int_equal(crb_text_lower('Z'), 'z');
	assert_int_equal(crb_text_lower('@'), '@');
	assert_int_equal(crb_text_lower('['), '[');
	assert_int_equal(crb_text_lower('\xc4'), '\xc4');
}

static void
cutting_gives_every_piece_also_the_empty_ones(void **state)
{
	static const char *const wanted[] = { "a", "", "b", "" };
	struct crb_slice rest = CRB_SLICE("a,,b,"), piece;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(crb_slice_cut(&rest, ',', &piece));
		assert_true(crb_slice_is(piece, wanted[i]));
	}
	assert_false(crb_slice_cut(&rest, ',', &piece));

	rest = CRB_SLICE("");
	assert_true(crb_slice_cut(&rest, ',', &piece));
	assert_int_equal(piece.len, 0);
	assert_false(crb_slice_cut(&rest, ',', &piece));
}

static void
names_are_strict(void **state)
{
	static const char *const good[] = { "a", "0", "github", "a.b_c-d" };
	static const char *const bad[] = { "", ".", "..", "-a", "a-", "_a",
		"a.", "A", "a b", "a/b", "a\n", "\xc3\xa4", "a\\b" };
	char task[130];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(crb_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(crb_name_ok(bad[i]));

	memset(task, 'a', sizeof(task));
	task[65] = '\0';
	assert_false(crb_name_ok(task));
	task[64] = '\0';
	assert_true(crb_name_ok(task));

	assert_true(crb_task_ok("Fix-123"));
	assert_false(crb_task_ok("-Fix"));
	memset(task, 'A', sizeof(task));
	task[129] = '\0';
	assert_false(crb_task_ok(task));
	task[128] = '\0';
	assert_true(crb_task_ok(task));
}

static void
escaped_text_is_printable(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(200);

	(void)state;
	crb_text_escape(&out, "a\\b\x1b[0m\n\x7f\xc3\xa4\0z", 13, 100);
	assert_string_equal(
	    crb_buf_text(&out), "a\\\\b\\x1b[0m\\x0a\\x7f\\xc3\\xa4\\x00z");
}

static void
escaped_text_is_cut(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(200);

	(void)state;
	crb_text_escape(&out, "123456", 6, 6);
	assert_string_equal(crb_buf_text(&out), "123456");
	crb_buf_reset(&out);
	crb_text_escape(&out, "1234567", 7, 6);
	assert_string_equal(crb_buf_text(&out), "123456...");
}

static void
base64_is_that_of_the_rfc(void **state)
{
	static const char *const cases[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foobar", "Zm9vYmFy" },
		{ "user:p\xff?>", "dXNlcjpw/z8+" } };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(20);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		crb_buf_reset(&out);
		crb_text_base64(&out, cases[i][0], strlen(cases[i][0]));
		assert_string_equal(crb_buf_text(&out), cases[i][1]);
	}
	crb_buf_reset(&out);
	crb_text_base64(&out, "0123456789012345", 16);
	assert_true(out.failed);
	crb_buf_reset(&out);
	crb_text_base64(&out, "", SIZE_MAX);
	assert_true(out.failed);
}

static void
hex_is_lower_case(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8);

	(void)state;
	crb_text_hex(&out, "\x00\xaf\x10", 3);
	assert_string_equal(crb_buf_text(&out), "00af10");
	crb_text_hex(&out, "12", 2);
	assert_true(out.failed);
	crb_buf_reset(&out);
	crb_text_hex(&out, "12345", 5);
	assert_true(out.failed);
}

static void
all_but_unreserved_characters_are_percent_encoded(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(100);

	(void)state;
	crb_text_percent_encode(&out, "aZ09-._~ /+&=%\xff", 15);
	assert_string_equal(
	    crb_buf_text(&out), "aZ09-._~%20%2F%2B%26%3D%25%FF");
}

static void
random_text_is_base62_and_uses_all_of_it(void **state)
{
	char text[5001], other[5001];
	bool seen[256] = { false };
	unsigned count = 0;

	(void)state;
	crb_text_random(text, 5000);
	crb_text_random(other, 5000);
	assert_string_not_equal(text, other);
	assert_int_equal(strlen(text), 5000);
	for (size_t i = 0; i < 5000; i++) {
		assert_true(isalnum((unsigned char)text[i]));
		seen[(unsigned char)text[i]] = true;
	}
	for (size_t i = 0; i < 256; i++)
		count += seen[i];
	assert_int_equal(count, 62);
	crb_text_random(text, 0);
	assert_string_equal(text, "");
}

static void
the_nearest_word_is_within_two_edits(void **state)
{
	static const char *const words[] = { "task", "ttl", "profile",
		"bind-pid" };
	static const char *const two[] = { "cd" };
	static const char *const named[] = { "ref", "repository", "resources" };
	char word[200];

	(void)state;
	assert_string_equal(crb_text_nearest("taks", words, 4), "task");
	assert_string_equal(crb_text_nearest("profil", words, 4), "profile");
	assert_string_equal(crb_text_nearest("bindpid", words, 4), "bind-pid");
	assert_string_equal(crb_text_nearest("ttl", words, 4), "ttl");
	assert_string_equal(crb_text_nearest("repo", named, 3), "repository");
	assert_string_equal(crb_text_nearest("rest", named, 3), "ref");
	assert_string_equal(crb_text_nearest("res", named, 3), "ref");
	assert_null(crb_text_nearest("password", words, 4));
	assert_null(crb_text_nearest("x", words, 4));
	assert_null(crb_text_nearest("", words, 4));
	assert_null(crb_text_nearest("ab", two, 1));
	assert_null(crb_text_nearest("tl", NULL, 0));
	memset(word, 't', sizeof(word));
	word[199] = '\0';
	assert_null(crb_text_nearest(word, words, 4));
}

static void
time_is_utc_and_always_fits(void **state)
{
	char text[CRB_TIME_TEXT];

	(void)state;
	crb_text_time(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	crb_text_time(1795253400, text);
	assert_string_equal(text, "2026-11-21T09:30:00Z");
	crb_text_time(951827696, text);
	assert_string_equal(text, "2000-02-29T12:34:56Z");
	crb_text_time(-1, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	crb_text_time(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
	crb_text_time(253402300800, text);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_compare_by_content),
		cmocka_unit_test(a_copy_is_terminated),
		cmocka_unit_test(a_copy_has_room_or_is_not_made),
		cmocka_unit_test(blanks_are_trimmed_from_both_sides_alone),
		cmocka_unit_test(a_slice_consists_of_what_is_listed),
		cmocka_unit_test(capitals_of_ascii_become_small),
		cmocka_unit_test(cutting_gives_every_piece_also_the_empty_ones),
		cmocka_unit_test(names_are_strict),
		cmocka_unit_test(escaped_text_is_printable),
		cmocka_unit_test(escaped_text_is_cut),
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(hex_is_lower_case),
		cmocka_unit_test(
		    all_but_unreserved_characters_are_percent_encoded),
		cmocka_unit_test(random_text_is_base62_and_uses_all_of_it),
		cmocka_unit_test(the_nearest_word_is_within_two_edits),
		cmocka_unit_test(time_is_utc_and_always_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
