#include "broker/gateway/imds.h"

#include <jansson.h>

#include "tests/unit/unit.h"

#define MS 1000
#define START ((int64_t)5000)

static struct crb_imds imds;

static bool
describe(const char *name, const char *region, const char *account)
{
	struct crb_msg_session_imds msg = {
		.session = CRB_SLICE("abcd1234"),
		.name = CRB_SLICE(name),
		.region = CRB_SLICE(region),
		.account = CRB_SLICE(account),
	};

	return crb_imds_describe(&imds, &msg);
}

static int
fresh(void **state)
{
	(void)state;
	crb_imds_clear(&imds);
	return describe("dev", "eu-west-1", "123456789012") ? 0 : -1;
}

static int
clear(void **state)
{
	(void)state;
	crb_imds_clear(&imds);
	return 0;
}

/* --- What is at which path --- */

static struct crb_buf found = CRB_BUF_INIT(4096);

static void
is_text(const char *path, const char *text)
{
	enum crb_imds_kind kind;

	crb_buf_reset(&found);
	kind = crb_imds_find(&imds, path, 1795284000, &found);
	if (kind != CRB_IMDS_TEXT || strcmp(crb_buf_text(&found), text) != 0)
		fail_msg("%s: %d \"%s\"", path, kind, crb_buf_text(&found));
}

static json_t *
document(const char *path)
{
	json_t *object;

	crb_buf_reset(&found);
	assert_int_equal(
	    crb_imds_find(&imds, path, 1795284000, &found), CRB_IMDS_JSON);
	object = json_loads(crb_buf_text(&found), 0, NULL);
	assert_true(json_is_object(object));
	return object;
}

static void
is_nothing(const char *path)
{
	crb_buf_reset(&found);
	if (crb_imds_find(&imds, path, 0, &found) != CRB_IMDS_NOTHING ||
	    found.len > 0)
		fail_msg("%s: \"%s\"", path, crb_buf_text(&found));
}

#define ROLES "/latest/meta-data/iam/security-credentials"

/* A newline, or a second name, would become a part of the next path. */
static void
the_role_is_named_bare_with_or_without_a_slash(void **state)
{
	(void)state;
	is_text(ROLES, "dev");
	is_text(ROLES "/", "dev");
}

static void
only_the_role_has_keys(void **state)
{
	(void)state;
	assert_int_equal(
	    crb_imds_find(&imds, ROLES "/dev", 0, &found), CRB_IMDS_KEYS);
	is_nothing(ROLES "/prod");
	is_nothing(ROLES "/de");
	is_nothing(ROLES "/dev/");
	is_nothing(ROLES "/devx");
	is_nothing(ROLES "//dev");
	is_nothing(ROLES "/dev?x");
	is_nothing(ROLES "/%64ev");
	is_nothing("/latest/meta-data/iam/../iam/security-credentials/dev");
}

static void
the_place_is_told_where_it_is_known(void **state)
{
	(void)state;
	is_text("/latest/meta-data/placement/region", "eu-west-1");
	is_text("/latest/meta-data/placement/availability-zone", "eu-west-1a");
	is_text("/latest/meta-data/placement/availability-zone/", "eu-west-1a");
	is_text("/latest/meta-data/placement/", "availability-zone\nregion");
	assert_true(describe("dev", "", ""));
	is_nothing("/latest/meta-data/placement/region");
	is_nothing("/latest/meta-data/placement/availability-zone/");
	is_nothing("/latest/meta-data/placement/");
	is_nothing("/latest/dynamic/instance-identity/document");
	is_nothing("/latest/dynamic/");
	is_text("/latest/", "meta-data/");
	is_text("/latest/meta-data/", "iam/\ninstance-id");
}

