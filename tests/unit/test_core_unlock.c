#include "broker/core/unlock.h"

#include "base/cleanup.h"
#include "tests/fakes/world.h"

static struct world world;

static int
setup(void **state)
{
	(void)state;
	world_start_locked(&world, "correct horse");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static void
state_is(const char *state)
{
	CRB_AUTO_JSON json_t *status = world_call(&world, "status", NULL);

	assert_string_equal(
	    json_string_value(json_object_get(status, "state")), state);
}

static json_t *
passphrase(const char *text)
{
	return json_pack("{s:s}", "passphrase", text);
}

/* Each key costs most of a second, so one vault serves, from test to test. */
static void
a_wrong_passphrase_does_not_unlock_and_is_not_repeated(void **state)
{
	(void)state;
	world_call_fails(&world, "unlock", passphrase("wrong donkey"),
	    "policy_denied", "the passphrase is wrong");
	state_is("locked");
}

static void
the_right_passphrase_unlocks(void **state)
{
	CRB_AUTO_JSON json_t *result = NULL;

	(void)state;
	state_is("locked");
	world_call_fails(
	    &world, "credential.list", NULL, "broker_locked", "unlock");
	result = world_call(&world, "unlock", passphrase("correct horse"));
	assert_int_equal(
	    json_integer_value(json_object_get(result, "slot")), 1);
	state_is("unlocked");
	world_add_credential(&world, "gh");
}

static void
a_slot_that_is_not_there_is_said(void **state)
{
	(void)state;
	world_call_fails(&world, "unlock",
	    json_pack("{s:s, s:i}", "passphrase", "correct horse", "slot", 9),
	    "not_found", "slot 9");
	world_call_fails(&world, "unlock",
	    json_pack("{s:s}", "key_file", "/nowhere/at/all"), "not_found", "");
	world_call_fails(&world, "unlock",
	    json_pack("{s:s, s:s}", "key_file", "/x", "passphrase", "y"),
	    "invalid_request", "one of");
	state_is("locked");
}

static void
what_was_stored_is_there_after_lock_and_unlock(void **state)
{
	CRB_AUTO_JSON json_t *list = NULL;

	(void)state;
	json_decref(world_call(&world, "lock", NULL));
	state_is("locked");
	json_decref(world_call(&world, "unlock", passphrase("correct horse")));
	list = world_call(&world, "credential.list", NULL);
	assert_int_equal(
	    json_array_size(json_object_get(list, "credentials")), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_that_is_not_there_is_said),
		cmocka_unit_test(
		    a_wrong_passphrase_does_not_unlock_and_is_not_repeated),
		cmocka_unit_test(the_right_passphrase_unlocks),
		cmocka_unit_test(
		    what_was_stored_is_there_after_lock_and_unlock),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
