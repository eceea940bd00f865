#include "broker/vault/header.h"

#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "broker/vault/bytes.h"
#include "broker/vault/file_start.h"
#include "broker/vault/kdf.h"

enum {
	FORMAT_AT = 8,
	VAULT_ID_AT = 12,
	COUNT_AT = 28,
	SLOTS_AT = 32,

	/* in a slot */
	KIND_AT = 0,
	NUMBER_AT = 4,
	CREATED_AT = 8,
	OPERATIONS_AT = 16,
	MEMORY_AT = 24,
	SALT_AT = 32,
	NONCE_AT = 48,
	WRAPPED_AT = 72,
	SLOT_BYTES = 120,

	CHECKSUM_BYTES = 32,
	/* associated data: what is before the count, and before the nonce */
	PREFIX_BYTES = COUNT_AT + NONCE_AT,
};

_Static_assert(SLOTS_AT + CRB_HEADER_SLOTS_MAX * SLOT_BYTES + CHECKSUM_BYTES ==
	CRB_HEADER_BYTES_MAX,
    "the header's parts add up");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES + CRB_KEY_BYTES ==
	CRB_WRAPPED_BYTES,
    "a wrapped key is a key and a tag");

static const char magic[8] = { 'C', 'R', 'B', 'V', 'A', 'U', 'L', 'T' };

static void
encode_lead(const struct crb_header *header, uint8_t out[SLOTS_AT])
{
	memcpy(out, magic, sizeof(magic));
	crb_put_u32(out + FORMAT_AT, CRB_HEADER_FORMAT);
	memcpy(out + VAULT_ID_AT, header->vault_id, CRB_VAULT_ID_BYTES);
	crb_put_u32(out + COUNT_AT, (uint32_t)header->count);
}

static void
encode_slot(const struct crb_header *header, size_t i, uint8_t out[SLOT_BYTES])
{
	const struct crb_slot *slot = &header->slot[i];
	const struct crb_wrapped_key *wrapped = &header->wrapped[i];

	crb_put_u32(out + KIND_AT, (uint32_t)slot->kind);
	crb_put_u32(out + NUMBER_AT, slot->number);
	crb_put_u64(out + CREATED_AT, wrapped->created);
	crb_put_u64(out + OPERATIONS_AT, slot->kdf.cost.operations);
	crb_put_u64(out + MEMORY_AT, slot->kdf.cost.memory);
	memcpy(out + SALT_AT, slot->kdf.salt, CRB_KDF_SALT_BYTES);
	memcpy(out + NONCE_AT, wrapped->nonce, CRB_WRAP_NONCE_BYTES);
	memcpy(out + WRAPPED_AT, wrapped->bytes, CRB_WRAPPED_BYTES);
}

static void
checksum(uint8_t out[CHECKSUM_BYTES], const uint8_t *bytes, size_t len)
{
	(void)crypto_generichash(out, CHECKSUM_BYTES, bytes, len, NULL, 0);
}

void
crb_header_encode(const struct crb_header *header, struct crb_buf *out)
{
	uint8_t bytes[CRB_HEADER_BYTES_MAX];
	const size_t len = SLOTS_AT + header->count * SLOT_BYTES;

	encode_lead(header, bytes);
	for (size_t i = 0; i < header->count; i++)
		encode_slot(header, i, bytes + SLOTS_AT + i * SLOT_BYTES);
	checksum(bytes + len, bytes, len);
	crb_buf_add(out, bytes, len + CHECKSUM_BYTES);
}

/* Everything but the slots' content: which version, how long, and whole? */
static enum crb_status
check_frame(const uint8_t *p, size_t len, struct crb_err *err)
{
	uint8_t sum[CHECKSUM_BYTES];
	uint32_t format, count;
	size_t want;

	if (len < SLOTS_AT)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "truncated: only %zu bytes are left", len);
	if (memcmp(p, magic, sizeof(magic)) != 0)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "this is not a vault's header");
	if ((format = crb_get_u32(p + FORMAT_AT)) != CRB_HEADER_FORMAT)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "written by format %u; this program reads %u", format,
		    CRB_HEADER_FORMAT);
	count = crb_get_u32(p + COUNT_AT);
	if (count == 0 || count > CRB_HEADER_SLOTS_MAX)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "edited or damaged: %u slots", count);
	want = SLOTS_AT + (size_t)count * SLOT_BYTES + CHECKSUM_BYTES;
	if (len < want)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "truncated: %zu of %zu bytes are left", len, want);
	if (len > want)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited: %zu bytes where %zu belong", len, want);
	checksum(sum, p, want - CHECKSUM_BYTES);
	if (memcmp(sum, p + want - CHECKSUM_BYTES, CHECKSUM_BYTES) != 0)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited or damaged: its checksum does not fit");
	return CRB_OK;
}

static enum crb_status
check_kdf(const struct crb_slot *slot, struct crb_err *err)
{
	struct crb_err why;

	if (slot->kind == CRB_SLOT_PASSPHRASE) {
		if (crb_kdf_cost_check(&slot->kdf.cost, &why) != CRB_OK)
			return crb_err_set(err, CRB_ERR_CORRUPT,
			    "edited: slot %u: %s", slot->number, why.msg);
		return CRB_OK;
	}
	if (slot->kdf.cost.operations != 0 || slot->kdf.cost.memory != 0 ||
	    !sodium_is_zero(slot->kdf.salt, CRB_KDF_SALT_BYTES))
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited: slot %u: a key file has no cost", slot->number);
	return CRB_OK;
}

