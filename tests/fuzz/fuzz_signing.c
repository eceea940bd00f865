#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/bus/headers.h"
#include "broker/egress/signing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "leased/secret+key"
#define KEYS "AKIDLEASED\n" SECRET "\nleased-token"

static bool
is_ours(struct crb_slice name)
{
	return crb_slice_is(name, "authorization") ||
	    crb_slice_is(name, "x-amz-date") ||
	    crb_slice_is(name, "x-amz-security-token");
}

/* What is sent can be sent, is on the list, and is there once. */
static void
check_lines(const struct crb_buf *lines)
{
	struct crb_slice rest = { crb_buf_text(lines), lines->len };
	struct crb_header header;
	struct crb_err err;
	size_t ours = 0;
	bool more = true;

	if (memmem(rest.p, rest.len, SECRET, strlen(SECRET)) != NULL)
		abort();
	while (more) {
		if (crb_headers_next(&rest, &header, &more, &err) != CRB_OK)
			abort();
		if (!more)
			break;
		ours += is_ours(header.name);
		if (!is_ours(header.name) &&
		    !crb_header_request_ok(CRB_ROUTE_HTTP, header.name))
			abort();
		if (crb_slice_is(header.name, "x-amz-trailer") ||
		    crb_slice_is(header.name, "x-amz-decoded-content-length"))
			abort();
	}
	if (ours != 3)
		abort();
}

/* A byte that says which service and which body, and a block of headers. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(64u << 10);
	struct crb_msg_job job = { .route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE("PUT"),
		.target = CRB_SLICE("/alpha/key"),
		.backend = CRB_SLICE("aws-sts"),
		.secret = CRB_SLICE(KEYS),
		.region = CRB_SLICE("us-east-1"),
		.tls = 1 };
	struct crb_signing signing;
	struct crb_err err;

	if (size == 0 || size > CRB_HEADERS_MAX ||
	    memmem(data, size, SECRET, strlen(SECRET)) != NULL)
		return 0;
	job.service = CRB_SLICE((data[0] & 4) != 0 ? "dynamodb" : "s3");
	job.body = data[0] % 4 % 3;
	if (crb_signing_init(&signing, &job, &err) != CRB_OK)
		abort();
	if (crb_signing_head(&signing,
		(struct crb_slice){ (const char *)data + 1, size - 1 },
		&err) == CRB_OK &&
	    crb_signing_finish(&signing, "localhost:1", CRB_SLICE("body"),
		1763700000, &out, &err) == CRB_OK)
		check_lines(&out);
	crb_signing_clear(&signing);
	return 0;
}