static void
lists_name_what_is_there(void **state)
{
	(void)state;
	is_text("/latest", "dynamic/\nmeta-data/");
	is_text("/latest/", "dynamic/\nmeta-data/");
	is_text("/latest/meta-data", "iam/\ninstance-id\nplacement/");
	is_text("/latest/meta-data/", "iam/\ninstance-id\nplacement/");
	is_text("/latest/meta-data/iam/", "info\nsecurity-credentials/");
	is_text("/latest/dynamic/", "instance-identity/");
	is_text("/latest/dynamic/instance-identity/", "document");
}

static void
documents_are_objects_that_clients_read(void **state)
{
	json_t *object;

	(void)state;
	object = document("/latest/meta-data/iam/info");
	assert_string_equal(
	    json_string_value(json_object_get(object, "Code")), "Success");
	assert_string_equal(
	    json_string_value(json_object_get(object, "InstanceProfileArn")),
	    "arn:aws:iam::123456789012:instance-profile/dev");
	json_decref(object);
	object = document("/latest/dynamic/instance-identity/document");
	assert_string_equal(
	    json_string_value(json_object_get(object, "region")), "eu-west-1");
	assert_string_equal(
	    json_string_value(json_object_get(object, "accountId")),
	    "123456789012");
	json_decref(object);
	assert_true(describe("dev", "eu-west-1", ""));
	object = document("/latest/meta-data/iam/info");
	assert_null(json_object_get(object, "InstanceProfileArn"));
	json_decref(object);
	object = document("/latest/dynamic/instance-identity/document");
	assert_null(json_object_get(object, "accountId"));
	json_decref(object);
}

static void
an_instance_has_one_name_of_the_usual_shape(void **state)
{
	char first[20];

	(void)state;
	assert_int_equal(strlen(imds.instance), 19);
	assert_memory_equal(imds.instance, "i-", 2);
	assert_int_equal(strspn(imds.instance + 2, "0123456789abcdef"), 17);
	(void)snprintf(first, sizeof(first), "%s", imds.instance);
	assert_true(describe("other", "", ""));
	assert_string_equal(imds.instance, first);
	is_text("/latest/meta-data/instance-id", first);
}

static void
other_paths_have_nothing(void **state)
{
	static const char *const paths[] = { "/latest/user-data",
		"/latest/meta-data/iam/info/", "/latest//meta-data/",
		"/latest/meta-data/instance-id/", "/latest/meta-data?",
		"/latest/api/token", "/latest/api/", "/Latest/meta-data/",
		"/latest/meta-data/public-keys/", "/latestx", "/", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		is_nothing(paths[i]);
}

static void
what_is_no_part_of_a_path_is_not_taken(void **state)
{
	(void)state;
	assert_false(describe("", "", ""));
	assert_false(describe("a/b", "", ""));
	assert_false(describe("Dev", "", ""));
	assert_false(describe("dev", "eu west", ""));
	assert_false(describe("dev", "eu\"west", ""));
	assert_false(describe("dev", "", "12\""));
	assert_false(describe("dev", "", "1234567890123456789"));
	assert_string_equal(imds.name, "dev");
	assert_string_equal(imds.region, "eu-west-1");
}

/* --- Tokens --- */

static void
a_lifetime_is_1_to_21600_in_digits(void **state)
{
	static const char *const bad[] = { "", "0", "00", "21601", "-1", "+5",
		" 5", "5 ", "5s", "1.0", "0x10", "99999999999999999999",
		"4294967297" };
	uint32_t seconds = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (crb_imds_ttl_parse(CRB_SLICE(bad[i]), &seconds))
			fail_msg("\"%s\" passes", bad[i]);
	}
	assert_false(
	    crb_imds_ttl_parse((struct crb_slice){ NULL, 0 }, &seconds));
	assert_true(crb_imds_ttl_parse(CRB_SLICE("1"), &seconds));
	assert_int_equal(seconds, 1);
	assert_true(crb_imds_ttl_parse(CRB_SLICE("21600"), &seconds));
	assert_int_equal(seconds, 21600);
}

static bool
knows(const char *token, int64_t now)
{
	return crb_imds_accepts(&imds, CRB_SLICE(token), now);
}

