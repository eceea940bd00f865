/*
 * A sealed record under a key that is known: what was sealed opens, and opens
 * no more when one byte of it, or of what it was sealed as, is another.
 * Input: which byte, with what it is changed, then the content.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/vault/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_MAX 4096

struct label {
	uint8_t vault_id[16];
	struct crb_seal_label seal;
	uint32_t epoch;
};

static void
label_init(struct label *label)
{
	*label = (struct label){ .vault_id = { 1, 2, 3 },
		.seal = { .kind = CRB_KIND_SESSION,
		    .id = { { 4, 5, 6 } },
		    .revision = 7 },
		.epoch = 8 };
	label->seal.vault_id = label->vault_id;
}

/* False: the change is none. */
static bool
change_label(struct label *label, unsigned at, uint8_t with)
{
	if (with == 0)
		return false;
	switch (at % 4) {
	case 0:
		label->vault_id[at % 16] ^= with;
		break;
	case 1:
		label->seal.id.bytes[at % sizeof(label->seal.id)] ^= with;
		break;
	case 2:
		label->seal.revision ^= (uint64_t)with << at % 56;
		break;
	default:
		label->seal.kind = CRB_KIND_CREDENTIAL;
	}
	return true;
}

static bool
opens(const uint8_t *sealed, size_t len, const struct crb_key *key,
    const struct label *label, const uint8_t *plain, size_t plain_len)
{
	CRB_AUTO_SECRET struct crb_secret *out = NULL;
	uint32_t epoch = 0;
	struct crb_err err;

	if (crb_seal_epoch(sealed, len, &epoch, &err) != CRB_OK ||
	    crb_seal_open(sealed, len, key, &label->seal, &out, &err) != CRB_OK)
		return false;
	if (epoch != label->epoch || crb_secret_len(out) != plain_len ||
	    (plain_len > 0 &&
		memcmp(crb_secret_bytes(out), plain, plain_len) != 0))
		abort();
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t sealed[PLAIN_MAX + CRB_SEAL_OVERHEAD];
	static struct crb_key *key;
	struct label label, other;
	size_t len, at;
	struct crb_err err;

	if (size < 3 || size - 3 > PLAIN_MAX)
		return 0;
	if (key == NULL && crb_key_random(&key, &err) != CRB_OK)
		abort();
	label_init(&label);
	len = size - 3 + CRB_SEAL_OVERHEAD;
	crb_seal(sealed, key, label.epoch, &label.seal, data + 3, size - 3);
	if (!opens(sealed, len, key, &label, data + 3, size - 3))
		abort();
	at = data[0] | (size_t)data[1] << 8;
	label_init(&other);
	if (change_label(&other, (unsigned)at, data[2]) &&
	    opens(sealed, len, key, &other, data + 3, size - 3))
		abort();
	/* Cut short, and changed in one byte. */
	if (opens(sealed, at % len, key, &label, data + 3, size - 3))
		abort();
	sealed[at % len] ^= data[2];
	if (opens(sealed, len, key, &label, data + 3, size - 3) !=
	    (data[2] == 0))
		abort();
	return 0;
}
