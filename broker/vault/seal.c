#include "broker/vault/seal.h"

#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/slab.h"
#include "broker/vault/bytes.h"
#include "broker/vault/header.h"

enum {
	FORMAT = 1,

	EPOCH_AT = 1,
	NONCE_AT = 5,
	TEXT_AT = 29,
	TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,

	/* format, epoch, kind, id, revision, vault id */
	DATA_BYTES = 1 + 4 + 4 + CRB_RECORD_ID_BYTES + 8 + CRB_VAULT_ID_BYTES,
};

_Static_assert(
    TEXT_AT + TAG_BYTES == CRB_SEAL_OVERHEAD, "the record's parts add up");

static void
associated_data(
    uint8_t out[DATA_BYTES], uint32_t epoch, const struct crb_seal_label *label)
{
	uint8_t *p = out;

	*p++ = FORMAT;
	crb_put_u32(p, epoch);
	p += 4;
	crb_put_u32(p, (uint32_t)label->kind);
	p += 4;
	memcpy(p, label->id.bytes, CRB_RECORD_ID_BYTES);
	p += CRB_RECORD_ID_BYTES;
	crb_put_u64(p, label->revision);
	p += 8;
	memcpy(p, label->vault_id, CRB_VAULT_ID_BYTES);
}

void
crb_seal(uint8_t *out, const struct crb_key *key, uint32_t epoch,
    const struct crb_seal_label *label, const void *plain, size_t len)
{
	uint8_t data[DATA_BYTES];

	associated_data(data, epoch, label);
	out[0] = FORMAT;
	crb_put_u32(out + EPOCH_AT, epoch);
	randombytes_buf(out + NONCE_AT, TEXT_AT - NONCE_AT);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + TEXT_AT, NULL,
	    plain, len, data, sizeof(data), NULL, out + NONCE_AT,
	    crb_key_bytes(key));
}

enum crb_status
crb_seal_epoch(
    const void *sealed, size_t len, uint32_t *epoch, struct crb_err *err)
{
	const uint8_t *p = sealed;

	if (len < CRB_SEAL_OVERHEAD)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "truncated: only %zu bytes are left", len);
	if (p[0] != FORMAT)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "sealed in format %u; this program reads %u", p[0], FORMAT);
	*epoch = crb_get_u32(p + EPOCH_AT);
	return CRB_OK;
}

enum crb_status
crb_seal_open(const void *sealed, size_t len, const struct crb_key *key,
    const struct crb_seal_label *label, struct crb_secret **plain,
    struct crb_err *err)
{
	const uint8_t *p = sealed;
	CRB_AUTO_SLAB uint8_t *text = NULL;
	uint8_t data[DATA_BYTES];
	enum crb_status status;
	uint32_t epoch;
	size_t text_len;

	if ((status = crb_seal_epoch(sealed, len, &epoch, err)) != CRB_OK)
		return status;
	text_len = len - CRB_SEAL_OVERHEAD;
	if ((text = crb_slab_alloc(text_len + 1)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a record");
	associated_data(data, epoch, label);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL,
		p + TEXT_AT, len - TEXT_AT, data, sizeof(data), p + NONCE_AT,
		crb_key_bytes(key)) != 0)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited, swapped with another, or put back from before");
	return crb_secret_take(text, text_len, plain, err);
}
