/* An origin: its authority, read again, is the same origin. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *text)
{
	CRB_AUTO_BUF struct crb_buf url = CRB_BUF_INIT(300);
	struct crb_origin origin, again;
	struct crb_err err;

	if (crb_origin_parse(text, &origin, &err) != CRB_OK)
		return;
	crb_buf_str(&url, origin.tls ? "https://" : "http://");
	crb_origin_authority(&origin, &url);
	if (url.failed ||
	    crb_origin_parse(crb_buf_text(&url), &again, &err) != CRB_OK ||
	    again.tls != origin.tls || again.port != origin.port ||
	    strcmp(again.host, origin.host) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = crb_slice_dup(
	    (struct crb_slice){ (const char *)data, size });

	if (text != NULL)
		check(text);
	free(text);
	return 0;
}
