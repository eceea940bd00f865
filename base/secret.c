#include "base/secret.h"

#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/slab.h"

struct crb_secret {
	size_t len; /* without the NUL */
	char bytes[];
};

enum crb_status
crb_secret_copy(
    const void *bytes, size_t len, struct crb_secret **out, struct crb_err *err)
{
	struct crb_secret *secret = NULL;

	if (len < SIZE_MAX - sizeof(*secret))
		secret = crb_slab_alloc(sizeof(*secret) + len + 1);
	if (secret == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM,
		    "no memory for a secret of %zu bytes", len);
	secret->len = len;
	if (len > 0)
		memcpy(secret->bytes, bytes, len);
	*out = secret;
	return CRB_OK;
}

enum crb_status
crb_secret_take(
    void *bytes, size_t len, struct crb_secret **out, struct crb_err *err)
{
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, len };

	return crb_secret_copy(bytes, len, out, err);
}

void
crb_secret_free(struct crb_secret *secret)
{
	crb_slab_free(secret);
}

const char *
crb_secret_bytes(const struct crb_secret *secret)
{
	return secret->bytes;
}

size_t
crb_secret_len(const struct crb_secret *secret)
{
	return secret->len;
}

struct crb_key {
	uint8_t bytes[CRB_KEY_BYTES];
};

static enum crb_status
key_alloc(struct crb_key **out, struct crb_err *err)
{
	struct crb_key *key;

	if (sodium_init() < 0)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libsodium does not start");
	if ((key = sodium_malloc(sizeof(*key))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no guarded memory for a key");
	*out = key;
	return CRB_OK;
}

/* From here on nobody can write to it. */
static enum crb_status
key_seal(struct crb_key **key, struct crb_key **out, struct crb_err *err)
{
	if (sodium_mprotect_readonly(*key) != 0)
		return crb_err_errno(err, "protecting a key");
	*out = CRB_STEAL(*key);
	return CRB_OK;
}

enum crb_status
crb_key_random(struct crb_key **out, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *key = NULL;

	if (key_alloc(&key, err) != CRB_OK)
		return err->status;
	randombytes_buf(key->bytes, sizeof(key->bytes));
	return key_seal(&key, out, err);
}

enum crb_status
crb_key_take(
    uint8_t bytes[CRB_KEY_BYTES], struct crb_key **out, struct crb_err *err)
{
	CRB_AUTO_WIPE const struct crb_wipe wipe = { bytes, CRB_KEY_BYTES };
	CRB_AUTO_KEY struct crb_key *key = NULL;

	if (key_alloc(&key, err) != CRB_OK)
		return err->status;
	memcpy(key->bytes, bytes, sizeof(key->bytes));
	return key_seal(&key, out, err);
}

enum crb_status
crb_key_derive(const struct crb_key *key, uint64_t id, const char *context,
    struct crb_key **out, struct crb_err *err)
{
	CRB_AUTO_KEY struct crb_key *sub = NULL;

	if (strlen(context) != crypto_kdf_CONTEXTBYTES)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a key's context has %u characters",
		    (unsigned)crypto_kdf_CONTEXTBYTES);
	if (key_alloc(&sub, err) != CRB_OK)
		return err->status;
	if (crypto_kdf_derive_from_key(
		sub->bytes, sizeof(sub->bytes), id, context, key->bytes) != 0)
		return crb_err_set(err, CRB_ERR_SYSTEM, "deriving a key");
	return key_seal(&sub, out, err);
}

void
crb_key_free(struct crb_key *key)
{
	sodium_free(key);
}

const uint8_t *
crb_key_bytes(const struct crb_key *key)
{
	return key->bytes;
}

_Static_assert(CRB_KEY_BYTES == crypto_kdf_KEYBYTES, "sub-keys are keys");
