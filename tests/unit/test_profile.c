#include "broker/core/profile.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/secret.h"
#include "broker/core/profile_mounts.h"
#include "tests/unit/unit.h"

static enum crb_status
load(const char *text, struct crb_profile **out, struct crb_err *err)
{
	const struct crb_record_id id = { { 1 } };
	struct crb_secret *plain = NULL;
	enum crb_status status;

	if (crb_secret_copy(text, strlen(text), &plain, err) != CRB_OK)
		return err->status;
	status = crb_profile_load(&id, plain, out, err);
	crb_secret_free(plain);
	return status;
}

static const char old[] = "{\"name\": \"web\", \"grants\": [\"a\"], "
			  "\"labels\": {}, \"ttl\": 5, \"created\": 6}";

static void
test_a_record_of_before_there_were_mounts_is_read(void **state)
{
	struct crb_profile *profile = NULL;
	struct crb_err err;

	(void)state;
	assert_ok(load(old, &profile, &err));
	assert_string_equal(profile->name, "web");
	assert_int_equal(json_array_size(profile->mounts), 0);
	assert_int_equal(profile->created, 6);
	crb_profile_free(profile);
}

static void
test_mounts_are_read_as_they_were_written(void **state)
{
	struct crb_profile *profile = NULL, *again = NULL;
	CRB_AUTO_JSON json_t *record = NULL;
	struct crb_err err;
	char *text;

	(void)state;
	assert_ok(load(old, &profile, &err));
	(void)json_array_append_new(profile->mounts,
	    json_pack("{s:s, s:s, s:b}", "source", "/a", "target", "/b",
		"read_only", 1));
	record = crb_profile_record(profile);
	text = crb_json_text(record);
	assert_ok(load(text, &again, &err));
	crb_json_text_free(text);
	assert_true(json_equal(profile->mounts, again->mounts));
	crb_profile_free(profile);
	crb_profile_free(again);
}

static void
test_a_record_of_a_later_version_is_not_guessed_at(void **state)
{
	static const char later[] = "{\"version\": 3, \"name\": \"web\", "
				    "\"grants\": [], \"labels\": {}, "
				    "\"mounts\": [], \"ttl\": 5, "
				    "\"created\": 6}";
	struct crb_profile *profile = NULL;
	struct crb_err err;

	(void)state;
	assert_int_not_equal(load(later, &profile, &err), CRB_OK);
	assert_says("version");
}

static enum crb_status
read_mounts(const char *text, json_t **out, struct crb_err *err)
{
	static const char *const kept[] = { "/state", "", "/run/broker", NULL };
	CRB_AUTO_JSON json_t *given = NULL;

	if (crb_json_parse(text, strlen(text), "test", &given, err) != CRB_OK)
		fail();
	return crb_profile_mounts_read(given, kept, out, err);
}

static void
test_what_is_left_out_of_a_mount_is_filled_in(void **state)
{
	CRB_AUTO_JSON json_t *mounts = NULL;
	struct crb_err err;
	const json_t *mount;

	(void)state;
	assert_ok(read_mounts("[{\"source\": \"/a/b\"}]", &mounts, &err));
	mount = json_array_get(mounts, 0);
	assert_string_equal(
	    json_string_value(json_object_get(mount, "target")), "/a/b");
	assert_true(json_is_false(json_object_get(mount, "read_only")));
}

static void
test_mounts_that_are_refused(void **state)
{
	static const char *const bad[] = { "[1]", "[{}]",
		"[{\"source\": \"a\"}]", "[{\"source\": \"/a/../b\"}]",
		"[{\"source\": \"/a//b\"}]", "[{\"source\": \"/a/\"}]",
		"[{\"source\": \"/\"}]", "[{\"source\": \"/run\"}]",
		"[{\"source\": \"/proc\"}]", "[{\"source\": \"/state\"}]",
		"[{\"source\": \"/state/audit\"}]",
		"[{\"source\": \"/run/broker/sessions\"}]",
		"[{\"source\": \"/a\", \"target\": \"b\"}]",
		"[{\"source\": \"/a\", \"target\": 1}]",
		"[{\"source\": \"/a\", \"read_only\": \"no\"}]",
		"[{\"source\": \"/a\", \"environment\": {}}]" };
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		json_t *mounts = NULL;

		if (read_mounts(bad[i], &mounts, &err) == CRB_OK)
			fail_msg("%s", bad[i]);
	}
}

static void
test_mounts_are_bounded(void **state)
{
	json_t *given = json_array(), *out = NULL;
	const char *const kept[] = { NULL };
	struct crb_err err;

	(void)state;
	for (unsigned i = 0; i <= CRB_PROFILE_MOUNTS_MAX; i++)
		(void)json_array_append_new(
		    given, json_pack("{s:s}", "source", "/a"));
	assert_fails(
	    crb_profile_mounts_read(given, kept, &out, &err), CRB_ERR_INVALID);
	json_decref(given);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_record_of_before_there_were_mounts_is_read),
		cmocka_unit_test(test_mounts_are_read_as_they_were_written),
		cmocka_unit_test(
		    test_a_record_of_a_later_version_is_not_guessed_at),
		cmocka_unit_test(test_what_is_left_out_of_a_mount_is_filled_in),
		cmocka_unit_test(test_mounts_that_are_refused),
		cmocka_unit_test(test_mounts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
