/*
 * Sign requests that come as lines of JSON, for comparison with what another
 * signer makes of them.  A line of JSON answers each: the headers, or why not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "backends/sigv4.h"
#include "base/cleanup.h"

static const char *
text(const json_t *line, const char *key)
{
	return json_string_value(json_object_get(line, key));
}

static json_t *
answer(const json_t *line)
{
	const struct crb_sigv4_keys keys = { .id = text(line, "id"),
		.secret = text(line, "secret"),
		.token = text(line, "token") };
	const struct crb_sign_request request = { .method = text(
						      line, "method"),
		.host = text(line, "host"),
		.target = text(line, "target"),
		.service = text(line, "service"),
		.region = text(line, "region"),
		.payload = text(line, "payload"),
		.headers = text(line, "headers"),
		.now = json_integer_value(json_object_get(line, "now")) };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(1u << 20);
	struct crb_err err;

	if (crb_sigv4_sign(&keys, &request, &out, &err) != CRB_OK)
		return json_pack("{s:s}", "error", err.msg);
	return json_pack("{s:s}", "headers", crb_buf_text(&out));
}

int
main(void)
{
	CRB_AUTO_FREE char *bytes = NULL;
	size_t size = 0;

	if (sodium_init() < 0)
		return 1;
	while (getline(&bytes, &size, stdin) > 0) {
		CRB_AUTO_JSON json_t *line = json_loads(bytes, 0, NULL);
		CRB_AUTO_JSON json_t *said = NULL;

		if (line == NULL || (said = answer(line)) == NULL ||
		    json_dumpf(said, stdout, JSON_COMPACT) != 0 ||
		    putchar('\n') == EOF)
			return 1;
	}
	return ferror(stdin) || fflush(stdout) != 0;
}
