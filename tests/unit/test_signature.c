#include "policy/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/cleanup.h"
#include "policy/signing_key.h"

#define CONTENT "hello\n"
#define OUR_COMMENT "timestamp:1\tfile:organization.json\thashed"

/* Made by minisign 0.11: a key, not encrypted, and what it signed. */
#define PUBLIC_LINE "RWQProhZIcpTUc5aYOKqnScnZFO1op8YtZHdLOvzcguxV00/BkJc6SO6"
#define PUBLIC                                                                  \
	"untrusted comment: minisign public key 5153CA215988AE0F\n" PUBLIC_LINE \
	"\n"
#define HASHED_1 "untrusted comment: signature from minisign secret key\n"
#define HASHED_2                                                       \
	"RUQProhZIcpTUTb/o3zniD1B6Mf19EH4SMqrHmt0QIoYPZABLsmBu6z4gdJm" \
	"PIAhksyEhReiyJHbW4TdNl+2U30pHFr1lCoPLwQ=\n"
#define HASHED_3 "trusted comment: timestamp:1795287960\tfile:f\thashed\n"
#define HASHED_4                                                       \
	"CAeSG25APkCsx0ZKRAT+7ySVRwNe/MnyKkrkW0YzNERpxXS/4mEvhjlgnjhF" \
	"FTdBpuY15vRD4kXBnXHbeVhqBQ==\n"
#define HASHED HASHED_1 HASHED_2 HASHED_3 HASHED_4
#define LEGACY                                                           \
	HASHED_1                                                         \
	"RWQProhZIcpTUYn38IdYsgmYLwIH398yC9Jy25DsVA3P5DQLMKhx/bm6eaFGrH" \
	"Qub+CSPSg62ByOJ9AuAR8ESbXHHrFIxZQtZAM=\n"                       \
	"trusted comment: timestamp:1795287960\tfile:f\n"                \
	"wiNmLPqCMsB7L/ka/sIuCtrD+FyX4jarIMKwlUgcYkrC0mepQ+ZEBgfaGxEU7p" \
	"1pLeJvx41MfWkDQgcDNQ2fDQ==\n"
#define SECRET                                                             \
	"untrusted comment: minisign encrypted secret key\n"               \
	"RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAD66IWSHKU1FecSs/hZkgmyNWG6jjVUloWeA87uyZVMdghz+ap9TXUc5a" \
	"YOKqnScnZFO1op8YtZHdLOvzcguxV00/BkJc6SO6AAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAA=\n"

static const struct crb_scrypt cheap = {
	crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_MIN,
	crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_MIN,
};

static struct crb_public_key
public_key(const char *text)
{
	struct crb_public_key key;
	struct crb_err err;

	assert_int_equal(
	    crb_public_key_parse(text, strlen(text), &key, &err), CRB_OK);
	return key;
}

static enum crb_status
verify(const char *file, const struct crb_public_key *key, const char *content,
    struct crb_err *err)
{
	struct crb_signature signature;

	if (crb_signature_parse(file, strlen(file), &signature, err) != CRB_OK)
		return err->status;
	return crb_signature_verify(
	    &signature, key, content, strlen(content), err);
}

static void
what_minisign_signed_is_verified(void **state)
{
	const struct crb_public_key key = public_key(PUBLIC);
	const struct crb_public_key line = public_key(PUBLIC_LINE);
	struct crb_signature signature;
	char id[CRB_KEY_ID_TEXT];
	struct crb_err err;

	(void)state;
	assert_memory_equal(&key, &line, sizeof(key));
	crb_key_id_text(key.id, id);
	assert_string_equal(id, "5153CA215988AE0F");
	assert_int_equal(verify(HASHED, &key, CONTENT, &err), CRB_OK);
	assert_int_equal(verify(LEGACY, &key, CONTENT, &err), CRB_OK);
	assert_int_equal(
	    crb_signature_parse(HASHED, strlen(HASHED), &signature, &err),
	    CRB_OK);
	assert_true(signature.prehashed);
	assert_true(crb_slice_is(
	    signature.comment, "timestamp:1795287960\tfile:f\thashed"));
	assert_int_equal(
	    crb_signature_parse(LEGACY, strlen(LEGACY), &signature, &err),
	    CRB_OK);
	assert_false(signature.prehashed);
}

static void
other_content_is_refused(void **state)
{
	static const char *const contents[] = { "", "hello", "hello\n\n",
		"Hello\n" };
	const struct crb_public_key key = public_key(PUBLIC);
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++) {
		assert_int_equal(
		    verify(HASHED, &key, contents[i], &err), CRB_ERR_DENIED);
		assert_int_equal(
		    verify(LEGACY, &key, contents[i], &err), CRB_ERR_DENIED);
		assert_non_null(strstr(err.msg, "not what was signed"));
	}
}

