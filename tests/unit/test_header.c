#include "broker/vault/header.h"

#include "tests/unit/vault.h"

#define SLOT_AT 32
#define SUM_BYTES 32

static void
make(struct crb_header *header, struct crb_key **key, struct crb_key **root)
{
	struct crb_err err;

	*header = (struct crb_header){ .count = 2 };
	randombytes_buf(header->vault_id, sizeof(header->vault_id));
	header->slot[0] = (struct crb_slot){ .number = 1,
		.kind = CRB_SLOT_PASSPHRASE,
		.kdf.cost = { 3, (uint64_t)256 << 20 } };
	header->slot[1] = (struct crb_slot){ .number = 4,
		.kind = CRB_SLOT_KEY_FILE };
	header->wrapped[0].created = 1700000000;
	assert_ok(crb_key_random(key, &err));
	assert_ok(crb_key_random(root, &err));
	crb_header_wrap(header, 0, *key, *root);
	crb_header_wrap(header, 1, *key, *root);
}

struct encoded {
	struct crb_header header;
	struct crb_key *key, *root;
	struct crb_buf buf;
};

static int
set_up(void **state)
{
	struct encoded *encoded = calloc(1, sizeof(*encoded));

	encoded->buf = (struct crb_buf)CRB_BUF_INIT(CRB_HEADER_BYTES_MAX);
	make(&encoded->header, &encoded->key, &encoded->root);
	crb_header_encode(&encoded->header, &encoded->buf);
	*state = encoded;
	return 0;
}

static int
tear_down(void **state)
{
	struct encoded *encoded = *state;

	crb_key_free(encoded->key);
	crb_key_free(encoded->root);
	crb_buf_clear(&encoded->buf);
	free(encoded);
	return 0;
}

/* As an editor who knows the format would. */
static void
resum(struct crb_buf *buf)
{
	const size_t len = buf->len - SUM_BYTES;

	(void)crypto_generichash((unsigned char *)buf->data + len, SUM_BYTES,
	    (const unsigned char *)buf->data, len, NULL, 0);
}

static void
what_was_encoded_is_decoded(void **state)
{
	const struct encoded *encoded = *state;
	struct crb_header back;
	struct crb_err err;

	assert_ok(crb_header_decode(
	    encoded->buf.data, encoded->buf.len, &back, &err));
	assert_int_equal(back.count, 2);
	assert_memory_equal(back.vault_id, encoded->header.vault_id, 16);
	assert_int_equal(back.slot[0].kdf.cost.memory, 256 << 20);
	assert_int_equal(back.slot[1].number, 4);
	assert_int_equal(back.slot[1].kind, CRB_SLOT_KEY_FILE);
	assert_int_equal(back.wrapped[0].created, 1700000000);
}

static void
the_right_key_gives_the_root_key(void **state)
{
	const struct encoded *encoded = *state;
	struct crb_err err;

	for (size_t i = 0; i < 2; i++) {
		CRB_AUTO_KEY struct crb_key *root = NULL;

		assert_ok(crb_header_unwrap(
		    &encoded->header, i, encoded->key, &root, &err));
		assert_memory_equal(crb_key_bytes(root),
		    crb_key_bytes(encoded->root), CRB_KEY_BYTES);
	}
}

static void
a_wrong_key_is_denied_and_named(void **state)
{
	const struct encoded *encoded = *state;
	CRB_AUTO_KEY struct crb_key *root = NULL;
	struct crb_err err;

	assert_fails(
	    crb_header_unwrap(&encoded->header, 0, encoded->root, &root, &err),
	    CRB_ERR_DENIED);
	assert_says("wrong passphrase (key slot 1)");
	assert_fails(
	    crb_header_unwrap(&encoded->header, 1, encoded->root, &root, &err),
	    CRB_ERR_DENIED);
	assert_says("not this vault's key file (key slot 4)");
	assert_null(root);
}

static void
every_truncation_is_called_one(void **state)
{
	const struct encoded *encoded = *state;
	struct crb_header back = { .count = 99 };
	struct crb_err err;

	for (size_t len = 0; len < encoded->buf.len; len++) {
		assert_fails(
		    crb_header_decode(encoded->buf.data, len, &back, &err),
		    CRB_ERR_CORRUPT);
		assert_says("truncated");
	}
	assert_int_equal(back.count, 99);
}

