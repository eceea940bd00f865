#include <jansson.h>

#include "broker/gateway/lease_format.h"

#include "tests/unit/unit.h"

#define ID "AKIAQQQQQQQQQQQQQQQQ"

static struct crb_lease_keys keys;

static bool
split(const char *text)
{
	return crb_lease_keys_split(CRB_SLICE(text), &keys);
}

static void
keys_are_split_at_line_feeds(void **state)
{
	(void)state;
	assert_true(split(ID "\ns3cr/et+=\nTOKEN=="));
	assert_true(crb_slice_is(keys.id, ID));
	assert_true(crb_slice_is(keys.secret, "s3cr/et+="));
	assert_true(crb_slice_is(keys.token, "TOKEN=="));
	assert_true(split("a_1\nx"));
	assert_true(crb_slice_is(keys.id, "a_1"));
	assert_int_equal(keys.token.len, 0);
}

static void
anything_else_is_no_keys(void **state)
{
	static const char *const bad[] = { "", "\n", ID, ID "\n", "\nsecret",
		ID "\nsecret\n", ID "\nsecret\ntoken\n",
		ID "\nsecret\ntoken\nmore", ID "\nse cret", ID "\nsecret\r",
		ID "\r\nsecret", "AK IA\nsecret", "AKIA-\nsecret", "ab\nsecret",
		ID "\nsecr\tet", ID "\nsecret\nto ken", ID "\nsecr\xc3\xa4t",
		ID "\nsecret\n\ntoken", " " ID "\nsecret" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (split(bad[i]))
			fail_msg("%zu passes", i);
	}
	assert_false(
	    crb_lease_keys_split((struct crb_slice){ ID "\0\nx", 23 }, &keys));
	assert_false(
	    crb_lease_keys_split((struct crb_slice){ NULL, 0 }, &keys));
}

/* A part of `length` letters in the place of `at`. */
static bool
split_long(int at, int length)
{
	char text[3 * 8192];
	int lengths[3] = { 20, 40, 100 };

	lengths[at] = length;
	(void)snprintf(text, sizeof(text), "%0*d\n%0*d\n%0*d", lengths[0], 0,
	    lengths[1], 0, lengths[2], 0);
	return split(text);
}

static void
each_part_has_a_bound(void **state)
{
	static const int most[] = { 128, 256, 8192 };

	(void)state;
	for (int at = 0; at < 3; at++) {
		assert_true(split_long(at, most[at]));
		assert_false(split_long(at, most[at] + 1));
	}
	assert_true(split_long(0, 3));
	assert_false(split_long(0, 2));
}

/* 2026-11-21T18:00:00Z, and an hour on. */
static const struct crb_lease_terms terms = { 1795284000, 1795287600 };

static json_t *
written(enum crb_lease_format format, struct crb_buf *out)
{
	json_t *object;

	crb_buf_reset(out);
	crb_lease_write(format, &keys, &terms, out);
	object = json_loads(crb_buf_text(out), JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(object));
	return object;
}

static void
member_is(const json_t *object, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	assert_string_equal(text, value);
}

static void
each_client_gets_its_own_form(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(4096);
	json_t *object;

	(void)state;
	assert_true(split(ID "\nsecret\ntoken"));
	object = written(CRB_LEASE_CONTAINER, &out);
	assert_int_equal(json_object_size(object), 4);
	member_is(object, "AccessKeyId", ID);
	member_is(object, "SecretAccessKey", "secret");
	member_is(object, "Token", "token");
	member_is(object, "Expiration", "2026-11-21T19:00:00Z");
	json_decref(object);

	object = written(CRB_LEASE_IMDS, &out);
	assert_int_equal(json_object_size(object), 7);
	member_is(object, "Code", "Success");
	member_is(object, "Type", "AWS-HMAC");
	member_is(object, "LastUpdated", "2026-11-21T18:00:00Z");
	member_is(object, "Token", "token");
	member_is(object, "Expiration", "2026-11-21T19:00:00Z");
	json_decref(object);

	object = written(CRB_LEASE_PROCESS, &out);
	assert_int_equal(json_object_size(object), 5);
	/* A number: "1" is refused. */
	assert_int_equal(
	    json_integer_value(json_object_get(object, "Version")), 1);
	member_is(object, "SessionToken", "token");
	member_is(object, "AccessKeyId", ID);
	json_decref(object);
}

static void
what_json_must_escape_comes_back_as_it_was(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(4096);
	json_t *object;

	(void)state;
	assert_true(split(ID "\n\"\\a/\\\"\nto\"k\\"));
	object = written(CRB_LEASE_CONTAINER, &out);
	member_is(object, "SecretAccessKey", "\"\\a/\\\"");
	member_is(object, "Token", "to\"k\\");
	json_decref(object);
}

static void
keys_without_a_token_are_told_without(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(4096);
	json_t *object;

	(void)state;
	assert_true(split(ID "\nsecret"));
	object = written(CRB_LEASE_PROCESS, &out);
	assert_null(json_object_get(object, "SessionToken"));
	json_decref(object);
	object = written(CRB_LEASE_CONTAINER, &out);
	member_is(object, "Token", "");
	json_decref(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_split_at_line_feeds),
		cmocka_unit_test(anything_else_is_no_keys),
		cmocka_unit_test(each_part_has_a_bound),
		cmocka_unit_test(each_client_gets_its_own_form),
		cmocka_unit_test(what_json_must_escape_comes_back_as_it_was),
		cmocka_unit_test(keys_without_a_token_are_told_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
