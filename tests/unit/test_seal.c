#include "broker/vault/seal.h"

#include "tests/unit/vault.h"

static const char text[] = "a password";
static const uint8_t vault_id[16] = { 1, 2, 3 };
static const uint8_t other_vault_id[16] = { 3, 2, 1 };
static const struct crb_seal_label label = { vault_id, CRB_KIND_CREDENTIAL,
	{ { 7 } }, 12 };

struct sealed {
	struct crb_key *key;
	uint8_t bytes[sizeof(text) + CRB_SEAL_OVERHEAD];
};

static int
set_up(void **state)
{
	struct sealed *sealed = calloc(1, sizeof(*sealed));
	struct crb_err err;

	assert_ok(crb_key_random(&sealed->key, &err));
	crb_seal(sealed->bytes, sealed->key, 1, &label, text, sizeof(text));
	*state = sealed;
	return 0;
}

static int
tear_down(void **state)
{
	struct sealed *sealed = *state;

	crb_key_free(sealed->key);
	free(sealed);
	return 0;
}

static enum crb_status
open_as(const struct sealed *sealed, size_t len,
    const struct crb_seal_label *as, struct crb_err *err)
{
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;

	return crb_seal_open(sealed->bytes, len, sealed->key, as, &plain, err);
}

static void
a_record_opens_as_what_it_was_sealed_as(void **state)
{
	const struct sealed *sealed = *state;
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;
	struct crb_err err;
	uint32_t epoch;

	assert_ok(
	    crb_seal_epoch(sealed->bytes, sizeof(sealed->bytes), &epoch, &err));
	assert_int_equal(epoch, 1);
	assert_ok(crb_seal_open(sealed->bytes, sizeof(sealed->bytes),
	    sealed->key, &label, &plain, &err));
	assert_int_equal(crb_secret_len(plain), sizeof(text));
	assert_memory_equal(crb_secret_bytes(plain), text, sizeof(text));
}

static void
an_empty_record_opens_too(void **state)
{
	const struct sealed *sealed = *state;
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;
	uint8_t bytes[CRB_SEAL_OVERHEAD];
	struct crb_err err;

	crb_seal(bytes, sealed->key, 1, &label, "", 0);
	assert_ok(crb_seal_open(
	    bytes, sizeof(bytes), sealed->key, &label, &plain, &err));
	assert_int_equal(crb_secret_len(plain), 0);
}

static void
no_other_label_opens_it(void **state)
{
	const struct sealed *sealed = *state;
	const struct crb_seal_label others[] = {
		{ other_vault_id, label.kind, label.id, label.revision },
		{ vault_id, CRB_KIND_PROFILE, label.id, label.revision },
		{ vault_id, label.kind, { { 8 } }, label.revision },
		{ vault_id, label.kind, label.id, label.revision - 1 },
	};
	struct crb_err err;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_fails(
		    open_as(sealed, sizeof(sealed->bytes), &others[i], &err),
		    CRB_ERR_CORRUPT);
		assert_says("swapped");
	}
}

static void
every_flipped_bit_is_seen(void **state)
{
	struct sealed *sealed = *state;
	struct crb_err err;

	for (size_t bit = 0; bit < sizeof(sealed->bytes) * 8; bit++) {
		sealed->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_fails(
		    open_as(sealed, sizeof(sealed->bytes), &label, &err),
		    CRB_ERR_CORRUPT);
		sealed->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_ok(open_as(sealed, sizeof(sealed->bytes), &label, &err));
}

static void
every_truncation_is_seen(void **state)
{
	const struct sealed *sealed = *state;
	struct crb_err err;

	for (size_t len = 0; len < sizeof(sealed->bytes); len++) {
		assert_fails(
		    open_as(sealed, len, &label, &err), CRB_ERR_CORRUPT);
		if (len < CRB_SEAL_OVERHEAD)
			assert_says("truncated");
	}
}

static void
another_format_is_named(void **state)
{
	struct sealed *sealed = *state;
	struct crb_err err;

	sealed->bytes[0] = 9;
	assert_fails(open_as(sealed, sizeof(sealed->bytes), &label, &err),
	    CRB_ERR_CORRUPT);
	assert_says("format 9; this program reads 1");
}

static void
the_same_text_is_never_sealed_alike(void **state)
{
	const struct sealed *sealed = *state;
	uint8_t again[sizeof(sealed->bytes)];

	crb_seal(again, sealed->key, 1, &label, text, sizeof(text));
	assert_memory_not_equal(again + 5, sealed->bytes + 5, 24);
	assert_memory_not_equal(again + 29, sealed->bytes + 29, sizeof(text));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(a_record_opens_as_what_it_was_sealed_as),
		TEST(an_empty_record_opens_too),
		TEST(no_other_label_opens_it),
		TEST(every_flipped_bit_is_seen),
		TEST(every_truncation_is_seen),
		TEST(another_format_is_named),
		TEST(the_same_text_is_never_sealed_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
