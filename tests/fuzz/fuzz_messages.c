#include <stdlib.h>
#include <string.h>

#include "broker/bus/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The first byte says who speaks to whom, and whether a descriptor came.  What
 * decodes must encode to the very same bytes.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[CRB_PACKET_MAX];
	struct crb_err err;
	struct crb_msg msg;
	size_t len = 0;

	if (size < 1 || size > sizeof(again))
		return 0;
	if (crb_msg_decode(data + 1, size - 1, (data[0] & 16) != 0 ? 5 : -1,
		data[0] & 3, (data[0] >> 2) & 3, &msg, &err) != CRB_OK)
		return 0;
	if (crb_msg_encode(msg.type,
		(const char *)&msg + offsetof(struct crb_msg, peer), again,
		sizeof(again), &len, &err) != CRB_OK ||
	    len != size - 1 || memcmp(again, data + 1, len) != 0)
		abort();
	return 0;
}