static enum crb_status
decode_slot(const uint8_t *p, struct crb_header *out, struct crb_err *err)
{
	struct crb_slot *slot = &out->slot[out->count];
	struct crb_wrapped_key *wrapped = &out->wrapped[out->count];
	const uint32_t kind = crb_get_u32(p + KIND_AT);
	const unsigned before = out->count == 0 ? 0 : slot[-1].number;

	slot->number = crb_get_u32(p + NUMBER_AT);
	if (kind != CRB_SLOT_PASSPHRASE && kind != CRB_SLOT_KEY_FILE)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited: slot %u is of kind %u", slot->number, kind);
	if (slot->number <= before)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited: slot %u follows slot %u", slot->number, before);
	slot->kind = (enum crb_slot_kind)kind;
	slot->kdf.cost.operations = crb_get_u64(p + OPERATIONS_AT);
	slot->kdf.cost.memory = crb_get_u64(p + MEMORY_AT);
	memcpy(slot->kdf.salt, p + SALT_AT, CRB_KDF_SALT_BYTES);
	wrapped->created = crb_get_u64(p + CREATED_AT);
	memcpy(wrapped->nonce, p + NONCE_AT, CRB_WRAP_NONCE_BYTES);
	memcpy(wrapped->bytes, p + WRAPPED_AT, CRB_WRAPPED_BYTES);
	out->count++;
	return check_kdf(slot, err);
}

enum crb_status
crb_header_decode(
    const void *bytes, size_t len, struct crb_header *out, struct crb_err *err)
{
	const uint8_t *p = bytes;
	struct crb_header header = { 0 };
	enum crb_status status;
	uint32_t count;

	if ((status = check_frame(p, len, err)) != CRB_OK)
		return status;
	memcpy(header.vault_id, p + VAULT_ID_AT, CRB_VAULT_ID_BYTES);
	count = crb_get_u32(p + COUNT_AT);
	for (uint32_t i = 0; i < count; i++) {
		status = decode_slot(
		    p + SLOTS_AT + (size_t)i * SLOT_BYTES, &header, err);
		if (status != CRB_OK)
			return status;
	}
	*out = header;
	return CRB_OK;
}

static void
wrap_prefix(
    const struct crb_header *header, size_t i, uint8_t out[PREFIX_BYTES])
{
	uint8_t lead[SLOTS_AT], slot[SLOT_BYTES];

	encode_lead(header, lead);
	encode_slot(header, i, slot);
	memcpy(out, lead, COUNT_AT);
	memcpy(out + COUNT_AT, slot, NONCE_AT);
}

void
crb_header_wrap(struct crb_header *header, size_t i, const struct crb_key *key,
    const struct crb_key *root)
{
	struct crb_wrapped_key *wrapped = &header->wrapped[i];
	uint8_t prefix[PREFIX_BYTES];

	randombytes_buf(wrapped->nonce, CRB_WRAP_NONCE_BYTES);
	wrap_prefix(header, i, prefix);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(wrapped->bytes, NULL,
	    crb_key_bytes(root), CRB_KEY_BYTES, prefix, sizeof(prefix), NULL,
	    wrapped->nonce, crb_key_bytes(key));
}

static const char *
wrong_key(enum crb_slot_kind kind)
{
	return kind == CRB_SLOT_PASSPHRASE ? "wrong passphrase"
					   : "not this vault's key file";
}

enum crb_status
crb_header_unwrap(const struct crb_header *header, size_t i,
    const struct crb_key *key, struct crb_key **root, struct crb_err *err)
{
	const struct crb_wrapped_key *wrapped = &header->wrapped[i];
	uint8_t prefix[PREFIX_BYTES], plain[CRB_KEY_BYTES];
	CRB_AUTO_WIPE const struct crb_wipe wipe = { plain, sizeof(plain) };

	wrap_prefix(header, i, prefix);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL,
		wrapped->bytes, CRB_WRAPPED_BYTES, prefix, sizeof(prefix),
		wrapped->nonce, crb_key_bytes(key)) != 0)
		return crb_err_set(err, CRB_ERR_DENIED, "%s (key slot %u)",
		    wrong_key(header->slot[i].kind), header->slot[i].number);
	return crb_key_take(plain, root, err);
}

enum crb_status
crb_header_read(const char *path, struct crb_header *out, struct crb_err *err)
{
	/* A byte more, so that one that is too long is seen to be. */
	uint8_t bytes[CRB_HEADER_BYTES_MAX + 1];
	size_t len = 0;
	off_t size;

	if (crb_file_start(path, bytes, sizeof(bytes), &len, &size, err) !=
		CRB_OK ||
	    crb_header_decode(bytes, len, out, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

enum crb_status
crb_header_write(
    const char *path, const struct crb_header *header, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(CRB_HEADER_BYTES_MAX);
	enum crb_status status;

	crb_header_encode(header, &buf);
	if ((status = crb_buf_check(&buf, "the header", err)) != CRB_OK)
		return status;
	return crb_io_write_file(path, buf.data, buf.len, 0600, err);
}