/* The hash of a content is no content of which there is a signature. */
static void
a_signature_is_of_its_own_kind_only(void **state)
{
	const struct crb_public_key key = public_key(PUBLIC);
	uint8_t hash[crypto_generichash_BYTES_MAX];
	struct crb_signature signature;
	struct crb_err err;

	(void)state;
	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)CONTENT,
	    strlen(CONTENT), NULL, 0);
	assert_int_equal(
	    crb_signature_parse(HASHED, strlen(HASHED), &signature, &err),
	    CRB_OK);
	assert_int_equal(
	    crb_signature_verify(&signature, &key, hash, sizeof(hash), &err),
	    CRB_ERR_DENIED);
	signature.prehashed = false;
	assert_int_equal(crb_signature_verify(
			     &signature, &key, CONTENT, strlen(CONTENT), &err),
	    CRB_ERR_DENIED);
}

static void
another_trusted_comment_is_refused(void **state)
{
	static const char other[] = HASHED_1 HASHED_2
	    "trusted comment: timestamp:1795287961\tfile:f\thashed\n" HASHED_4;
	static const char none[] = HASHED_1 HASHED_2
	    "trusted comment: \n" HASHED_4;
	const struct crb_public_key key = public_key(PUBLIC);
	struct crb_err err;

	(void)state;
	assert_int_equal(verify(other, &key, CONTENT, &err), CRB_ERR_DENIED);
	assert_non_null(strstr(err.msg, "trusted comment"));
	assert_int_equal(verify(none, &key, CONTENT, &err), CRB_ERR_DENIED);
}

static void
another_key_is_refused_and_both_are_named(void **state)
{
	struct crb_public_key key = public_key(PUBLIC);
	struct crb_err err;

	(void)state;
	key.id[0] ^= 1;
	assert_int_equal(verify(HASHED, &key, CONTENT, &err), CRB_ERR_DENIED);
	assert_non_null(strstr(err.msg,
	    "key 5153CA215988AE0F, and not with "
	    "key 5153CA215988AE0E"));
	/* One that says that it is it. */
	key = public_key(PUBLIC);
	key.key[0] ^= 1;
	assert_int_equal(verify(HASHED, &key, CONTENT, &err), CRB_ERR_DENIED);
}

/* Whatever byte of the file is changed: but for the first line's. */
static void
no_bit_can_be_changed(void **state)
{
	const struct crb_public_key key = public_key(PUBLIC);
	char file[] = HASHED;
	struct crb_err err;

	(void)state;
	for (size_t i = strlen(HASHED_1); i < strlen(file) - 1; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			file[i] = (char)(file[i] ^ 1 << bit);
			if (verify(file, &key, CONTENT, &err) == CRB_OK)
				fail_msg("byte %zu, bit %u", i, bit);
			file[i] = (char)(file[i] ^ 1 << bit);
		}
	}
	assert_int_equal(verify(file, &key, CONTENT, &err), CRB_OK);
}

static void
a_file_cut_short_is_refused(void **state)
{
	struct crb_signature signature;
	struct crb_public_key key;
	struct crb_err err;

	(void)state;
	/* The last line's end may be missing. */
	for (size_t len = 0; len < strlen(HASHED) - 1; len++)
		assert_int_equal(
		    crb_signature_parse(HASHED, len, &signature, &err),
		    CRB_ERR_INVALID);
	for (size_t len = 0; len < strlen(PUBLIC) - 1; len++)
		assert_int_equal(crb_public_key_parse(PUBLIC, len, &key, &err),
		    CRB_ERR_INVALID);
	assert_int_equal(
	    crb_signature_parse(HASHED, strlen(HASHED) - 1, &signature, &err),
	    CRB_OK);
}

