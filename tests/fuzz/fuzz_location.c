/* A Location: what does not come back to the gateway is left as it was. */
#include "broker/gateway/location.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(1 << 20);
	struct crb_slice location = { (const char *)data, size };

	crb_location_rewrite(&out, location, CRB_SLICE("https://example.com"));
	if (out.failed)
		return 0;
	if (out.len == size && (size == 0 || memcmp(out.data, data, size) == 0))
		return 0;
	if (strncmp(crb_buf_text(&out), "/git/example.com/", 17) != 0)
		abort();
	return 0;
}
