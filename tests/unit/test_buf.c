#include "base/buf.h"

#include "base/slab.h"
#include "tests/unit/unit.h"

static void
what_was_added_is_terminated_text(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);

	(void)state;
	assert_string_equal(crb_buf_text(&buf), "");
	crb_buf_str(&buf, "one");
	crb_buf_char(&buf, ' ');
	crb_buf_add(&buf, "two!", 3);
	crb_buf_printf(&buf, " %d", 3);
	assert_string_equal(crb_buf_text(&buf), "one two 3");
	assert_int_equal(buf.len, 9);
	assert_int_equal(buf.data[buf.len], '\0');
}

static void
up_to_the_maximum_fits_and_one_more_fails(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4);
	struct crb_err err;

	(void)state;
	crb_buf_str(&buf, "1234");
	assert_ok(crb_buf_check(&buf, "reply", &err));
	crb_buf_char(&buf, '5');
	assert_fails(crb_buf_check(&buf, "reply", &err), CRB_ERR_TOO_LARGE);
	assert_says("reply");
	assert_string_equal(crb_buf_text(&buf), "1234");
}

static void
after_a_failure_nothing_is_appended(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4);

	(void)state;
	crb_buf_str(&buf, "12");
	crb_buf_printf(&buf, "%s", "345");
	crb_buf_char(&buf, '3');
	assert_true(buf.failed);
	assert_string_equal(crb_buf_text(&buf), "12");
	assert_null(crb_buf_room(&buf, 0));
	assert_null(crb_buf_steal(&buf));
	crb_buf_reset(&buf);
	assert_false(buf.failed);
	crb_buf_char(&buf, '3');
	assert_string_equal(crb_buf_text(&buf), "3");
}

static void
a_length_that_would_wrap_around_fails(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);

	(void)state;
	crb_buf_str(&buf, "1");
	assert_null(crb_buf_room(&buf, SIZE_MAX));
	assert_true(buf.failed);
}

static void
formatted_text_of_any_length_is_whole(void **state)
{
	char want[400];

	(void)state;
	for (int len = 0; len < 300; len++) {
		CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(1000);

		(void)snprintf(want, sizeof(want), "ab%0*d|%s", len, 7, "c");
		crb_buf_str(&buf, "ab");
		crb_buf_printf(&buf, "%0*d|%s", len, 7, "c");
		assert_string_equal(crb_buf_text(&buf), want);
		assert_int_equal(buf.len, strlen(want));
	}
}

static void
a_number_is_written_in_digits(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);

	(void)state;
	crb_buf_number(&buf, 0);
	crb_buf_char(&buf, ' ');
	crb_buf_number(&buf, 1090);
	crb_buf_char(&buf, ' ');
	crb_buf_number(&buf, UINT64_MAX);
	assert_string_equal(crb_buf_text(&buf), "0 1090 18446744073709551615");
}

static void
room_is_filled_in_place(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(5000);
	char *room;

	(void)state;
	crb_buf_str(&buf, "a");
	assert_non_null(room = crb_buf_room(&buf, 4999));
	memset(room, 'b', 4999);
	crb_buf_grew(&buf, 4999);
	assert_int_equal(strlen(crb_buf_text(&buf)), 5000);
	assert_false(buf.failed);
}

static void
consuming_drops_the_front(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);

	(void)state;
	crb_buf_str(&buf, "headbody");
	crb_buf_consume(&buf, 4);
	assert_string_equal(crb_buf_text(&buf), "body");
	crb_buf_consume(&buf, 0);
	crb_buf_consume(&buf, 99);
	assert_int_equal(buf.len, 0);
	assert_string_equal(crb_buf_text(&buf), "");
}

static void
stealing_hands_the_text_over(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(100);
	char *text;

	(void)state;
	crb_buf_str(&buf, "mine");
	text = crb_buf_steal(&buf);
	assert_string_equal(text, "mine");
	free(text);
	assert_null(buf.data);
	text = crb_buf_steal(&buf);
	assert_string_equal(text, "");
	free(text);
}

static void
a_wiped_buffer_leaves_nothing_behind_when_consumed_or_reset(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT_WIPED(100);
	const char zero[16] = { 0 };

	(void)state;
	crb_buf_str(&buf, "hunter2hunter2");
	crb_buf_consume(&buf, 7);
	assert_string_equal(buf.data, "hunter2");
	assert_memory_equal(buf.data + 7, zero, 8);
	crb_buf_reset(&buf);
	assert_memory_equal(buf.data, zero, 15);
	assert_null(crb_buf_steal(&buf));
}

static void
a_wiped_buffer_draws_from_the_slab(void **state)
{
	struct crb_buf buf = CRB_BUF_INIT_WIPED(1000);
	size_t before = crb_slab_stats().spilled;

	(void)state;
	crb_buf_str(&buf, "x");
	assert_true(crb_slab_stats().spilled > before);
	for (int i = 0; i < 900; i++)
		crb_buf_char(&buf, 'x');
	assert_int_equal(buf.len, 901);
	crb_buf_clear(&buf);
	assert_int_equal(crb_slab_stats().spilled, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_terminated_text),
		cmocka_unit_test(up_to_the_maximum_fits_and_one_more_fails),
		cmocka_unit_test(after_a_failure_nothing_is_appended),
		cmocka_unit_test(a_length_that_would_wrap_around_fails),
		cmocka_unit_test(formatted_text_of_any_length_is_whole),
		cmocka_unit_test(a_number_is_written_in_digits),
		cmocka_unit_test(room_is_filled_in_place),
		cmocka_unit_test(consuming_drops_the_front),
		cmocka_unit_test(stealing_hands_the_text_over),
		cmocka_unit_test(
		    a_wiped_buffer_leaves_nothing_behind_when_consumed_or_reset),
		cmocka_unit_test(a_wiped_buffer_draws_from_the_slab),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