static const struct malformed {
	const char *file;
	const char *says;
} malformed[] = {
	{ "", "line 1 is missing" },
	{ "\n", "line 1 does not start with" },
	{ HASHED_1, "line 2 is missing" },
	{ HASHED_1 HASHED_2, "line 3 is missing" },
	{ HASHED_2 HASHED_3 HASHED_4, "line 1 does not start with" },
	{ HASHED "\n", "something behind line 4" },
	{ HASHED HASHED, "something behind line 4" },
	{ HASHED_1 HASHED_2 HASHED_1 HASHED_4, "line 3 does not start with" },
	{ HASHED_1 HASHED_2 HASHED_3 HASHED_2,
	    "line 4 is not the signature of a trusted comment, but a "
	    "signature" },
	{ HASHED_1 HASHED_2 "trusted comment: a\001b\n" HASHED_4,
	    "line 3 has control characters" },
	{ HASHED_1 " " HASHED_2 HASHED_3 HASHED_4,
	    "line 2 is not a signature "
	    "in base64" },
	{ PUBLIC, "line 2 is not a signature, but a public key" },
	{ SECRET, "line 2 is not a signature, but a secret key" },
	{ "-----BEGIN PGP SIGNATURE-----\n\niQ\n", "of OpenPGP" },
	{ "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n", "of ssh-keygen" },
	{ "-----BEGIN PUBLIC KEY-----\n", "PEM" },
	{ "{\"tier\": \"organization\"}\n", "JSON" },
};

static void
a_malformed_file_is_refused_and_the_line_told(void **state)
{
	struct crb_signature signature;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
		const char *file = malformed[i].file;

		assert_int_equal(
		    crb_signature_parse(file, strlen(file), &signature, &err),
		    CRB_ERR_INVALID);
		if (strstr(err.msg, malformed[i].says) == NULL)
			fail_msg("%zu: %s", i, err.msg);
	}
}

static void
a_comment_has_minisigns_bound(void **state)
{
	static char file[2 * CRB_SIGNATURE_FILE_MAX];
	struct crb_signature signature;
	struct crb_err err;

	(void)state;
	for (int over = 0; over < 2; over++) {
		(void)snprintf(file, sizeof(file),
		    "%strusted comment: %0*d\n%s", HASHED_1 HASHED_2,
		    8190 - 17 + over, 1, HASHED_4);
		assert_int_equal(
		    crb_signature_parse(file, strlen(file), &signature, &err),
		    over ? CRB_ERR_INVALID : CRB_OK);
		(void)snprintf(file, sizeof(file),
		    "untrusted comment: %0*d\n%s", 1022 - 19 + over, 1,
		    HASHED_2 HASHED_3 HASHED_4);
		assert_int_equal(
		    crb_signature_parse(file, strlen(file), &signature, &err),
		    over ? CRB_ERR_INVALID : CRB_OK);
	}
}

static void
lines_may_end_as_on_windows(void **state)
{
	const struct crb_public_key key = public_key(PUBLIC);
	char file[2 * sizeof(HASHED)];
	size_t len = 0;
	struct crb_err err;

	(void)state;
	for (const char *p = HASHED; *p != '\0'; p++) {
		if (*p == '\n')
			file[len++] = '\r';
		file[len++] = *p;
	}
	file[len] = '\0';
	assert_int_equal(verify(file, &key, CONTENT, &err), CRB_OK);
}

static void
algorithms_that_are_not_known_are_refused(void **state)
{
	static const char signature_text[] = HASHED_1
	    "SS" /* of "RUQProhZ..." */
	    "QProhZIcpTUTb/o3zniD1B6Mf19EH4SMqrHmt0QIoYPZABLsmBu6z4gd"
	    "JmPIAhksyEhReiyJHbW4TdNl+2U30pHFr1lCoPLwQ=\n" HASHED_3 HASHED_4;
	static const char key_text[] =
	    "untrusted comment: x\n"
	    "RUQProhZIcpTUc5aYOKqnScnZFO1op8YtZHdLOvzcguxV00/BkJc6SO6\n";
	struct crb_signature signature;
	struct crb_public_key key;
	struct crb_err err;

	(void)state;
	assert_int_equal(crb_signature_parse(signature_text,
			     strlen(signature_text), &signature, &err),
	    CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "algorithm"));
	assert_int_equal(
	    crb_public_key_parse(key_text, strlen(key_text), &key, &err),
	    CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "algorithm"));
}

/* --- Secret keys ------------------------------------------------------- */

static void
what_a_key_of_minisign_signs_is_verified(void **state)
{
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	const struct crb_public_key public = public_key(PUBLIC);
	struct crb_public_key its;
	bool encrypted = true;
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    crb_signing_key_encrypted(SECRET, strlen(SECRET), &encrypted, &err),
	    CRB_OK);
	assert_false(encrypted);
	assert_int_equal(
	    crb_signing_key_parse(SECRET, strlen(SECRET), NULL, &key, &err),
	    CRB_OK);
	crb_signing_key_public(key, &its);
	assert_memory_equal(&its, &public, sizeof(its));
	assert_int_equal(crb_signing_key_sign(
			     key, CRB_SLICE(CONTENT), OUR_COMMENT, &file, &err),
	    CRB_OK);
	assert_int_equal(verify(file.data, &public, CONTENT, &err), CRB_OK);
	assert_non_null(
	    strstr(file.data, "\ntrusted comment: " OUR_COMMENT "\n"));
	/* Ed25519 leaves nothing to chance: it is minisign's own line. */
	assert_non_null(strstr(file.data, HASHED_2));
}

