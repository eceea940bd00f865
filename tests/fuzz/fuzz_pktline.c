/*
 * A response, cut where it ends: what the client has then is well-formed, and
 * how it was split into pieces makes no difference.
 */
#include "broker/gateway/pktline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
well_formed(const struct crb_buf *buf)
{
	size_t at = 0;

	while (buf->len - at >= 4) {
		char head[5] = { 0 };
		size_t length;

		memcpy(head, buf->data + at, 4);
		length = (size_t)strtoul(head, NULL, 16);
		if (length == 3 || length > buf->len - at)
			return false;
		at += length < 4 ? 4 : length;
	}
	return at == buf->len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_BUF struct crb_buf seen = CRB_BUF_INIT(16u << 20);
	struct crb_pktline whole = CRB_PKTLINE_INIT;
	struct crb_pktline pieces = CRB_PKTLINE_INIT;
	bool cut;

	crb_pktline_feed(&whole, data, size);
	for (size_t i = 0; i < size; i++)
		crb_pktline_feed(&pieces, data + i, 1);
	if (memcmp(&whole, &pieces, sizeof(whole)) != 0)
		abort();
	crb_buf_add(&seen, data, size);
	cut = crb_pktline_cut(&whole, "why", &seen);
	if ((cut && whole.lost) || (!cut && seen.len != size))
		abort();
	if (cut && !seen.failed && !well_formed(&seen))
		abort();
	return 0;
}
