/*
 * A line a step.  The first: "NAME REGION ACCOUNT" of the metadata; then
 * "/PATH" is looked for, "t SECONDS" asks for a token, "a TOKEN" shows one, and
 * "k" begins keys of a lease: all that is left.  What is found is text that can
 * be in an answer, documents are JSON, and keys come back out of it as they
 * were.
 */
#include "broker/gateway/imds.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/gateway/lease_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static struct crb_imds imds;
static int64_t now;

static void
describe(struct crb_slice line)
{
	struct crb_msg_session_imds msg = {
		.session = CRB_SLICE("session1"),
		.name = { "", 0 },
		.region = { "", 0 },
		.account = { "", 0 },
	};

	(void)crb_slice_cut(&line, ' ', &msg.name);
	(void)crb_slice_cut(&line, ' ', &msg.region);
	(void)crb_slice_cut(&line, ' ', &msg.account);
	if (!crb_imds_describe(&imds, &msg))
		MUST(crb_imds_describe(&imds,
		    &(struct crb_msg_session_imds){ .session = msg.session,
			.name = CRB_SLICE("dev"),
			.region = CRB_SLICE(""),
			.account = CRB_SLICE("") }));
}

static bool
is_text(const struct crb_buf *text)
{
	for (size_t i = 0; i < text->len; i++) {
		char c = text->data[i];

		if ((c < 0x20 || c > 0x7e) && c != '\n')
			return false;
	}
	return text->len > 0 && text->data[text->len - 1] != '\n';
}

static void
find(struct crb_slice path)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(4096);
	CRB_AUTO_FREE char *target = crb_slice_dup(path);
	CRB_AUTO_JSON json_t *object = NULL;

	MUST(target != NULL);
	switch (crb_imds_find(&imds, target, now, &out)) {
	case CRB_IMDS_NOTHING:
		MUST(out.len == 0);
		break;
	case CRB_IMDS_KEYS:
		MUST(crb_slice_ends(path, imds.name) && out.len == 0);
		break;
	case CRB_IMDS_TEXT:
		MUST(is_text(&out));
		break;
	case CRB_IMDS_JSON:
		object = json_loadb(
		    out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
		MUST(json_is_object(object));
		break;
	}
}

static void
issue(struct crb_slice text)
{
	char token[CRB_IMDS_TOKEN_LEN + 1];
	uint32_t seconds;

	if (!crb_imds_ttl_parse(text, &seconds))
		return;
	MUST(seconds >= 1 && seconds <= CRB_IMDS_TTL_MAX);
	MUST(crb_imds_issue(&imds, now, seconds, token));
	MUST(imds.count <= CRB_IMDS_TOKENS_MAX);
	MUST(crb_imds_accepts(&imds, CRB_SLICE(token), now));
	now += 1000;
	MUST(crb_imds_accepts(&imds, CRB_SLICE(token), now) == (seconds > 1));
}

static bool
holds(const json_t *object, const char *name, struct crb_slice value)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && crb_slice_is(value, text);
}

static void
write_keys(struct crb_slice text)
{
	static const struct crb_lease_terms terms = { 1, 1795284000 };
	struct crb_lease_keys keys;

	if (!crb_lease_keys_split(text, &keys))
		return;
	for (unsigned i = 0; i < CRB_LEASE_FORMATS; i++) {
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(65536);
		CRB_AUTO_JSON json_t *object = NULL;

		crb_lease_write((enum crb_lease_format)i, &keys, &terms, &out);
		object = json_loadb(
		    out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
		MUST(holds(object, "AccessKeyId", keys.id));
		MUST(holds(object, "SecretAccessKey", keys.secret));
		MUST(holds(object,
			 i == CRB_LEASE_PROCESS ? "SessionToken" : "Token",
			 keys.token) ||
		    (i == CRB_LEASE_PROCESS && keys.token.len == 0));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice rest = { (const char *)data, size };
	struct crb_slice line = { "", 0 };

	now = 0;
	(void)crb_slice_cut(&rest, '\n', &line);
	describe(line);
	while (rest.p != NULL) {
		struct crb_slice before = rest;

		if (!crb_slice_cut(&rest, '\n', &line) || line.len == 0)
			continue;
		if (line.p[0] == 'k') {
			write_keys(
			    (struct crb_slice){ before.p + 1, before.len - 1 });
			break;
		}
		if (line.p[0] == '/' && memchr(line.p, 0, line.len) == NULL)
			find(line);
		else if (line.p[0] == 't')
			issue((struct crb_slice){ line.p + 1, line.len - 1 });
		else if (line.p[0] == 'a')
			MUST(!crb_imds_accepts(&imds,
			    (struct crb_slice){ line.p + 1, line.len - 1 },
			    now));
	}
	crb_imds_clear(&imds);
	return 0;
}
