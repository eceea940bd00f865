#include "broker/core/audit_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/text.h"
#include "base/units.h"
#include "broker/core/audit.h"

#define HEX(bytes) (2u * (bytes))

static const char prev_key[] = ",\"prev\":\"";
static const char signature_key[] = "\",\"signature\":\"";
static const char hash_key[] = ",\"hash\":\"";
static const char end_mark[] = "\"}";

#define LEN(literal) (sizeof(literal) - 1)

#define TEXT(member, most)                                           \
	{                                                            \
		{ ",\"" #member "\":", LEN(",\"" #member "\":") },   \
		    offsetof(struct crb_audit_event, member), (most) \
	}

/* The text fields in the order of the line, and how much of each is kept. */
static const struct {
	struct crb_slice key; /* with its comma and its colon */
	size_t offset;
	size_t most;
} texts[] = {
	TEXT(event, 64),
	TEXT(who, 128),
	TEXT(task, 128),
	TEXT(session, 64),
	TEXT(credential, 64),
	TEXT(scope, 512),
	TEXT(request, 2048),
	TEXT(decision, 16),
	TEXT(rule, 256),
	TEXT(tier, 64),
	TEXT(outcome, 64),
	TEXT(detail, 1024),
	TEXT(order, 8192),
	TEXT(asked, CRB_AUDIT_ASKED_MAX),
};

/*
 * The code point at the front of well-formed UTF-8 (RFC 3629) and its length;
 * U+FFFD and 1 for anything else.
 */
static uint32_t
code_point(const unsigned char *p, size_t len, size_t *used)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = p[0];
	size_t n = 1;

	*used = 1;
	if (c < 0x80)
		return c;
	if (c >= 0xc2 && c < 0xe0)
		n = 2, c &= 0x1f;
	else if (c >= 0xe0 && c < 0xf0)
		n = 3, c &= 0x0f;
	else if (c >= 0xf0 && c < 0xf5)
		n = 4, c &= 0x07;
	if (n == 1 || n > len)
		return 0xfffd;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xfffd;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0xfffd;
	*used = n;
	return c;
}

static void
add_code_point(struct crb_buf *out, uint32_t c)
{
	if (c == '"' || c == '\\') {
		const char escape[] = { '\\', (char)c };

		crb_buf_add(out, escape, sizeof(escape));
	} else if (c >= 0x20 && c < 0x7f) {
		crb_buf_char(out, (char)c);
	} else if (c < 0x10000) {
		crb_buf_printf(out, "\\u%04" PRIx32, c);
	} else {
		c -= 0x10000;
		crb_buf_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32,
		    0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
	}
}

/* How many bytes at the front of a text stand in JSON as they are. */
static size_t
plain(const unsigned char *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] >= 0x20 && p[n] < 0x7f && p[n] != '"' &&
	    p[n] != '\\')
		n++;
	return n;
}

void
crb_audit_line_text(struct crb_buf *out, const char *text, size_t most)
{
	const unsigned char *p = (const unsigned char *)text;
	const size_t len = strlen(text);
	size_t at = 0, used = 0;

	crb_buf_char(out, '"');
	while (at < len) {
		const size_t run = plain(
		    p + at, (len < most ? len : most) - at);
		uint32_t c;

		if (run > 0) {
			crb_buf_add(out, p + at, run);
			at += run;
			continue;
		}
		c = code_point(p + at, len - at, &used);
		if (at + used > most) {
			crb_buf_str(out, "...");
			break;
		}
		add_code_point(out, c);
		at += used;
	}
	crb_buf_char(out, '"');
}

