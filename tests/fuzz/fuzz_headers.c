/* A block of headers: what is read can be written, and comes out the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/bus/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size };
	CRB_AUTO_BUF struct crb_buf again = CRB_BUF_INIT(size + 1);
	struct crb_header header;
	struct crb_err err;
	bool more = true;

	for (;;) {
		if (crb_headers_next(&rest, &header, &more, &err) != CRB_OK)
			return 0;
		if (!more)
			break;
		if (!crb_headers_add(&again, header.name, header.value))
			abort();
	}
	if (again.failed || again.len != size ||
	    (size > 0 && memcmp(again.data, data, size) != 0))
		abort();
	return 0;
}
