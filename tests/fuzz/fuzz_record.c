/* What is read from a store: sealed records, and what is in two of them. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "broker/core/outbox.h"
#include "broker/vault/head.h"
#include "broker/vault/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_sealed(const uint8_t *data, size_t size)
{
	static struct crb_key *key;
	static const uint8_t vault_id[16];
	const struct crb_seal_label label = { vault_id, CRB_KIND_SESSION,
		{ { 0 } }, 1 };
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;
	struct crb_err err;

	/* Nobody has this key, so nothing may open. */
	if (key == NULL && crb_key_random(&key, &err) != CRB_OK)
		abort();
	if (crb_seal_open(data, size, key, &label, &plain, &err) !=
	    CRB_ERR_CORRUPT)
		abort();
}

static void
check_head(const uint8_t *data, size_t size)
{
	uint8_t again[CRB_HEAD_BYTES];
	struct crb_head head;
	struct crb_err err;

	if (crb_head_decode(data, size, &head, &err) != CRB_OK)
		return;
	crb_head_encode(&head, again);
	if (size != sizeof(again) || memcmp(again, data, size) != 0)
		abort();
}

static void
check_outbox(const char *data, size_t size)
{
	CRB_AUTO_BUF struct crb_buf again = CRB_BUF_INIT(1 << 20);
	struct crb_outbox box, back;
	struct crb_err err;

	if (crb_outbox_decode(data, size, &box, &err) != CRB_OK)
		return;
	if (box.lines.p < data || box.lines.p + box.lines.len != data + size)
		abort();
	crb_outbox_encode(&again, &box.mark, box.lines);
	if (again.failed ||
	    crb_outbox_decode(again.data, again.len, &back, &err) != CRB_OK ||
	    back.mark.n != box.mark.n || back.first != box.first)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_sealed(data, size);
	check_head(data, size);
	if (size < 1 << 19)
		check_outbox((const char *)data, size);
	return 0;
}
