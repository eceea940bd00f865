#include "policy/signing_key.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/slab.h"
#include "policy/minisign.h"

#define KDF "Sc" /* scrypt */
#define CHECKSUM "B2"

/* A secret key's bytes; numbers are little-endian. */
struct record {
	uint8_t algorithm[2];
	uint8_t kdf[2]; /* all zeros: the sealed part is not encrypted */
	uint8_t checksum_algorithm[2];
	uint8_t salt[crypto_pwhash_scryptsalsa208sha256_SALTBYTES];
	uint8_t operations[8];
	uint8_t memory[8];
	struct sealed {
		uint8_t id[CRB_KEY_ID_BYTES];
		uint8_t secret[crypto_sign_SECRETKEYBYTES];
		/* BLAKE2b-256 of algorithm, id and secret. */
		uint8_t checksum[crypto_generichash_BYTES];
	} sealed;
};
_Static_assert(sizeof(struct record) == CRB_MINISIGN_SECRET, "packed");

struct crb_signing_key {
	uint8_t id[CRB_KEY_ID_BYTES];
	struct crb_secret *secret; /* crypto_sign_SECRETKEYBYTES */
};

const struct crb_scrypt crb_scrypt_usual = {
	crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE,
	crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_SENSITIVE,
};

void
crb_signing_key_free(struct crb_signing_key *key)
{
	if (key == NULL)
		return;
	crb_secret_free(key->secret);
	free(key);
}

/* Takes the secret: it is wiped. */
static enum crb_status
key_take(
    struct sealed *sealed, struct crb_signing_key **out, struct crb_err *err)
{
	CRB_AUTO_SIGNING_KEY struct crb_signing_key *key = NULL;

