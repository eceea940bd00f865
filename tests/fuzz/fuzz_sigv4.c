/*
 * Whatever is signed comes out as whole lines of headers, and a canonical
 * request is a fixed point: who spells a target as it was signed signs the
 * same.  Input: a line each of service, region, method, host, payload and
 * target; then the headers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sigv4_canonical.h"
#include "base/cleanup.h"
#include "base/text.h"

#define TEXT_MAX 16384
#define PARTS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "name: value\n" and no control characters but those. */
static void
check_lines(const struct crb_buf *out)
{
	struct crb_slice rest = { out->data, out->len }, line, name;
	bool authorized = false;

	if (out->len == 0 || out->data[out->len - 1] != '\n')
		abort();
	while (crb_slice_cut(&rest, '\n', &line)) {
		if (rest.p == NULL)
			break;
		for (size_t i = 0; i < line.len; i++) {
			if (line.p[i] < ' ' || line.p[i] > '~')
				abort();
		}
		(void)crb_slice_cut(&line, ':', &name);
		if (line.p == NULL || line.len < 2 || line.p[0] != ' ')
			abort();
		if (crb_slice_is(name, "authorization"))
			authorized = true;
	}
	if (!authorized)
		abort();
}

/* The path and the query of a canonical request, as a target. */
static void
canonical_target(const struct crb_sign_request *request, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf whole = CRB_BUF_INIT(
	    CRB_SIGV4_CANONICAL_MAX);
	CRB_AUTO_BUF struct crb_buf names = CRB_BUF_INIT(
	    CRB_SIGV4_CANONICAL_MAX);
	struct crb_slice rest, line;
	struct crb_err err;

	if (crb_sigv4_canonical(request, "", &whole, &names, &err) != CRB_OK)
		abort();
	rest = (struct crb_slice){ whole.data, whole.len };
	(void)crb_slice_cut(&rest, '\n', &line);
	(void)crb_slice_cut(&rest, '\n', &line);
	crb_buf_add(out, line.p, line.len);
	(void)crb_slice_cut(&rest, '\n', &line);
	crb_buf_char(out, '?');
	crb_buf_add(out, line.p, line.len);
}

static void
check_fixed_point(const struct crb_sign_request *request)
{
	CRB_AUTO_BUF struct crb_buf once = CRB_BUF_INIT(
	    CRB_SIGV4_CANONICAL_MAX);
	CRB_AUTO_BUF struct crb_buf twice = CRB_BUF_INIT(
	    CRB_SIGV4_CANONICAL_MAX);
	struct crb_sign_request again = *request;

	canonical_target(request, &once);
	again.target = crb_buf_text(&once);
	canonical_target(&again, &twice);
	/* Of other services the path is encoded once more each time. */
	if (crb_sigv4_is_s3(request->service)
		? strcmp(crb_buf_text(&once), crb_buf_text(&twice)) != 0
		: strcmp(strchr(crb_buf_text(&once), '?'),
		      strchr(crb_buf_text(&twice), '?')) != 0)
		abort();
}

static void
run(char *parts[PARTS], const char *headers)
{
	const struct crb_sigv4_keys keys = { "AKIDEXAMPLE", "secret", "token" };
	const struct crb_sign_request request = { .service = parts[0],
		.region = parts[1],
		.method = parts[2],
		.host = parts[3],
		.payload = parts[4],
		.target = parts[5],
		.headers = headers,
		.now = 1700000000 };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(1u << 20);
	struct crb_err err;

	if (crb_sigv4_sign(&keys, &request, &out, &err) != CRB_OK) {
		if (out.len > 0)
			abort();
		return;
	}
	check_lines(&out);
	check_fixed_point(&request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CRB_AUTO_FREE char *text = NULL;
	char *parts[PARTS], *at, *end;

	if (size > TEXT_MAX || (text = calloc(1, size + 1)) == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	at = text;
	for (size_t i = 0; i < PARTS; i++) {
		if ((end = strchr(at, '\n')) == NULL)
			return 0;
		*end = '\0';
		parts[i] = at;
		at = end + 1;
	}
	run(parts, at);
	return 0;
}
