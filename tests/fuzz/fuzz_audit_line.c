/*
 * A line of the audit log; any text as a field of one; a line of the outbox.
 * What was made of the field is one line of JSON, and is parsed.
 */
#include "broker/core/audit_line.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/core/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_parse(const char *data, size_t size)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(2 * CRB_AUDIT_LINE_MAX);
	uint8_t hash[CRB_AUDIT_HASH_BYTES];
	struct crb_audit_frame frame;
	struct crb_err err;
	const char *fields;
	uint64_t seq;

	(void)!crb_audit_line_parse(data, size, &frame, &err);
	(void)crb_audit_rendered(data, size, &seq, &fields);
	/* Once more with a hash that fits, to get past it. */
	(void)crypto_generichash(
	    hash, sizeof(hash), (const uint8_t *)data, size, NULL, 0);
	crb_buf_add(&buf, data, size);
	crb_buf_str(&buf, ",\"hash\":\"");
	crb_text_hex(&buf, hash, sizeof(hash));
	crb_buf_str(&buf, "\"}");
	if (!buf.failed &&
	    crb_audit_line_parse(buf.data, buf.len, &frame, &err) == CRB_OK &&
	    frame.signed_len > size)
		abort();
}

static void
check_make(const char *text)
{
	static const uint8_t prev[CRB_AUDIT_HASH_BYTES];
	const struct crb_audit_event event = {
		.event = text, .request = text, .detail = text
	};
	const struct crb_audit_made made = { .n = 1, .prev = prev };
	CRB_AUTO_BUF struct crb_buf fields = CRB_BUF_INIT(CRB_AUDIT_FIELDS_MAX);
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_AUDIT_LINE_MAX);
	CRB_AUTO_JSON json_t *json = NULL;
	uint8_t hash[CRB_AUDIT_HASH_BYTES];
	struct crb_audit_frame frame;
	struct crb_err err;

	crb_audit_line_fields(&fields, 0, &event);
	crb_audit_line_make(&line, &made, fields.data, fields.len, hash);
	if (line.failed ||
	    memchr(line.data, '\n', line.len) != line.data + line.len - 1 ||
	    crb_audit_line_parse(line.data, line.len - 1, &frame, &err) !=
		CRB_OK ||
	    crb_json_parse(line.data, line.len - 1, "line", &json, &err) !=
		CRB_OK ||
	    json_object_size(json) != 7)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > CRB_AUDIT_LINE_MAX || (text = malloc(size + 1)) == NULL)
		return 0;
	check_parse((const char *)data, size);
	memcpy(text, data, size);
	text[size] = '\0';
	check_make(text);
	free(text);
	return 0;
}
