/*
 * The heads of an answer, a line at a time as libcurl gives them: what comes
 * out is a block of headers on the list, and the secret is not in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/bus/headers.h"
#include "broker/egress/download.h"

#define SECRET "s3cret-token"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_block(const struct crb_download *download)
{
	struct crb_slice rest = { crb_buf_text(&download->headers),
		download->headers.len };
	struct crb_header header;
	struct crb_err err;
	bool more = true;

	if (memmem(rest.p, rest.len, SECRET, strlen(SECRET)) != NULL)
		abort();
	while (more) {
		if (crb_headers_next(&rest, &header, &more, &err) != CRB_OK ||
		    (more &&
			!crb_header_response_ok(CRB_ROUTE_GIT, header.name)))
			abort();
	}
}

static void
read_heads(struct crb_download *download, const char *at, size_t left)
{
	struct crb_err err;

	while (left > 0) {
		const char *end = memchr(at, '\n', left);
		size_t len = end != NULL ? (size_t)(end - at) + 1 : left;

		if (crb_download_line(download, at, len, &err) != CRB_OK)
			return;
		at += len;
		left -= len;
	}
	if (download->head_read &&
	    (download->head.status < 200 || download->head.status > 599))
		abort();
	if (download->head_read)
		check_block(download);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_SCRUB struct crb_scrub *scrub = NULL;
	struct crb_download download;
	struct crb_err err;

	if (crb_scrub_new(CRB_SLICE(SECRET), CRB_SLICE("Bearer " SECRET),
		&scrub, &err) != CRB_OK)
		abort();
	crb_download_init(&download, -1, 1, "host", CRB_ROUTE_GIT, scrub);
	read_heads(&download, (const char *)data, size);
	crb_download_clear(&download);
	return 0;
}
