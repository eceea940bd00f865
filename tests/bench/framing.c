#include "tests/bench/framing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
framing_init(struct framing *framing)
{
	/* The head's bytes are written before they are read. */
	memset((char *)framing + sizeof(framing->head), 0,
	    sizeof(*framing) - sizeof(framing->head));
}

/* The value of a header, or NULL; `head` ends with an empty line. */
static const char *
value_of(const char *head, const char *name)
{
	const size_t len = strlen(name);
	const char *at = head;

	while ((at = strstr(at, "\r\n")) != NULL) {
		at += 2;
		if (strncasecmp(at, name, len) == 0 && at[len] == ':')
			return at + len + 1 + strspn(at + len + 1, " ");
	}
	return NULL;
}

static void
read_head(struct framing *framing)
{
	const char *head = framing->head, *value;

	framing->head_done = true;
	if (strncmp(head, "HTTP/1.", 7) == 0)
		framing->status = (unsigned)strtoul(head + 9, NULL, 10);
	if ((value = value_of(head, "connection")) != NULL)
		framing->close = strncasecmp(value, "close", 5) == 0;
	if ((value = value_of(head, "content-length")) != NULL)
		framing->left = strtoull(value, NULL, 10);
	if ((value = value_of(head, "transfer-encoding")) != NULL)
		framing->chunked = strncasecmp(value, "chunked", 7) == 0;
	framing->done = !framing->chunked && framing->left == 0;
}

/* Up to the empty line; what stands behind it is not taken. */
static size_t
feed_head(struct framing *framing, const char *bytes, size_t len)
{
	const size_t before = framing->head_len;
	const size_t room = sizeof(framing->head) - 1 - before;
	const size_t taken = len < room ? len : room;
	const char *from, *end;

	memcpy(framing->head + before, bytes, taken);
	framing->head[before + taken] = '\0';
	from = framing->head + (before > 3 ? before - 3 : 0);
	if ((end = strstr(from, "\r\n\r\n")) == NULL) {
		framing->head_len = before + taken;
		framing->failed = taken == room;
		return taken;
	}
	framing->head_len = (size_t)(end - framing->head) + 4;
	framing->head[framing->head_len] = '\0';
	read_head(framing);
	return framing->head_len - before;
}

static size_t
feed_data(struct framing *framing, size_t len)
{
	const size_t taken = framing->left < len ? (size_t)framing->left : len;

	framing->left -= taken;
	framing->body += taken;
	framing->done = framing->left == 0 && !framing->chunked;
	return taken;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* A line between chunks: empty behind data, a size before it. */
static void
end_line(struct framing *framing)
{
	if (framing->line == 0) {
		framing->done = framing->last_chunk;
	} else {
		framing->left = framing->size;
		framing->last_chunk = framing->size == 0;
	}
	framing->line = 0;
	framing->size = 0;
}

static size_t
feed_between(struct framing *framing, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && framing->left == 0 && !framing->done) {
		const char c = bytes[at++];
		const int value = digit(c);

		if (c == '\n') {
			end_line(framing);
		} else if (value >= 0) {
			framing->line++;
			framing->size = framing->size << 4 | (unsigned)value;
		} else if (c != '\r') {
			framing->failed = true;
			return at;
		}
	}
	return at;
}

size_t
framing_feed(struct framing *framing, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && !framing->done && !framing->failed) {
		if (!framing->head_done)
			at += feed_head(framing, bytes + at, len - at);
		else if (framing->left > 0)
			at += feed_data(framing, len - at);
		else
			at += feed_between(framing, bytes + at, len - at);
	}
	return at;
}