static void
add_number(struct crb_buf *out, struct crb_slice key, int64_t number)
{
	crb_buf_add(out, key.p, key.len);
	if (number < 0)
		crb_buf_char(out, '-');
	crb_buf_number(
	    out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

static void
add_time(struct crb_buf *out, int64_t wall_ms)
{
	const unsigned ms = wall_ms < 0 ? 0 : (unsigned)(wall_ms % 1000);
	const char end[] = { '.', (char)('0' + ms / 100),
		(char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', '"' };
	char text[CRB_TIME_TEXT];

	/* "2026-11-21T09:30:00Z", with the milliseconds before the Z. */
	crb_text_time(wall_ms / 1000, text);
	crb_buf_str(out, "\"time\":\"");
	crb_buf_add(out, text, LEN("2026-11-21T09:30:00"));
	crb_buf_add(out, end, sizeof(end));
}

void
crb_audit_line_fields(
    struct crb_buf *out, int64_t wall_ms, const struct crb_audit_event *event)
{
	add_time(out, wall_ms);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text;

		memcpy(
		    &text, (const char *)event + texts[i].offset, sizeof(text));
		if (text == NULL)
			continue;
		crb_buf_add(out, texts[i].key.p, texts[i].key.len);
		crb_audit_line_text(out, text, texts[i].most);
	}
	if (event->exchange != 0)
		add_number(out, CRB_SLICE(",\"exchange\":"), event->exchange);
	if (event->status != 0)
		add_number(out, CRB_SLICE(",\"status\":"), event->status);
	if (event->bytes) {
		add_number(out, CRB_SLICE(",\"up\":"), event->up);
		add_number(out, CRB_SLICE(",\"down\":"), event->down);
	}
}

void
crb_audit_line_make(struct crb_buf *out, const struct crb_audit_made *made,
    const char *fields, size_t len, uint8_t hash[CRB_AUDIT_HASH_BYTES])
{
	const size_t start = out->len;
	uint8_t signature[CRB_AUDIT_SIGNATURE_BYTES];

	crb_buf_str(out, "{\"n\":");
	crb_buf_number(out, made->n);
	if (made->has_seq) {
		crb_buf_str(out, ",\"seq\":");
		crb_buf_number(out, made->seq);
	}
	crb_buf_char(out, ',');
	crb_buf_add(out, fields, len);
	crb_buf_str(out, prev_key);
	crb_text_hex(out, made->prev, CRB_AUDIT_HASH_BYTES);
	if (made->secret != NULL && !out->failed) {
		crb_buf_char(out, '"');
		(void)crypto_sign_detached(signature, NULL,
		    (const unsigned char *)out->data + start, out->len - start,
		    made->secret);
		/* Its own quote is there already. */
		crb_buf_str(out, signature_key + 1);
		crb_text_hex(out, signature, sizeof(signature));
	}
	crb_buf_char(out, '"');
	if (out->failed)
		return;
	(void)crypto_generichash(hash, CRB_AUDIT_HASH_BYTES,
	    (const unsigned char *)out->data + start, out->len - start, NULL,
	    0);
	crb_buf_str(out, hash_key);
	crb_text_hex(out, hash, CRB_AUDIT_HASH_BYTES);
	crb_buf_str(out, end_mark);
	crb_buf_char(out, '\n');
}

static enum crb_status
damaged(struct crb_err *err)
{
	return crb_err_set(
	    err, CRB_ERR_CORRUPT, "not a line of credbroker's audit log");
}

/* Lower-case hex of exactly `count` bytes. */
static bool
get_hex(const char *text, uint8_t *out, size_t count)
{
	for (size_t i = 0; i < HEX(count); i++) {
		const char c = text[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return sodium_hex2bin(out, count, text, HEX(count), NULL, NULL, NULL) ==
	    0;
}

/* `"key":"HEX` at the end of the text; *len shrinks by it. */
static bool
cut_hex(
    const char *line, size_t *len, const char *key, uint8_t *out, size_t count)
{
	const size_t whole = strlen(key) + HEX(count);

	if (*len < whole ||
	    memcmp(line + *len - whole, key, strlen(key)) != 0 ||
	    !get_hex(line + *len - HEX(count), out, count))
		return false;
	*len -= whole;
	return true;
}

static bool
cut_number(struct crb_slice *rest, const char *key, uint64_t *out)
{
	const size_t key_len = strlen(key);
	struct crb_err ignored;
	size_t digits = 0;

	if (!crb_slice_starts(*rest, key))
		return false;
	while (key_len + digits < rest->len && digits < 20 &&
	    rest->p[key_len + digits] >= '0' &&
	    rest->p[key_len + digits] <= '9')
		digits++;
	if (digits == 0 || (digits > 1 && rest->p[key_len] == '0') ||
	    crb_number_parse(
		rest->p + key_len, digits, UINT64_MAX, out, &ignored) != CRB_OK)
		return false;
	rest->p += key_len + digits;
	rest->len -= key_len + digits;
	return true;
}

static bool
printable(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			return false;
	return true;
}

static bool
parse_end(
    const char *line, size_t len, struct crb_audit_frame *out, size_t *hashed)
{
	if (len < LEN(end_mark) ||
	    memcmp(line + len - LEN(end_mark), end_mark, LEN(end_mark)) != 0)
		return false;
	len -= LEN(end_mark);
	if (!cut_hex(line, &len, hash_key, out->hash, CRB_AUDIT_HASH_BYTES))
		return false;
	*hashed = len;
	/* The quote of prev, or of the signature. */
	if (len == 0 || line[len - 1] != '"')
		return false;
	len--;
	out->has_signature = cut_hex(line, &len, signature_key, out->signature,
	    CRB_AUDIT_SIGNATURE_BYTES);
	/* What is signed ends with the quote of prev. */
	out->signed_len = out->has_signature ? len + 1 : 0;
	return cut_hex(line, &len, prev_key, out->prev, CRB_AUDIT_HASH_BYTES);
}

enum crb_status
crb_audit_line_parse(const char *line, size_t len, struct crb_audit_frame *out,
    struct crb_err *err)
{
	struct crb_slice rest = { line, len };
	uint8_t hash[CRB_AUDIT_HASH_BYTES];
	size_t hashed = 0;

	*out = (struct crb_audit_frame){ 0 };
	if (len >= CRB_AUDIT_LINE_MAX || !printable(line, len) ||
	    !parse_end(line, len, out, &hashed) ||
	    !cut_number(&rest, "{\"n\":", &out->n))
		return damaged(err);
	out->has_seq = cut_number(&rest, ",\"seq\":", &out->seq);
	if (!crb_slice_starts(rest, ",\"time\":\""))
		return damaged(err);
	(void)crypto_generichash(
	    hash, sizeof(hash), (const unsigned char *)line, hashed, NULL, 0);
	if (memcmp(hash, out->hash, sizeof(hash)) != 0)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "edited: its hash does not fit");
	return CRB_OK;
}

bool
crb_audit_rendered(
    const char *line, size_t len, uint64_t *seq, const char **fields)
{
	struct crb_slice rest = { line, len };

	if (len > CRB_AUDIT_FIELDS_MAX || !printable(line, len) ||
	    !cut_number(&rest, "{\"seq\":", seq) || *seq == 0 ||
	    !crb_slice_starts(rest, ",\"time\":\"") ||
	    !crb_slice_ends(rest, "}"))
		return false;
	*fields = rest.p + 1;
	return true;
}

bool
crb_audit_line_signed(const char *line, const struct crb_audit_frame *frame,
    const uint8_t public[CRB_AUDIT_PUBLIC_BYTES])
{
	return frame->has_signature &&
	    crypto_sign_verify_detached(frame->signature,
		(const unsigned char *)line, frame->signed_len, public) == 0;
}
