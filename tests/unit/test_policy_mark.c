#include "broker/vault/policy_mark.h"

#include "base/json.h"
#include "tests/unit/vault.h"

#define TEXT                                                   \
	"{\"version\": 1, \"pin\": \"RWabc\", \"serial\": 7, " \
	"\"sha256\": \"00ff\", \"key\": \"5153CA215988AE0F\"}"

static void
it_is_read_as_it_was_written(void **state)
{
	struct crb_policy_mark mark, again;
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_err err;
	char *text;

	(void)state;
	assert_ok(crb_policy_mark_parse(TEXT, strlen(TEXT), &mark, &err));
	assert_string_equal(mark.pin, "RWabc");
	assert_int_equal(mark.serial, 7);
	json = crb_policy_mark_json(&mark);
	text = crb_json_text(json);
	assert_non_null(text);
	assert_ok(crb_policy_mark_parse(text, strlen(text), &again, &err));
	crb_json_text_free(text);
	assert_string_equal(again.pin, mark.pin);
	assert_int_equal(again.serial, mark.serial);
	assert_string_equal(again.sha256, mark.sha256);
	assert_string_equal(again.key, mark.key);
}

static void
what_is_damaged_is_an_error(void **state)
{
	static const char *const texts[] = { "", "{}", "[]",
		"{\"version\": 2, \"pin\": \"\", \"serial\": 7, \"sha256\": "
		"\"\", \"key\": \"\"}",
		"{\"version\": 1, \"pin\": \"\", \"serial\": -1, \"sha256\": "
		"\"\", \"key\": \"\"}",
		"{\"version\": 1, \"pin\": \"\", \"serial\": 1, \"sha256\": "
		"\"\", \"key\": \"5153CA215988AE0F0\"}",
		"{\"version\": 1, \"pin\": \"\", \"serial\": 1, \"key\": "
		"\"\"}" };
	struct crb_policy_mark mark = { .serial = 42 };
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_not_equal(crb_policy_mark_parse(texts[i],
					 strlen(texts[i]), &mark, &err),
		    CRB_OK);
	/* Untouched. */
	assert_int_equal(mark.serial, 42);
}

static enum crb_status
keep(void *ctx, const struct crb_record_id *id, const struct crb_secret *plain,
    struct crb_err *err)
{
	(void)id;
	return crb_policy_mark_parse(
	    crb_secret_bytes(plain), crb_secret_len(plain), ctx, err);
}

static void
a_vault_can_be_made_with_one(void **state)
{
	char folder[UNIT_FOLDER_MAX], place[UNIT_PATH_MAX];
	CRB_AUTO_VAULT struct crb_vault *vault = NULL;
	struct crb_policy_mark mark = { .serial = 0 };
	struct crb_vault_init init = { .policy = TEXT };
	struct crb_err err;

	(void)state;
	unit_folder_make(folder);
	init.key_file = unit_path(folder, "key");
	unit_join(place, folder, "state");
	assert_int_equal(mkdir(place, 0700), 0);
	assert_ok(crb_vault_create(place, &init, &err));
	vault = unit_vault_open(folder);
	assert_ok(crb_vault_each(vault, CRB_KIND_POLICY, keep, &mark, &err));
	assert_int_equal(mark.serial, 7);
	unit_folder_remove(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_read_as_it_was_written),
		cmocka_unit_test(what_is_damaged_is_an_error),
		cmocka_unit_test(a_vault_can_be_made_with_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
