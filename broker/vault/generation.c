#include "broker/vault/generation.h"

#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "broker/vault/bytes.h"

enum { VAULT_ID_AT = 8, NUMBER_AT = 24, MAC_AT = 32 };

static const char magic[8] = { 'C', 'R', 'B', 'G', 'E', 'N', 'E', 'R' };

static void
mac(uint8_t *out, const struct crb_key *key, const uint8_t *bytes)
{
	(void)crypto_generichash(out, CRB_GENERATION_BYTES - MAC_AT, bytes,
	    MAC_AT, crb_key_bytes(key), CRB_KEY_BYTES);
}

void
crb_generation_encode(uint8_t out[CRB_GENERATION_BYTES],
    const struct crb_key *key, const uint8_t vault_id[CRB_VAULT_ID_BYTES],
    uint64_t generation)
{
	memcpy(out, magic, sizeof(magic));
	memcpy(out + VAULT_ID_AT, vault_id, CRB_VAULT_ID_BYTES);
	crb_put_u64(out + NUMBER_AT, generation);
	mac(out + MAC_AT, key, out);
}

enum crb_status
crb_generation_read(int fd, const struct crb_key *key,
    const uint8_t vault_id[CRB_VAULT_ID_BYTES], uint64_t *generation,
    struct crb_err *err)
{
	uint8_t bytes[CRB_GENERATION_BYTES + 1];
	uint8_t want[CRB_GENERATION_BYTES - MAC_AT];
	const ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

	if (n == -1)
		return crb_err_errno(err, "cannot be read");
	if (n < (ssize_t)CRB_GENERATION_BYTES)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "truncated: %zd of %u bytes are left", n,
		    CRB_GENERATION_BYTES);
	if (n > (ssize_t)CRB_GENERATION_BYTES ||
	    memcmp(bytes, magic, sizeof(magic)) != 0)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "edited: not credbroker's");
	if (memcmp(bytes + VAULT_ID_AT, vault_id, CRB_VAULT_ID_BYTES) != 0)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "it belongs to another vault");
	mac(want, key, bytes);
	if (sodium_memcmp(want, bytes + MAC_AT, sizeof(want)) != 0)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "edited: its seal does not fit");
	*generation = crb_get_u64(bytes + NUMBER_AT);
	return CRB_OK;
}
