/*
 * Scrubbing in pieces comes to the same as all at once, and leaves nothing.
 * Input: the secret's length less 6, the size of a piece, secret, text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "broker/egress/scrub.h"

#define TEXT_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(struct crb_slice secret, struct crb_slice text, size_t piece, char *out)
{
	CRB_AUTO_SCRUB struct crb_scrub *scrub = NULL;
	size_t start = 0, end = 0;
	struct crb_err err;

	if (crb_scrub_new(secret, secret, &scrub, &err) != CRB_OK)
		abort();
	memcpy(out, text.p, text.len);
	while (end < text.len) {
		end = text.len - end > piece ? end + piece : text.len;
		start += crb_scrub_run(
		    scrub, out + start, end - start, end == text.len);
		if (start > end || end - start >= crb_scrub_longest(scrub))
			abort();
	}
	if (start != text.len)
		abort();
	/* A '*' of the secret may be found in what was put there. */
	if (memchr(secret.p, '*', secret.len) == NULL &&
	    memmem(out, text.len, secret.p, secret.len) != NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[TEXT_MAX], pieces[TEXT_MAX];
	struct crb_slice secret, text;
	size_t len;

	if (size < 2 || size - 2 < (len = 6u + data[0] % 32))
		return 0;
	secret = (struct crb_slice){ (const char *)data + 2, len };
	text = (struct crb_slice){ secret.p + len, size - 2 - len };
	if (text.len == 0 || text.len > TEXT_MAX)
		return 0;
	run(secret, text, text.len, whole);
	run(secret, text, 1u + data[1], pieces);
	if (memcmp(whole, pieces, text.len) != 0)
		abort();
	return 0;
}
