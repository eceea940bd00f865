#include "base/err.h"

#include <errno.h>

#include "tests/unit/unit.h"

static void
set_fills_and_returns_the_status(void **state)
{
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    crb_err_set(&err, CRB_ERR_DENIED, "no %s", "way"), CRB_ERR_DENIED);
	assert_int_equal(err.status, CRB_ERR_DENIED);
	assert_string_equal(err.msg, "no way");
}

static void
a_message_may_be_made_of_its_own_text(void **state)
{
	struct crb_err err;

	(void)state;
	crb_err_set(&err, CRB_ERR_INVALID, "inner");
	crb_err_set(&err, CRB_ERR_CORRUPT, "%s, again", err.msg);
	assert_string_equal(err.msg, "inner, again");
}

static void
a_long_message_is_cut_not_overrun(void **state)
{
	struct crb_err err;
	char text[2 * CRB_ERR_MSG_MAX];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	crb_err_set(&err, CRB_ERR_INVALID, "%s", text);
	assert_int_equal(strlen(err.msg), CRB_ERR_MSG_MAX - 1);
	errno = ENOENT;
	crb_err_errno(&err, "%s", text);
	assert_int_equal(strlen(err.msg), CRB_ERR_MSG_MAX - 1);
}

static void
errno_is_said_in_words_behind(void **state)
{
	struct crb_err err;

	(void)state;
	errno = ENOENT;
	assert_int_equal(crb_err_errno(&err, "%s", "/x"), CRB_ERR_SYSTEM);
	assert_string_equal(err.msg, "/x: No such file or directory");
}

static void
context_goes_in_front_and_keeps_the_status(void **state)
{
	struct crb_err err;

	(void)state;
	crb_err_set(&err, CRB_ERR_LOCKED, "locked");
	assert_int_equal(crb_err_context(&err, "vault"), CRB_ERR_LOCKED);
	assert_string_equal(err.msg, "vault: locked");
}

static void
every_status_has_a_code_that_leads_back_to_it(void **state)
{
	const struct crb_status_info *info;

	(void)state;
	for (unsigned i = 0; i < CRB_STATUS_COUNT; i++) {
		info = crb_status_info((enum crb_status)i);
		assert_non_null(info->code);
		assert_non_null(info->title);
		assert_in_range(info->http, 200, 599);
		assert_in_range(info->exit, i == CRB_OK ? 0 : 1, 5);
		assert_int_equal(crb_status_from_code(info->code), i);
	}
}

static void
exit_statuses_are_those_of_the_manual(void **state)
{
	(void)state;
	assert_int_equal(crb_status_info(CRB_OK)->exit, 0);
	assert_int_equal(crb_status_info(CRB_ERR_DENIED)->exit, 1);
	assert_int_equal(crb_status_info(CRB_ERR_USAGE)->exit, 2);
	assert_int_equal(crb_status_info(CRB_ERR_INVALID)->exit, 2);
	assert_int_equal(crb_status_info(CRB_ERR_LOCKED)->exit, 3);
	assert_int_equal(crb_status_info(CRB_ERR_UNREACHABLE)->exit, 3);
	assert_int_equal(crb_status_info(CRB_ERR_UPSTREAM)->exit, 4);
	assert_int_equal(crb_status_info(CRB_ERR_TIMEOUT)->exit, 4);
	assert_int_equal(crb_status_info(CRB_ERR_SYSTEM)->exit, 5);
}

static void
what_is_not_known_is_an_internal_error(void **state)
{
	(void)state;
	assert_string_equal(
	    crb_status_info((enum crb_status)4711)->code, "internal_error");
	assert_int_equal(crb_status_from_code("nonsense"), CRB_ERR_SYSTEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_and_returns_the_status),
		cmocka_unit_test(a_message_may_be_made_of_its_own_text),
		cmocka_unit_test(a_long_message_is_cut_not_overrun),
		cmocka_unit_test(errno_is_said_in_words_behind),
		cmocka_unit_test(context_goes_in_front_and_keeps_the_status),
		cmocka_unit_test(every_status_has_a_code_that_leads_back_to_it),
		cmocka_unit_test(exit_statuses_are_those_of_the_manual),
		cmocka_unit_test(what_is_not_known_is_an_internal_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
