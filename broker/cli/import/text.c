/* What the parsers of this folder share. */
#include <string.h>

#include <sodium.h>

#include "base/buf.h"
#include "broker/cli/import/found.h"

bool
crb_line_next(const char *text, size_t len, struct crb_line *line)
{
	size_t from = line->to, to;
	const char *end;

	if (from >= len)
		return false;
	end = memchr(text + from, '\n', len - from);
	to = end != NULL ? (size_t)(end - text) + 1 : len;
	line->number++;
	line->from = from;
	line->to = to;
	line->text = (struct crb_slice){ text + from, to - from };
	if (end != NULL)
		line->text.len--;
	if (line->text.len > 0 && line->text.p[line->text.len - 1] == '\r')
		line->text.len--;
	return true;
}

bool
crb_import_percent(struct crb_slice text, struct crb_buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		int high, low;

		if (c == '%') {
			if (text.len - i < 3 ||
			    (high = crb_text_hex_value(text.p[i + 1])) == -1 ||
			    (low = crb_text_hex_value(text.p[i + 2])) == -1)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0' || c == '\n' || c == '\r')
			return false;
		crb_buf_char(out, c);
	}
	return !out->failed;
}

bool
crb_import_base64(struct crb_slice text, struct crb_buf *out)
{
	static const int variants[] = { sodium_base64_VARIANT_ORIGINAL,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING };
	char *room;
	size_t len;

	if ((room = crb_buf_room(out, text.len)) == NULL)
		return false;
	for (size_t i = 0; i < 2; i++) {
		if (sodium_base642bin((unsigned char *)room, text.len, text.p,
			text.len, NULL, &len, NULL, variants[i]) == 0) {
			crb_buf_grew(out, len);
			return memchr(out->data, '\0', out->len) == NULL;
		}
	}
	return false;
}