static void
a_token_is_good_for_its_time(void **state)
{
	char token[CRB_IMDS_TOKEN_LEN + 1];

	(void)state;
	assert_true(crb_imds_issue(&imds, START, 60, token));
	assert_int_equal(strlen(token), CRB_IMDS_TOKEN_LEN);
	assert_true(knows(token, START));
	assert_true(knows(token, START + 60 * MS - 1));
	assert_false(knows(token, START + 60 * MS));
	token[0] = token[0] == 'a' ? 'b' : 'a';
	assert_false(knows(token, START));
	token[CRB_IMDS_TOKEN_LEN - 1] = '\0';
	assert_false(knows(token, START));
	assert_false(knows("", START));
	assert_false(
	    crb_imds_accepts(&imds, (struct crb_slice){ NULL, 0 }, START));
}

static void
the_token_itself_is_not_kept(void **state)
{
	char token[CRB_IMDS_TOKEN_LEN + 1];

	(void)state;
	assert_true(crb_imds_issue(&imds, START, 60, token));
	assert_null(memmem(imds.tokens, imds.room * sizeof(*imds.tokens), token,
	    CRB_IMDS_TOKEN_LEN / 2));
}

static void
the_256th_makes_the_next_one_push_the_first_due_out(void **state)
{
	char tokens[CRB_IMDS_TOKENS_MAX + 1][CRB_IMDS_TOKEN_LEN + 1];

	(void)state;
	for (size_t i = 0; i < CRB_IMDS_TOKENS_MAX; i++) {
		uint32_t seconds = i == 100 ? 50 : 1000 + (uint32_t)i;

		assert_true(crb_imds_issue(&imds, START, seconds, tokens[i]));
	}
	for (size_t i = 0; i < CRB_IMDS_TOKENS_MAX; i++)
		assert_true(knows(tokens[i], START));
	assert_true(
	    crb_imds_issue(&imds, START, 1, tokens[CRB_IMDS_TOKENS_MAX]));
	assert_int_equal(imds.count, CRB_IMDS_TOKENS_MAX);
	for (size_t i = 0; i <= CRB_IMDS_TOKENS_MAX; i++)
		assert_int_equal(knows(tokens[i], START), i != 100);
}

static void
those_that_are_over_make_room_first(void **state)
{
	char token[CRB_IMDS_TOKEN_LEN + 1], kept[CRB_IMDS_TOKEN_LEN + 1];

	(void)state;
	for (size_t i = 0; i < CRB_IMDS_TOKENS_MAX - 1; i++)
		assert_true(crb_imds_issue(&imds, START, 10, token));
	assert_true(crb_imds_issue(&imds, START, 11, kept));
	assert_true(crb_imds_issue(&imds, START + 10 * MS, 10, token));
	assert_int_equal(imds.count, 2);
	assert_true(knows(kept, START + 10 * MS));
	assert_true(knows(token, START + 10 * MS));
}

static void
new_words_leave_the_tokens_alone(void **state)
{
	char token[CRB_IMDS_TOKEN_LEN + 1];

	(void)state;
	assert_true(crb_imds_issue(&imds, START, 60, token));
	assert_true(describe("other", "us-east-1", ""));
	assert_true(knows(token, START));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, clear)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_role_is_named_bare_with_or_without_a_slash),
		TEST(only_the_role_has_keys),
		TEST(the_place_is_told_where_it_is_known),
		TEST(lists_name_what_is_there),
		TEST(documents_are_objects_that_clients_read),
		TEST(an_instance_has_one_name_of_the_usual_shape),
		TEST(other_paths_have_nothing),
		TEST(what_is_no_part_of_a_path_is_not_taken),
		TEST(a_lifetime_is_1_to_21600_in_digits),
		TEST(a_token_is_good_for_its_time),
		TEST(the_token_itself_is_not_kept),
		TEST(the_256th_makes_the_next_one_push_the_first_due_out),
		TEST(those_that_are_over_make_room_first),
		TEST(new_words_leave_the_tokens_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