static void
every_flipped_bit_is_seen(void **state)
{
	struct encoded *encoded = *state;
	struct crb_header back;
	struct crb_err err;

	for (size_t bit = 0; bit < encoded->buf.len * 8; bit++) {
		encoded->buf.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_fails(crb_header_decode(encoded->buf.data,
				 encoded->buf.len, &back, &err),
		    CRB_ERR_CORRUPT);
		encoded->buf.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_ok(crb_header_decode(
	    encoded->buf.data, encoded->buf.len, &back, &err));
}

static void
a_byte_behind_the_end_is_seen(void **state)
{
	struct encoded *encoded = *state;
	struct crb_header back;
	struct crb_err err;

	crb_buf_char(&encoded->buf, 'x');
	assert_fails(
	    crb_header_decode(encoded->buf.data, encoded->buf.len, &back, &err),
	    CRB_ERR_CORRUPT);
	assert_says("edited");
}

static void
another_format_is_named(void **state)
{
	struct encoded *encoded = *state;
	struct crb_header back;
	struct crb_err err;

	encoded->buf.data[8] = 7;
	assert_fails(
	    crb_header_decode(encoded->buf.data, encoded->buf.len, &back, &err),
	    CRB_ERR_CORRUPT);
	assert_says("written by format 7; this program reads 1");
}

static void
another_file_is_no_header(void **state)
{
	const char text[200] = "hello";
	struct crb_header back;
	struct crb_err err;

	(void)state;
	assert_fails(crb_header_decode(text, sizeof(text), &back, &err),
	    CRB_ERR_CORRUPT);
	assert_says("not a vault's header");
}

/* Edited with the checksum made to fit: refused, or the wrap does not open. */
static void
an_edit_that_knows_the_checksum_is_seen(void **state)
{
	struct encoded *encoded = *state;
	CRB_AUTO_KEY struct crb_key *root = NULL;
	struct crb_header back;
	struct crb_err err;

	for (size_t at = SLOT_AT; at < SLOT_AT + 120; at++) {
		enum crb_status status;

		encoded->buf.data[at] ^= 1;
		resum(&encoded->buf);
		status = crb_header_decode(
		    encoded->buf.data, encoded->buf.len, &back, &err);
		if (status == CRB_OK)
			status = crb_header_unwrap(
			    &back, 0, encoded->key, &root, &err);
		assert_int_not_equal(status, CRB_OK);
		encoded->buf.data[at] ^= 1;
	}
}

static void
another_vaults_id_opens_nothing(void **state)
{
	struct encoded *encoded = *state;
	CRB_AUTO_KEY struct crb_key *root = NULL;
	struct crb_err err;

	encoded->header.vault_id[3] ^= 1;
	assert_fails(
	    crb_header_unwrap(&encoded->header, 0, encoded->key, &root, &err),
	    CRB_ERR_DENIED);
}

static const struct {
	const char *what;
	size_t at;
	uint8_t byte;
	const char *says;
} bad_fields[] = {
	{ "no slot", 28, 0, "0 slots" },
	{ "too many slots", 28, 17, "17 slots" },
	{ "unknown kind", SLOT_AT, 9, "of kind 9" },
	{ "slots out of order", SLOT_AT + 4, 4, "slot 4 follows slot 4" },
	{ "slot number 0", SLOT_AT + 4, 0, "slot 0 follows slot 0" },
	{ "a cheap guess", SLOT_AT + 16, 2, "below 3 operations" },
	{ "too dear a guess", SLOT_AT + 24 + 4, 2, "over 64 operations" },
	{ "a key file with a cost", SLOT_AT + 120 + 16, 1, "has no cost" },
	{ "a key file with a salt", SLOT_AT + 120 + 32, 1, "has no cost" },
};

static void
fields_that_we_never_write_are_refused(void **state)
{
	struct encoded *encoded = *state;
	struct crb_header back;
	struct crb_err err;

	for (size_t i = 0; i < sizeof(bad_fields) / sizeof(bad_fields[0]);
	     i++) {
		const char was = encoded->buf.data[bad_fields[i].at];

		encoded->buf.data[bad_fields[i].at] = (char)bad_fields[i].byte;
		resum(&encoded->buf);
		assert_fails(crb_header_decode(encoded->buf.data,
				 encoded->buf.len, &back, &err),
		    CRB_ERR_CORRUPT);
		if (strstr(err.msg, bad_fields[i].says) == NULL)
			fail_msg("%s: %s", bad_fields[i].what, err.msg);
		encoded->buf.data[bad_fields[i].at] = was;
	}
}

static void
a_file_is_written_and_read_back(void **state)
{
	const struct encoded *encoded = *state;
	char folder[UNIT_FOLDER_MAX];
	struct crb_header back;
	struct crb_err err;

	unit_folder_make(folder);
	assert_ok(crb_header_write(
	    unit_path(folder, "vault"), &encoded->header, &err));
	assert_ok(crb_header_read(unit_path(folder, "vault"), &back, &err));
	assert_memory_equal(
	    &back.wrapped, &encoded->header.wrapped, sizeof(back.wrapped[0]));
	assert_fails(crb_header_read(unit_path(folder, "other"), &back, &err),
	    CRB_ERR_NOT_FOUND);
	assert_int_equal(symlink("vault", unit_path(folder, "link")), 0);
	assert_fails(crb_header_read(unit_path(folder, "link"), &back, &err),
	    CRB_ERR_SYSTEM);
	assert_fails(crb_header_read(folder, &back, &err), CRB_ERR_CORRUPT);
	assert_says("not a regular file");
	unit_folder_remove(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(what_was_encoded_is_decoded),
		TEST(the_right_key_gives_the_root_key),
		TEST(a_wrong_key_is_denied_and_named),
		TEST(every_truncation_is_called_one),
		TEST(every_flipped_bit_is_seen),
		TEST(a_byte_behind_the_end_is_seen),
		TEST(another_format_is_named),
		TEST(another_file_is_no_header),
		TEST(an_edit_that_knows_the_checksum_is_seen),
		TEST(another_vaults_id_opens_nothing),
		TEST(fields_that_we_never_write_are_refused),
		TEST(a_file_is_written_and_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
