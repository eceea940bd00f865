#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "shim/http_reply.h"

struct cursor {
	char *at;
	char *end;
};

struct span {
	const char *p;
	size_t len;
};

/* What the head said of the body. */
struct framing {
	bool chunked;
	bool has_length;
	size_t length;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2: what a field's name is made of. */
static bool
is_token(char c)
{
	return c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

static bool
span_is(struct span span, const char *s)
{
	return span.len == strlen(s) && strncasecmp(span.p, s, span.len) == 0;
}

/* Cut a line off; its CRLF is not part of it, and it has no other control. */
static bool
cut_line(struct cursor *in, struct span *line)
{
	char *p = in->at;

	while (p < in->end && (*p == '\t' || (unsigned char)*p >= ' ') &&
	    *p != 0x7f)
		p++;
	if (in->end - p < 2 || p[0] != '\r' || p[1] != '\n')
		return false;
	*line = (struct span){ in->at, (size_t)(p - in->at) };
	in->at = p + 2;
	return true;
}

/* "HTTP/1.1 200 OK"; the reason may be empty. */
static bool
parse_status_line(struct span line, int *status)
{
	static const char version[] = "HTTP/1.1 ";
	const char *p = line.p + sizeof(version) - 1;

	if (line.len < sizeof(version) - 1 + 4 ||
	    memcmp(line.p, version, sizeof(version) - 1) != 0)
		return false;
	if (!is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]) ||
	    p[3] != ' ')
		return false;
	*status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	return *status >= 200 && *status <= 599;
}

/* "Name: value", the value without the blanks around it. */
static bool
parse_field(struct span line, struct span *name, struct span *value)
{
	size_t i = 0;

	while (i < line.len && is_token(line.p[i]))
		i++;
	if (i == 0 || i == line.len || line.p[i] != ':')
		return false;
	*name = (struct span){ line.p, i };
	*value = (struct span){ line.p + i + 1, line.len - i - 1 };
	while (value->len > 0 && (*value->p == ' ' || *value->p == '\t')) {
		value->p++;
		value->len--;
	}
	while (value->len > 0 &&
	    (value->p[value->len - 1] == ' ' ||
		value->p[value->len - 1] == '\t'))
		value->len--;
	return true;
}

static bool
parse_length(struct span digits, size_t *length)
{
	size_t n = 0;

	/* Twelve digits cannot overflow and are more than we ever read. */
	if (digits.len == 0 || digits.len > 12)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (!is_digit(digits.p[i]))
			return false;
		n = n * 10 + (size_t)(digits.p[i] - '0');
	}
	*length = n;
	return true;
}

/* Take note of the fields that matter; false when one is not acceptable. */
static bool
note_field(struct span name, struct span value, struct framing *framing,
    struct crb_http_reply *reply)
{
	if (span_is(name, "Content-Length")) {
		if (framing->has_length)
			return false;
		framing->has_length = true;
		return parse_length(value, &framing->length);
	}
	if (span_is(name, "Transfer-Encoding")) {
		if (framing->chunked || !span_is(value, "chunked"))
			return false;
		framing->chunked = true;
	}
	if (span_is(name, "Credbroker-Error")) {
		if (reply->error_len > 0)
			return false;
		reply->error = value.p;
		reply->error_len = value.len;
	}
	return true;
}

static bool
parse_head(
    struct cursor *in, struct framing *framing, struct crb_http_reply *reply)
{
	const char *start = in->at;
	struct span line, name, value;

	if (!cut_line(in, &line) || !parse_status_line(line, &reply->status))
		return false;
	for (;;) {
		if (!cut_line(in, &line) || in->at - start > CRB_HTTP_HEAD_MAX)
			return false;
		if (line.len == 0)
			return true;
		if (!parse_field(line, &name, &value) ||
		    !note_field(name, value, framing, reply))
			return false;
	}
}

/* The size in front of a chunk; extensions are not for us. */
static bool
parse_chunk_size(struct span line, size_t *size)
{
	size_t n = 0;

	if (line.len == 0 || line.len > 8)
		return false;
	for (size_t i = 0; i < line.len; i++) {
		char c = line.p[i];

		if (is_digit(c))
			n = n * 16 + (size_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (size_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			n = n * 16 + (size_t)(c - 'A' + 10);
		else
			return false;
	}
	*size = n;
	return true;
}

/* Join the chunks at the start of the body.  No trailer is accepted. */
static bool
join_chunks(struct cursor *in, struct crb_http_reply *reply)
{
	char *out = in->at;
	struct span line;
	size_t size;

	reply->body = out;
	for (;;) {
		if (!cut_line(in, &line) || !parse_chunk_size(line, &size))
			return false;
		if (size == 0)
			break;
		if ((size_t)(in->end - in->at) < size)
			return false;
		memmove(out, in->at, size);
		out += size;
		in->at += size;
		if (!cut_line(in, &line) || line.len != 0)
			return false;
	}
	reply->body_len = (size_t)(out - reply->body);
	return cut_line(in, &line) && line.len == 0 && in->at == in->end;
}

static bool
parse_body(struct cursor *in, const struct framing *framing,
    struct crb_http_reply *reply)
{
	bool bodiless = reply->status == 204 || reply->status == 304;

	if (framing->chunked)
		return !framing->has_length && !bodiless &&
		    join_chunks(in, reply);
	if (!framing->has_length && !bodiless)
		return false;
	reply->body = in->at;
	reply->body_len = framing->length;
	return (size_t)(in->end - in->at) == framing->length;
}

bool
crb_http_reply_parse(char *bytes, size_t len, struct crb_http_reply *reply)
{
	struct cursor in = { bytes, bytes + len };
	struct crb_http_reply parsed = { .error = "" };
	struct framing framing = { 0 };

	if (!parse_head(&in, &framing, &parsed) ||
	    !parse_body(&in, &framing, &parsed))
		return false;
	*reply = parsed;
	return true;
}