	if ((key = calloc(1, sizeof(*key))) == NULL) {
		sodium_memzero(sealed, sizeof(*sealed));
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	memcpy(key->id, sealed->id, sizeof(key->id));
	if (crb_secret_take(sealed->secret, sizeof(sealed->secret),
		&key->secret, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(key);
	return CRB_OK;
}

enum crb_status
crb_signing_key_new(struct crb_signing_key **out, struct crb_err *err)
{
	CRB_AUTO_SLAB struct sealed *sealed = crb_slab_alloc(sizeof(*sealed));
	uint8_t public[crypto_sign_PUBLICKEYBYTES];

	if (sealed == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	randombytes_buf(sealed->id, sizeof(sealed->id));
	(void)crypto_sign_keypair(public, sealed->secret);
	return key_take(sealed, out, err);
}

/* scrypt's bytes over the sealed part, either way. */
static enum crb_status
seal(struct record *record, const struct crb_secret *passphrase,
    const struct crb_scrypt *cost, struct crb_err *err)
{
	CRB_AUTO_SLAB uint8_t *stream = crb_slab_alloc(sizeof(record->sealed));
	uint8_t *at = (uint8_t *)&record->sealed;

	if (stream == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof(record->sealed),
		crb_secret_bytes(passphrase), crb_secret_len(passphrase),
		record->salt, cost->operations, (size_t)cost->memory) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM,
		    "the passphrase needs %llu MiB of memory, and they are not "
		    "to be had",
		    (unsigned long long)cost->memory >> 20);
	for (size_t i = 0; i < sizeof(record->sealed); i++)
		at[i] ^= stream[i];
	return CRB_OK;
}

static void
checksum(const struct record *record, uint8_t out[crypto_generichash_BYTES])
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(
	    &state, NULL, 0, crypto_generichash_BYTES);
	(void)crypto_generichash_update(
	    &state, record->algorithm, sizeof(record->algorithm));
	(void)crypto_generichash_update(
	    &state, record->sealed.id, sizeof(record->sealed.id));
	(void)crypto_generichash_update(
	    &state, record->sealed.secret, sizeof(record->sealed.secret));
	(void)crypto_generichash_final(&state, out, crypto_generichash_BYTES);
	sodium_memzero(&state, sizeof(state));
}

static uint64_t
load64(const uint8_t bytes[8])
{
	uint64_t value = 0;

	for (size_t i = 8; i > 0; i--)
		value = value << 8 | bytes[i - 1];
	return value;
}

static void
store64(uint8_t bytes[8], uint64_t value)
{
	for (size_t i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

static bool
is_encrypted(const struct record *record)
{
	return memcmp(record->kdf, KDF, sizeof(record->kdf)) == 0;
}

static enum crb_status
record_parse(
    const char *text, size_t len, struct record *record, struct crb_err *err)
{
	struct crb_minisign lines;

	crb_minisign_start(&lines, text, len);
	if (crb_minisign_comment(&lines, CRB_MINISIGN_UNTRUSTED,
		CRB_MINISIGN_UNTRUSTED_MAX, NULL, err) != CRB_OK ||
	    crb_minisign_bytes(&lines, record, sizeof(*record), err) !=
		CRB_OK ||
	    crb_minisign_end(&lines, err) != CRB_OK)
		return err->status;
	if (memcmp(record->algorithm, CRB_MINISIGN_ALGORITHM,
		sizeof(record->algorithm)) != 0 ||
	    memcmp(record->checksum_algorithm, CHECKSUM,
		sizeof(record->checksum_algorithm)) != 0 ||
	    (!is_encrypted(record) &&
		!sodium_is_zero(record->kdf, sizeof(record->kdf))))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "line 2 is a secret key of an algorithm that is not known");
	return CRB_OK;
}

enum crb_status
crb_signing_key_encrypted(
    const char *text, size_t len, bool *out, struct crb_err *err)
{
	CRB_AUTO_SLAB struct record *record = crb_slab_alloc(sizeof(*record));

	if (record == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (record_parse(text, len, record, err) != CRB_OK)
		return err->status;
	*out = is_encrypted(record);
	return CRB_OK;
}

static enum crb_status
record_open(struct record *record, const struct crb_secret *passphrase,
    struct crb_err *err)
{
	const struct crb_scrypt cost = { load64(record->operations),
		load64(record->memory) };

	if (passphrase == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the key is encrypted, and there is no passphrase");
	if (crb_secret_len(passphrase) > CRB_SIGNING_PASSPHRASE_MAX)
		return crb_err_set(
		    err, CRB_ERR_DENIED, "the passphrase is wrong");
	if (cost.operations > crb_scrypt_usual.operations ||
	    cost.memory > crb_scrypt_usual.memory)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the passphrase is to cost more than minisign lets it");
	return seal(record, passphrase, &cost, err);
}

/*
 * minisign writes no checksum when a key was never encrypted.  Of one that was,
 * it shows whether the passphrase was right.
 */
static bool
checksum_fits(const struct record *record)
{
	uint8_t wanted[crypto_generichash_BYTES];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { wanted, sizeof(wanted) };

	if (!is_encrypted(record) &&
	    sodium_is_zero(
		record->sealed.checksum, sizeof(record->sealed.checksum)))
		return true;
	checksum(record, wanted);
	return sodium_memcmp(record->sealed.checksum, wanted, sizeof(wanted)) ==
	    0;
}

/* The public half, which is in the secret one too, is of this seed. */
static bool
halves_fit(const struct sealed *sealed)
{
	CRB_AUTO_SLAB uint8_t *secret = crb_slab_alloc(sizeof(sealed->secret));
	uint8_t public[crypto_sign_PUBLICKEYBYTES];

	if (secret == NULL)
		return false;
	(void)crypto_sign_seed_keypair(public, secret, sealed->secret);
	return sodium_memcmp(secret, sealed->secret, sizeof(sealed->secret)) ==
	    0;
}

enum crb_status
crb_signing_key_parse(const char *text, size_t len,
    const struct crb_secret *passphrase, struct crb_signing_key **out,
    struct crb_err *err)
{
	CRB_AUTO_SLAB struct record *record = crb_slab_alloc(sizeof(*record));

	if (record == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (record_parse(text, len, record, err) != CRB_OK ||
	    (is_encrypted(record) &&
		record_open(record, passphrase, err) != CRB_OK))
		return err->status;
	if (!checksum_fits(record) && is_encrypted(record))
		return crb_err_set(
		    err, CRB_ERR_DENIED, "the passphrase is wrong");
	if (!checksum_fits(record) || !halves_fit(&record->sealed))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the secret key is damaged: its parts do not belong "
		    "together");
	return key_take(&record->sealed, out, err);
}

static enum crb_status
check_passphrase(const struct crb_secret *passphrase, struct crb_err *err)
{
	const char *bytes = crb_secret_bytes(passphrase);
	size_t len = crb_secret_len(passphrase);

	if (len > CRB_SIGNING_PASSPHRASE_MAX || memchr(bytes, '\n', len) ||
	    memchr(bytes, '\0', len))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a passphrase is one line of %d bytes at most",
		    CRB_SIGNING_PASSPHRASE_MAX);
	return CRB_OK;
}

static enum crb_status
record_seal(struct record *record, const struct crb_secret *passphrase,
    const struct crb_scrypt *cost, struct crb_err *err)
{
	if (check_passphrase(passphrase, err) != CRB_OK)
		return err->status;
	memcpy(record->kdf, KDF, sizeof(record->kdf));
	randombytes_buf(record->salt, sizeof(record->salt));
	store64(record->operations, cost->operations);
	store64(record->memory, cost->memory);
	checksum(record, record->sealed.checksum);
	return seal(record, passphrase, cost, err);
}

enum crb_status
crb_signing_key_file(const struct crb_signing_key *key,
    const struct crb_secret *passphrase, const struct crb_scrypt *cost,
    struct crb_buf *out, struct crb_err *err)
{
	CRB_AUTO_SLAB struct record *record = crb_slab_alloc(sizeof(*record));

	if (record == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*record = (struct record){ .kdf = { 0 } };
	memcpy(record->algorithm, CRB_MINISIGN_ALGORITHM,
	    sizeof(record->algorithm));
	memcpy(record->checksum_algorithm, CHECKSUM,
	    sizeof(record->checksum_algorithm));
	memcpy(record->sealed.id, key->id, sizeof(key->id));
	memcpy(record->sealed.secret, crb_secret_bytes(key->secret),
	    sizeof(record->sealed.secret));
	if (passphrase != NULL &&
	    record_seal(record, passphrase, cost, err) != CRB_OK)
		return err->status;
	crb_buf_printf(out, CRB_MINISIGN_UNTRUSTED "minisign %s secret key\n",
	    passphrase != NULL ? "encrypted" : "unencrypted");
	crb_text_base64(out, record, sizeof(*record));
	crb_buf_char(out, '\n');
	return crb_buf_check(out, "the secret key", err);
}

static const uint8_t *
secret_of(const struct crb_signing_key *key)
{
	return (const uint8_t *)crb_secret_bytes(key->secret);
}

void
crb_signing_key_public(
    const struct crb_signing_key *key, struct crb_public_key *out)
{
	memcpy(out->id, key->id, sizeof(out->id));
	(void)crypto_sign_ed25519_sk_to_pk(out->key, secret_of(key));
}

static void
sign_content(const struct crb_signing_key *key, struct crb_slice content,
    uint8_t signature[crypto_sign_BYTES])
{
	uint8_t hash[crypto_generichash_BYTES_MAX];

	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)content.p,
	    content.len, NULL, 0);
	(void)crypto_sign_detached(
	    signature, NULL, hash, sizeof(hash), secret_of(key));
}

static void
sign_comment(const struct crb_signing_key *key,
    const uint8_t signature[crypto_sign_BYTES], const char *comment,
    uint8_t global[crypto_sign_BYTES])
{
	uint8_t both[crypto_sign_BYTES + CRB_SIGNING_COMMENT_MAX];
	size_t len = strlen(comment);

	memcpy(both, signature, crypto_sign_BYTES);
	memcpy(both + crypto_sign_BYTES, comment, len);
	(void)crypto_sign_detached(
	    global, NULL, both, crypto_sign_BYTES + len, secret_of(key));
}

/* A computer that errs while it signs could give the key away. */
static enum crb_status
check_signed(const struct crb_signing_key *key, struct crb_slice content,
    const struct crb_buf *file, struct crb_err *err)
{
	struct crb_signature signature;
	struct crb_public_key public;

	crb_signing_key_public(key, &public);
	if (crb_buf_check(file, "the signature", err) != CRB_OK ||
	    crb_signature_parse(file->data, file->len, &signature, err) !=
		CRB_OK ||
	    crb_signature_verify(
		&signature, &public, content.p, content.len, err) != CRB_OK)
		return crb_err_context(err, "what was just signed");
	return CRB_OK;
}

enum crb_status
crb_signing_key_sign(const struct crb_signing_key *key,
    struct crb_slice content, const char *comment, struct crb_buf *out,
    struct crb_err *err)
{
	uint8_t record[CRB_MINISIGN_SIGNATURE], global[CRB_MINISIGN_GLOBAL];
	uint8_t *signature = record + sizeof(record) - crypto_sign_BYTES;

	if (strlen(comment) > CRB_SIGNING_COMMENT_MAX ||
	    !crb_minisign_comment_ok(CRB_SLICE(comment)))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a trusted comment is one line of %d bytes at most, "
		    "without control characters",
		    CRB_SIGNING_COMMENT_MAX);
	memcpy(record, CRB_MINISIGN_HASHED, 2);
	memcpy(record + 2, key->id, sizeof(key->id));
	sign_content(key, content, signature);
	sign_comment(key, signature, comment, global);
	crb_buf_str(out,
	    CRB_MINISIGN_UNTRUSTED "signature from credbroker policy sign\n");
	crb_text_base64(out, record, sizeof(record));
	crb_buf_printf(out, "\n" CRB_MINISIGN_TRUSTED "%s\n", comment);
	crb_text_base64(out, global, sizeof(global));
	crb_buf_char(out, '\n');
	return check_signed(key, content, out, err);
}
