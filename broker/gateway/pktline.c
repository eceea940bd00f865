#include "broker/gateway/pktline.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define HEAD 4
/* As much of a message as fits with its band or "ERR ". */
#define MESSAGE_MAX 4096

static const char section[] = "packfile\n";

void
crb_pktline_add(
    struct crb_buf *out, enum crb_band band, const void *payload, size_t len)
{
	size_t size = HEAD + len + (band != CRB_BAND_NONE ? 1 : 0);

	if (size > CRB_PKTLINE_MAX) {
		out->failed = true;
		return;
	}
	crb_buf_printf(out, "%04zx", size);
	if (band != CRB_BAND_NONE)
		crb_buf_char(out, (char)band);
	crb_buf_add(out, payload, len);
}

void
crb_pktline_flush(struct crb_buf *out)
{
	crb_buf_str(out, "0000");
}

/* What four digits say; -1 when they are none. */
static int
length_of(const char head[HEAD])
{
	int length = 0;

	for (size_t i = 0; i < HEAD; i++) {
		if (crb_text_hex_value(head[i]) < 0)
			return -1;
		length = length * 16 + crb_text_hex_value(head[i]);
	}
	return length;
}

static void
start_line(struct crb_pktline *line)
{
	int length = length_of(line->head);

	line->start_len = 0;
	line->size = line->left = 0;
	if (length < 0 || length == 3 || length > CRB_PKTLINE_MAX)
		line->lost = true;
	else if (length >= HEAD)
		line->size = line->left = (uint16_t)(length - HEAD);
	else if (length == 0 && line->banded)
		line->ended = true;
}

/* Has this payload shown that bands are in use? */
static void
end_line(struct crb_pktline *line)
{
	line->head_len = 0;
	if (line->size == sizeof(section) - 1 &&
	    memcmp(line->start, section, sizeof(section) - 1) == 0)
		line->banded = true;
}

static size_t
feed_head(struct crb_pktline *line, const char *bytes, size_t len)
{
	size_t taken = HEAD - line->head_len;

	taken = taken < len ? taken : len;
	/* What follows a flush was due after all. */
	line->ended = false;
	memcpy(line->head + line->head_len, bytes, taken);
	line->head_len = (uint8_t)(line->head_len + taken);
	if (line->head_len == HEAD)
		start_line(line);
	return taken;
}

static size_t
feed_payload(struct crb_pktline *line, const char *bytes, size_t len)
{
	size_t taken = line->left < len ? line->left : len;
	size_t room = sizeof(line->start) - line->start_len;
	size_t copied = taken < room ? taken : room;

	memcpy(line->start + line->start_len, bytes, copied);
	line->start_len = (uint8_t)(line->start_len + copied);
	line->left = (uint16_t)(line->left - taken);
	if (line->start[0] >= CRB_BAND_DATA && line->start[0] <= CRB_BAND_ERROR)
		line->banded = true;
	return taken;
}

void
crb_pktline_feed(struct crb_pktline *line, const void *bytes, size_t len)
{
	const char *at = bytes;
	size_t taken;

	for (; len > 0 && !line->lost; at += taken, len -= taken) {
		if (line->head_len < HEAD)
			taken = feed_head(line, at, len);
		else
			taken = feed_payload(line, at, len);
		if (line->head_len == HEAD && line->left == 0 && !line->lost)
			end_line(line);
	}
}

size_t
crb_pktline_under_way(const struct crb_pktline *line)
{
	if (line->lost)
		return 0;
	if (line->head_len < HEAD)
		return line->head_len;
	return HEAD + (size_t)(line->size - line->left);
}

size_t
crb_pktline_rest(const struct crb_pktline *line, const void *bytes, size_t len)
{
	struct crb_pktline copy = *line;
	size_t count = 0;

	while (count < len && crb_pktline_under_way(&copy) > 0)
		crb_pktline_feed(&copy, (const char *)bytes + count++, 1);
	return count;
}

/*
 * The digits that are missing, for a line as short as can be, and its payload.
 * At least one digit has gone out.
 */
static bool
finish_head(const struct crb_pktline *line, struct crb_buf *out)
{
	char head[HEAD + 1] = "0000";
	int length;

	memcpy(head, line->head, line->head_len);
	if (memcmp(head, "000", 3) == 0)
		head[3] = '5';
	length = length_of(head);
	if (length <= HEAD || length > CRB_PKTLINE_MAX)
		return false;
	crb_buf_str(out, head + line->head_len);
	crb_buf_char(out, line->banded ? CRB_BAND_DATA : ' ');
	for (int i = HEAD + 1; i < length; i++)
		crb_buf_char(out, ' ');
	return true;
}

/* The rest of a payload; a band's byte must not be padding. */
static void
finish_payload(const struct crb_pktline *line, struct crb_buf *out)
{
	size_t left = line->left;

	if (line->banded && left == line->size) {
		crb_buf_char(out, CRB_BAND_DATA);
		left--;
	}
	for (; left > 0; left--)
		crb_buf_char(out, ' ');
}

static void
add_error(
    const struct crb_pktline *line, const char *message, struct crb_buf *out)
{
	char text[MESSAGE_MAX];
	int len = snprintf(
	    text, sizeof(text), "%s%s\n", line->banded ? "" : "ERR ", message);

	if (len < 0)
		return;
	if ((size_t)len >= sizeof(text))
		len = (int)sizeof(text) - 1;
	crb_pktline_add(out, line->banded ? CRB_BAND_ERROR : CRB_BAND_NONE,
	    text, (size_t)len);
	if (line->banded)
		crb_pktline_flush(out);
}

bool
crb_pktline_cut(
    const struct crb_pktline *line, const char *message, struct crb_buf *out)
{
	if (line->lost)
		return false;
	if (line->head_len == 0 && line->ended)
		return true;
	if (line->head_len == HEAD)
		finish_payload(line, out);
	else if (line->head_len > 0 && !finish_head(line, out))
		return false;
	add_error(line, message, out);
	return !out->failed;
}