static void
make_file(struct crb_buf *file, const char *words, uint8_t id[CRB_KEY_ID_BYTES])
{
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	struct crb_public_key public;
	struct crb_err err;

	assert_int_equal(crb_signing_key_new(&key, &err), CRB_OK);
	if (words != NULL)
		assert_int_equal(
		    crb_secret_copy(words, strlen(words), &passphrase, &err),
		    CRB_OK);
	assert_int_equal(
	    crb_signing_key_file(key, passphrase, &cheap, file, &err), CRB_OK);
	crb_signing_key_public(key, &public);
	memcpy(id, public.id, sizeof(public.id));
}

static enum crb_status
open_file(const char *file, size_t len, const char *words,
    uint8_t id[CRB_KEY_ID_BYTES], struct crb_err *err)
{
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	struct crb_public_key public;

	if (words != NULL)
		assert_int_equal(
		    crb_secret_copy(words, strlen(words), &passphrase, err),
		    CRB_OK);
	if (crb_signing_key_parse(file, len, passphrase, &key, err) != CRB_OK)
		return err->status;
	crb_signing_key_public(key, &public);
	memcpy(id, public.id, sizeof(public.id));
	return CRB_OK;
}

static void
a_key_comes_back_with_its_passphrase_only(void **state)
{
	CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);
	uint8_t id[CRB_KEY_ID_BYTES], its[CRB_KEY_ID_BYTES];
	bool encrypted = false;
	struct crb_err err;

	(void)state;
	make_file(&file, "pass phrase", id);
	assert_int_equal(
	    crb_signing_key_encrypted(file.data, file.len, &encrypted, &err),
	    CRB_OK);
	assert_true(encrypted);
	assert_int_equal(
	    open_file(file.data, file.len, "pass phrase", its, &err), CRB_OK);
	assert_memory_equal(id, its, sizeof(id));
	assert_int_equal(
	    open_file(file.data, file.len, "pass phrasf", its, &err),
	    CRB_ERR_DENIED);
	assert_int_equal(
	    open_file(file.data, file.len, NULL, its, &err), CRB_ERR_INVALID);
}

static void
a_key_without_a_passphrase_comes_back(void **state)
{
	CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT_WIPED(
	    CRB_SIGNATURE_FILE_MAX);
	uint8_t id[CRB_KEY_ID_BYTES], its[CRB_KEY_ID_BYTES];
	struct crb_err err;

	(void)state;
	make_file(&file, NULL, id);
	assert_int_equal(
	    open_file(file.data, file.len, NULL, its, &err), CRB_OK);
	assert_memory_equal(id, its, sizeof(id));
}

/* Changes a byte of the record behind a file's second line. */
static void
change(struct crb_buf *file, size_t at, uint8_t with)
{
	char *line = strchr(file->data, '\n') + 1;
	uint8_t record[158];
	size_t len = 0;

	assert_int_equal(
	    sodium_base642bin(record, sizeof(record), line, strlen(line) - 1,
		NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL),
	    0);
	assert_int_equal(len, sizeof(record));
	record[at] ^= with;
	(void)sodium_bin2base64(
	    line, 213, record, sizeof(record), sodium_base64_VARIANT_ORIGINAL);
	strcat(line, "\n");
}

/* Of a key without a checksum only the id may be another, as with minisign. */
static void
halves_that_do_not_belong_together_are_refused(void **state)
{
	enum { SEED = 62, PUBLIC_HALF = 94, CHECKSUM = 126 };
	static const size_t places[] = { SEED, SEED + 31, PUBLIC_HALF,
		PUBLIC_HALF + 31, CHECKSUM, CHECKSUM + 31 };
	uint8_t id[CRB_KEY_ID_BYTES], its[CRB_KEY_ID_BYTES];
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT_WIPED(
		    CRB_SIGNATURE_FILE_MAX);

		make_file(&file, NULL, id);
		change(&file, places[i], 1);
		assert_int_equal(
		    open_file(file.data, file.len, NULL, its, &err),
		    CRB_ERR_INVALID);
		assert_non_null(strstr(err.msg, "belong together"));
	}
}

