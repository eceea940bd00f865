#include "base/token.h"

#include "tests/unit/unit.h"

static void
a_made_token_is_one(void **state)
{
	char token[CRB_TOKEN_LEN + 1];

	(void)state;
	for (int i = 0; i < 200; i++) {
		crb_token_make(token);
		assert_int_equal(strlen(token), CRB_TOKEN_LEN);
		assert_memory_equal(token, "crbs_", 5);
		assert_true(crb_token_ok(token, CRB_TOKEN_LEN));
	}
}

/*
 * Made by hand with zlib's crc32() of the first 48 bytes, so that a change of
 * the format, which would break every scanner, is noticed.
 */
static void
the_checksum_is_that_of_zlib_in_base62(void **state)
{
	const char token[] = "crbs_0123456789012345678901234567890123456789012"
			     "0pR8By";

	(void)state;
	assert_true(crb_token_ok(token, strlen(token)));
}

static void
any_changed_character_is_noticed(void **state)
{
	char token[CRB_TOKEN_LEN + 1];

	(void)state;
	crb_token_make(token);
	for (size_t i = 0; i < CRB_TOKEN_LEN; i++) {
		char old = token[i];

		token[i] = old == 'a' ? 'b' : 'a';
		assert_false(crb_token_ok(token, CRB_TOKEN_LEN));
		token[i] = '-';
		assert_false(crb_token_ok(token, CRB_TOKEN_LEN));
		token[i] = old;
	}
	assert_true(crb_token_ok(token, CRB_TOKEN_LEN));
}

static void
another_length_is_refused(void **state)
{
	char token[CRB_TOKEN_LEN + 2];

	(void)state;
	crb_token_make(token);
	token[CRB_TOKEN_LEN] = 'a';
	assert_true(crb_token_ok(token, CRB_TOKEN_LEN));
	assert_false(crb_token_ok(token, CRB_TOKEN_LEN - 1));
	assert_false(crb_token_ok(token, CRB_TOKEN_LEN + 1));
	assert_false(crb_token_ok(token, 0));
}

static void
tokens_and_their_hashes_differ(void **state)
{
	unsigned char a_hash[CRB_TOKEN_HASH_BYTES], again[CRB_TOKEN_HASH_BYTES];
	unsigned char b_hash[CRB_TOKEN_HASH_BYTES];
	char a[CRB_TOKEN_LEN + 1], b[CRB_TOKEN_LEN + 1];

	(void)state;
	crb_token_make(a);
	crb_token_make(b);
	assert_string_not_equal(a, b);
	crb_token_hash(a, CRB_TOKEN_LEN, a_hash);
	crb_token_hash(a, CRB_TOKEN_LEN, again);
	crb_token_hash(b, CRB_TOKEN_LEN, b_hash);
	assert_memory_equal(a_hash, again, sizeof(a_hash));
	assert_memory_not_equal(a_hash, b_hash, sizeof(a_hash));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_made_token_is_one),
		cmocka_unit_test(the_checksum_is_that_of_zlib_in_base62),
		cmocka_unit_test(any_changed_character_is_noticed),
		cmocka_unit_test(another_length_is_refused),
		cmocka_unit_test(tokens_and_their_hashes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
