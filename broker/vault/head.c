#include "broker/vault/head.h"

#include <string.h>

#include <sodium.h>

#include "broker/vault/bytes.h"

enum {
	FORMAT = 1,
	GENERATION_AT = 1,
	COUNT_AT = 9,
	EPOCH_AT = 17,
	SUM_AT = 21
};

_Static_assert(
    SUM_AT + CRB_HEAD_SUM_BYTES == CRB_HEAD_BYTES, "the head's parts add up");

const struct crb_record_id crb_head_id = { { 0 } };

void
crb_head_encode(const struct crb_head *head, uint8_t out[CRB_HEAD_BYTES])
{
	out[0] = FORMAT;
	crb_put_u64(out + GENERATION_AT, head->generation);
	crb_put_u64(out + COUNT_AT, head->count);
	crb_put_u32(out + EPOCH_AT, head->epoch);
	memcpy(out + SUM_AT, head->sum, CRB_HEAD_SUM_BYTES);
}

enum crb_status
crb_head_decode(
    const void *bytes, size_t len, struct crb_head *out, struct crb_err *err)
{
	const uint8_t *p = bytes;

	if (len != CRB_HEAD_BYTES || p[0] != FORMAT)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "the head record is of a format that this program "
		    "does not read");
	out->generation = crb_get_u64(p + GENERATION_AT);
	out->count = crb_get_u64(p + COUNT_AT);
	out->epoch = crb_get_u32(p + EPOCH_AT);
	memcpy(out->sum, p + SUM_AT, CRB_HEAD_SUM_BYTES);
	return CRB_OK;
}

static void
hash_record(uint8_t out[CRB_HEAD_SUM_BYTES], const struct crb_key *key,
    enum crb_kind kind, const struct crb_record_id *id, uint64_t revision)
{
	uint8_t label[4 + CRB_RECORD_ID_BYTES + 8];

	crb_put_u32(label, (uint32_t)kind);
	memcpy(label + 4, id->bytes, CRB_RECORD_ID_BYTES);
	crb_put_u64(label + 4 + CRB_RECORD_ID_BYTES, revision);
	(void)crypto_generichash(out, CRB_HEAD_SUM_BYTES, label, sizeof(label),
	    crb_key_bytes(key), CRB_KEY_BYTES);
}

void
crb_head_add(struct crb_head *head, const struct crb_key *key,
    enum crb_kind kind, const struct crb_record_id *id, uint64_t revision)
{
	uint8_t hash[CRB_HEAD_SUM_BYTES];

	hash_record(hash, key, kind, id, revision);
	sodium_add(head->sum, hash, sizeof(hash));
	head->count++;
}

void
crb_head_remove(struct crb_head *head, const struct crb_key *key,
    enum crb_kind kind, const struct crb_record_id *id, uint64_t revision)
{
	uint8_t hash[CRB_HEAD_SUM_BYTES];

	hash_record(hash, key, kind, id, revision);
	sodium_sub(head->sum, hash, sizeof(hash));
	head->count--;
}
