/* The vault's header: what is decoded is encoded to the same bytes. */
#include "broker/vault/header.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUM_BYTES 32

static void
check(const uint8_t *data, size_t size)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(CRB_HEADER_BYTES_MAX);
	struct crb_header header;
	struct crb_err err;

	if (crb_header_decode(data, size, &header, &err) != CRB_OK) {
		if (err.status != CRB_ERR_CORRUPT)
			abort();
		return;
	}
	crb_header_encode(&header, &buf);
	if (buf.failed || buf.len != size || memcmp(buf.data, data, size) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	check(data, size);
	/* Once more with a checksum that fits, to get past it. */
	if (size < SUM_BYTES || (copy = malloc(size)) == NULL)
		return 0;
	memcpy(copy, data, size);
	(void)crypto_generichash(copy + size - SUM_BYTES, SUM_BYTES, copy,
	    size - SUM_BYTES, NULL, 0);
	check(copy, size);
	free(copy);
	return 0;
}