static void
a_key_that_costs_too_much_is_refused_at_once(void **state)
{
	enum { OPERATIONS = 38, MEMORY = 46 };
	static const size_t places[] = { OPERATIONS + 7, MEMORY + 7,
		OPERATIONS + 4, MEMORY + 4 };
	uint8_t id[CRB_KEY_ID_BYTES], its[CRB_KEY_ID_BYTES];
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT_WIPED(
		    CRB_SIGNATURE_FILE_MAX);

		make_file(&file, "x", id);
		change(&file, places[i], 0x40);
		assert_int_equal(open_file(file.data, file.len, "x", its, &err),
		    CRB_ERR_INVALID);
		assert_non_null(strstr(err.msg, "more than minisign"));
	}
}

static void
a_secret_key_cut_short_is_refused_and_never_shown(void **state)
{
	uint8_t id[CRB_KEY_ID_BYTES];
	struct crb_err err;

	(void)state;
	for (size_t len = 0; len < strlen(SECRET) - 1; len++) {
		assert_int_equal(
		    open_file(SECRET, len, NULL, id, &err), CRB_ERR_INVALID);
		assert_null(strstr(err.msg, "RWQ"));
	}
	assert_int_equal(
	    open_file(PUBLIC, strlen(PUBLIC), NULL, id, &err), CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "not a secret key, but a public key"));
}

static void
a_passphrase_that_minisign_cannot_be_told_is_refused(void **state)
{
	static char words[CRB_SIGNING_PASSPHRASE_MAX + 2];
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	struct crb_err err;

	(void)state;
	assert_int_equal(crb_signing_key_new(&key, &err), CRB_OK);
	memset(words, 'x', sizeof(words) - 1);
	for (int i = 0; i < 2; i++) {
		CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT_WIPED(
		    CRB_SIGNATURE_FILE_MAX);
		CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
		const char *text = i == 0 ? words : "two\nlines";

		assert_int_equal(
		    crb_secret_copy(text, strlen(text), &passphrase, &err),
		    CRB_OK);
		assert_int_equal(
		    crb_signing_key_file(key, passphrase, &cheap, &file, &err),
		    CRB_ERR_INVALID);
		assert_int_equal(file.len, 0);
	}
}

static void
a_trusted_comment_is_one_bounded_line(void **state)
{
	static char comment[CRB_SIGNING_COMMENT_MAX + 2];
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;
	CRB_AUTO_BUF struct crb_buf file = CRB_BUF_INIT(CRB_SIGNATURE_FILE_MAX);
	struct crb_err err;

	(void)state;
	assert_int_equal(crb_signing_key_new(&key, &err), CRB_OK);
	memset(comment, 'x', CRB_SIGNING_COMMENT_MAX);
	assert_int_equal(
	    crb_signing_key_sign(key, CRB_SLICE(CONTENT), comment, &file, &err),
	    CRB_OK);
	crb_buf_reset(&file);
	comment[CRB_SIGNING_COMMENT_MAX] = 'x';
	assert_int_equal(
	    crb_signing_key_sign(key, CRB_SLICE(CONTENT), comment, &file, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(crb_signing_key_sign(key, CRB_SLICE(CONTENT),
			     "a\nuntrusted comment: b", &file, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(file.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_minisign_signed_is_verified),
		cmocka_unit_test(other_content_is_refused),
		cmocka_unit_test(a_signature_is_of_its_own_kind_only),
		cmocka_unit_test(another_trusted_comment_is_refused),
		cmocka_unit_test(another_key_is_refused_and_both_are_named),
		cmocka_unit_test(no_bit_can_be_changed),
		cmocka_unit_test(a_file_cut_short_is_refused),
		cmocka_unit_test(a_malformed_file_is_refused_and_the_line_told),
		cmocka_unit_test(a_comment_has_minisigns_bound),
		cmocka_unit_test(lines_may_end_as_on_windows),
		cmocka_unit_test(algorithms_that_are_not_known_are_refused),
		cmocka_unit_test(what_a_key_of_minisign_signs_is_verified),
		cmocka_unit_test(a_key_comes_back_with_its_passphrase_only),
		cmocka_unit_test(a_key_without_a_passphrase_comes_back),
		cmocka_unit_test(
		    halves_that_do_not_belong_together_are_refused),
		cmocka_unit_test(a_key_that_costs_too_much_is_refused_at_once),
		cmocka_unit_test(
		    a_secret_key_cut_short_is_refused_and_never_shown),
		cmocka_unit_test(
		    a_passphrase_that_minisign_cannot_be_told_is_refused),
		cmocka_unit_test(a_trusted_comment_is_one_bounded_line),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
