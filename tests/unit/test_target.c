#include "broker/core/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/bus/messages.h"

static enum crb_status
check_path(const char *path, struct crb_err *err)
{
	return crb_target_check_path(CRB_SLICE(path), err);
}

static void
plain_paths_pass(void **state)
{
	static const char *const good[] = { "a", "a/", "acme/api.git/info/refs",
		"acme/.github", "...", "a/..b/c..", "~user/x", "a/@scope/b",
		"a%20b", "%C3%BC", "%E2%82%AC/x", "%F0%9F%98%80", "a:b",
		"a+b,c=d", "%40", "!$&'()*", "%5B1%5D" };
	struct crb_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (check_path(good[i], &err) != CRB_OK)
			fail_msg("%s: %s", good[i], err.msg);
	}
}

static const struct refusal {
	const char *text;
	const char *says;
} path_refusals[] = {
	{ "", "empty" },
	{ "/", "empty segment" },
	{ "/a", "empty segment" },
	{ "a//b", "empty segment at byte 3" },
	{ "a//", "empty segment" },
	{ ".", "\"..\"" },
	{ "..", "\"..\"" },
	{ "./a", "\"..\"" },
	{ "a/.", "\"..\"" },
	{ "a/..", "\"..\"" },
	{ "a/./b", "\"..\"" },
	{ "a/../b", "\"..\" segment at byte 3" },
	{ "a/../", "\"..\"" },
	{ "a%2Fb", "encoded" },
	{ "a%2fb", "encoded|hexadecimal" },
	{ "a%5Cb", "encoded" },
	{ "a%5cb", "encoded|hexadecimal" },
	{ "a%00b", "control" },
	{ "a%0Ab", "control" },
	{ "a%7F", "control" },
	{ "a/%2E%2E/b", "encoded" },
	{ "a/%2e%2e/b", "encoded|hexadecimal" },
	{ "a/.%2E/b", "encoded" },
	{ "%252e", "encoded" },
	{ "%25", "encoded" },
	{ "%252F", "encoded" },
	{ "a%3Bb", "encoded" },
	{ "a%3Fb", "encoded" },
	{ "a%23b", "encoded" },
	{ "%61cme", "must stand as itself" },
	{ "%7E", "must stand as itself" },
	{ "%41", "must stand as itself" },
	{ "a%", "hexadecimal" },
	{ "a%2", "hexadecimal" },
	{ "a%zz", "hexadecimal" },
	{ "a%u002f", "hexadecimal" },
	{ "a%c3%bc", "hexadecimal" },
	{ "%C0%AE", "UTF-8" },
	{ "%C0%AF", "UTF-8" },
	{ "%E0%80%AE", "UTF-8" },
	{ "%F0%80%80%AE", "UTF-8" },
	{ "%ED%A0%80", "UTF-8" },
	{ "%F4%90%80%80", "UTF-8" },
	{ "%F5%80%80%80", "UTF-8" },
	{ "%C3", "UTF-8" },
	{ "%C3x", "UTF-8" },
	{ "%C3%20", "UTF-8" },
	{ "%80", "UTF-8" },
	{ "%E2%82", "UTF-8" },
	{ "a;b", "\";\"" },
	{ "a;x=1/b", "\";\"" },
	{ "a\\b", "backslash" },
	{ "a#b", "fragment" },
	{ "a?b", "must be encoded" },
	{ "a b", "must be encoded" },
	{ "a\"b", "must be encoded" },
	{ "a<b", "must be encoded" },
	{ "a[b", "must be encoded" },
	{ "a\nb", "control" },
	{ "a\tb", "control" },
	{ "a\x7f", "control" },
	{ "\xc3\xbc", "ASCII" },
	{ "\xff", "ASCII" },
};

static const struct refusal query_refusals[] = {
	{ "a=%00", "control" },
	{ "a=%0D%0A", "control" },
	{ "a=%252f", "encoded" },
	{ "a=%", "hexadecimal" },
	{ "a=%2f", "hexadecimal" },
	{ "a;b", "\";\"" },
	{ "a#b", "fragment" },
	{ "a\\b", "backslash" },
	{ "a b", "must be encoded" },
	{ "a\r", "control" },
	{ "\xc3\xbc", "ASCII" },
	{ "%73ervice=x", "must stand as itself" },
	{ "service=git%2Dupload", "must stand as itself" },
};

/* "one|other": either will do. */
static bool
says(const char *msg, const char *what)
{
	char copy[64];

	(void)snprintf(copy, sizeof(copy), "%s", what);
	for (char *at = strtok(copy, "|"); at != NULL; at = strtok(NULL, "|")) {
		if (strstr(msg, at) != NULL)
			return true;
	}
	return false;
}

static void
paths_that_a_server_may_read_otherwise_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(path_refusals) / sizeof(*path_refusals);
	     i++) {
		const struct refusal *r = &path_refusals[i];
		struct crb_err err = { 0 };

		if (check_path(r->text, &err) != CRB_ERR_INVALID)
			fail_msg("accepted: %s", r->text);
		if (!says(err.msg, r->says))
			fail_msg("%s: %s", r->text, err.msg);
	}
}

static void
a_nul_is_refused(void **state)
{
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(
	    crb_target_check_path((struct crb_slice){ "a\0b", 3 }, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(
	    crb_target_check_query((struct crb_slice){ "a\0b", 3 }, &err),
	    CRB_ERR_INVALID);
}

static void
queries_are_as_strict(void **state)
{
	static const char *const good[] = { "", "a=b", "a=b&c=d", "a/b?c",
		"service=git-upload-pack", "a=%2F&b=%26", "%C3%BC" };
	struct crb_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (crb_target_check_query(CRB_SLICE(good[i]), &err) != CRB_OK)
			fail_msg("%s: %s", good[i], err.msg);
	}
	for (size_t i = 0; i < sizeof(query_refusals) / sizeof(*query_refusals);
	     i++) {
		const struct refusal *r = &query_refusals[i];

		if (crb_target_check_query(CRB_SLICE(r->text), &err) !=
		    CRB_ERR_INVALID)
			fail_msg("accepted: %s", r->text);
		if (!says(err.msg, r->says))
			fail_msg("%s: %s", r->text, err.msg);
	}
}

static void
length_is_bounded(void **state)
{
	char *text = malloc(CRB_TARGET_MAX + 1);
	struct crb_err err = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, 'a', CRB_TARGET_MAX + 1);
	assert_int_equal(crb_target_check_path(
			     (struct crb_slice){ text, CRB_TARGET_MAX }, &err),
	    CRB_OK);
	assert_int_equal(
	    crb_target_check_path(
		(struct crb_slice){ text, CRB_TARGET_MAX + 1 }, &err),
	    CRB_ERR_TOO_LARGE);
	assert_int_equal(
	    crb_target_check_query(
		(struct crb_slice){ text, CRB_TARGET_MAX + 1 }, &err),
	    CRB_ERR_TOO_LARGE);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_paths_pass),
		cmocka_unit_test(
		    paths_that_a_server_may_read_otherwise_are_refused),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(queries_are_as_strict),
		cmocka_unit_test(length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
