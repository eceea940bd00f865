/* What is made of bytes that somebody else chose, and tokens. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MOST 4096u

static void
check_printable(const struct crb_buf *buf)
{
	if (buf->failed || strlen(crb_buf_text(buf)) != buf->len)
		abort();
	for (size_t i = 0; i < buf->len; i++) {
		if (!isprint((unsigned char)buf->data[i]))
			abort();
	}
}

static void
check_pieces(struct crb_slice rest)
{
	size_t total = 0, count = 0, len = rest.len;
	struct crb_slice piece;

	while (crb_slice_cut(&rest, ',', &piece)) {
		total += piece.len;
		count++;
	}
	if (total + count - 1 != len)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const words[] = { "task", "profile", "bind-pid" };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(4 * SIZE_MOST + 8);
	struct crb_slice slice = { (const char *)data, size };
	CRB_AUTO_FREE char *text = NULL;

	if (size == 0 || size > SIZE_MOST)
		return 0;
	if ((text = crb_slice_dup(slice)) == NULL)
		return 0;
	crb_text_escape(&out, data, size, size);
	check_printable(&out);
	crb_buf_reset(&out);
	crb_text_percent_encode(&out, data, size);
	check_printable(&out);
	crb_buf_reset(&out);
	crb_text_base64(&out, data, size);
	check_printable(&out);
	check_pieces(slice);
	(void)crb_text_nearest(text, words, 3);
	if (crb_name_ok(text) && !crb_task_ok(text))
		abort();
	(void)crb_token_ok((const char *)data, size);
	return 0;
}
