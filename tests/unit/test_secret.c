#include "base/secret.h"

#include <signal.h>
#include <sys/wait.h>

#include <sodium.h>

#include "base/slab.h"
#include "tests/unit/unit.h"

static void
take_wipes_the_callers_buffer(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	const char zero[8] = { 0 };
	char buf[] = "hunter2";
	struct crb_err err;

	(void)state;
	assert_ok(crb_secret_take(buf, 7, &secret, &err));
	assert_memory_equal(buf, zero, sizeof(buf));
	assert_string_equal(crb_secret_bytes(secret), "hunter2");
	assert_int_equal(crb_secret_len(secret), 7);
}

static void
copy_leaves_the_callers_buffer(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	const char buf[] = "a\0b";
	struct crb_err err;

	(void)state;
	assert_ok(crb_secret_copy(buf, 3, &secret, &err));
	assert_memory_equal(crb_secret_bytes(secret), "a\0b", 4);
	assert_int_equal(crb_secret_len(secret), 3);
}

static void
an_empty_secret_is_a_secret(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	struct crb_err err;

	(void)state;
	assert_ok(crb_secret_copy(NULL, 0, &secret, &err));
	assert_string_equal(crb_secret_bytes(secret), "");
	assert_int_equal(crb_secret_len(secret), 0);
}

static void
no_memory_is_an_error_and_leaves_the_result_alone(void **state)
{
	struct crb_secret *secret = NULL;
	struct crb_err err;

	(void)state;
	assert_fails(
	    crb_secret_copy("x", SIZE_MAX, &secret, &err), CRB_ERR_NOMEM);
	assert_null(secret);
}

static void
secrets_live_in_the_slab_until_freed(void **state)
{
	size_t before = crb_slab_stats().spilled;
	struct crb_secret *secret = NULL;
	struct crb_err err;

	(void)state;
	assert_ok(crb_secret_copy("x", 1, &secret, &err));
	assert_true(crb_slab_stats().spilled > before);
	crb_secret_free(secret);
	crb_secret_free(NULL);
	assert_int_equal(crb_slab_stats().spilled, before);
}

static void
random_keys_differ(void **state)
{
	CRB_AUTO_KEY struct crb_key *a = NULL, *b = NULL;
	struct crb_err err;

	(void)state;
	assert_ok(crb_key_random(&a, &err));
	assert_ok(crb_key_random(&b, &err));
	assert_memory_not_equal(
	    crb_key_bytes(a), crb_key_bytes(b), CRB_KEY_BYTES);
}

static void
taking_a_key_wipes_its_source(void **state)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	const uint8_t zero[CRB_KEY_BYTES] = { 0 };
	uint8_t bytes[CRB_KEY_BYTES], same[CRB_KEY_BYTES];
	struct crb_err err;

	(void)state;
	memset(bytes, 7, sizeof(bytes));
	memcpy(same, bytes, sizeof(same));
	assert_ok(crb_key_take(bytes, &key, &err));
	assert_memory_equal(bytes, zero, sizeof(bytes));
	assert_memory_equal(crb_key_bytes(key), same, sizeof(same));
}

static void
sub_keys_depend_on_key_id_and_purpose(void **state)
{
	CRB_AUTO_KEY struct crb_key *root = NULL, *a = NULL, *again = NULL,
				    *id = NULL, *purpose = NULL, *bad = NULL;
	struct crb_err err;

	(void)state;
	assert_ok(crb_key_random(&root, &err));
	assert_ok(crb_key_derive(root, 1, "records_", &a, &err));
	assert_ok(crb_key_derive(root, 1, "records_", &again, &err));
	assert_ok(crb_key_derive(root, 2, "records_", &id, &err));
	assert_ok(crb_key_derive(root, 1, "audit___", &purpose, &err));
	assert_memory_equal(
	    crb_key_bytes(a), crb_key_bytes(again), CRB_KEY_BYTES);
	assert_memory_not_equal(
	    crb_key_bytes(a), crb_key_bytes(id), CRB_KEY_BYTES);
	assert_memory_not_equal(
	    crb_key_bytes(a), crb_key_bytes(purpose), CRB_KEY_BYTES);
	assert_memory_not_equal(
	    crb_key_bytes(a), crb_key_bytes(root), CRB_KEY_BYTES);
	assert_fails(
	    crb_key_derive(root, 1, "short", &bad, &err), CRB_ERR_INVALID);
	assert_null(bad);
}

static void
a_key_cannot_be_written_to(void **state)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct crb_err err;
	int status;
	pid_t pid;

	(void)state;
	assert_ok(crb_key_random(&key, &err));
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		*(volatile uint8_t *)(uintptr_t)crb_key_bytes(key) = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take_wipes_the_callers_buffer),
		cmocka_unit_test(copy_leaves_the_callers_buffer),
		cmocka_unit_test(an_empty_secret_is_a_secret),
		cmocka_unit_test(
		    no_memory_is_an_error_and_leaves_the_result_alone),
		cmocka_unit_test(secrets_live_in_the_slab_until_freed),
		cmocka_unit_test(random_keys_differ),
		cmocka_unit_test(taking_a_key_wipes_its_source),
		cmocka_unit_test(sub_keys_depend_on_key_id_and_purpose),
		cmocka_unit_test(a_key_cannot_be_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
