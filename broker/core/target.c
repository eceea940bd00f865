#include "broker/core/target.h"

#include <stdint.h>
#include <string.h>

#include "broker/bus/messages.h"

/* What is being checked, for messages and for what may stand in it. */
struct part {
	const char *name;
	const char *raw;   /* may stand raw, beside unreserved ones */
	const char *never; /* may not be escaped either */
};

static const struct part path_part = { "path", "!$&'()*+,=:@/", "/\\%;?#." };
static const struct part query_part = { "query", "!$&'()*+,=:@/?", "%" };
/* One spelling each, the one that is signed: what may be escaped has to be. */
static const struct part object_part = { "path", "/", "/" };
static const struct part signed_query_part = { "query", "=&", "" };
/* Escapes are signed as they stand, so a service reads what was signed. */
static const struct part signed_path_part = { "path", "!$&'()*+,=:@/", "\\" };

/* RFC 3986 2.3 */
static bool
is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

static bool
is_control(unsigned char c)
{
	return c < ' ' || c == 0x7f;
}

/* The value of an upper-case hexadecimal digit, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum crb_status
refuse(
    struct crb_err *err, const struct part *part, size_t at, const char *what)
{
	return crb_err_set(err, CRB_ERR_INVALID, "the %s has %s at byte %zu",
	    part->name, what, at + 1);
}

/* "%2F" at `at`; the byte it stands for, or -1. */
static int
escape_value(struct crb_slice text, size_t at)
{
	int high, low;

	if (text.len - at < 3)
		return -1;
	high = hex_value(text.p[at + 1]);
	low = hex_value(text.p[at + 2]);
	return high == -1 || low == -1 ? -1 : high * 16 + low;
}

/*
 * How many bytes the UTF-8 sequence starting with `lead` has, and the least
 * and most its second byte may be (RFC 3629 4).  0: no sequence starts so.
 */
static size_t
utf8_shape(unsigned lead, unsigned *least, unsigned *most)
{
	*least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* Escaped bytes above ASCII must be whole UTF-8 characters. */
static size_t
utf8_escapes(struct crb_slice text, size_t at)
{
	unsigned least, most;
	size_t count = utf8_shape(
	    (unsigned)escape_value(text, at), &least, &most);

	for (size_t i = 1; i < count; i++) {
		int byte = -1;

		if (at + 3 * i < text.len && text.p[at + 3 * i] == '%')
			byte = escape_value(text, at + 3 * i);
		if (byte < (int)least || byte > (int)most)
			return 0;
		least = 0x80;
		most = 0xbf;
	}
	return 3 * count;
}

/* Check one escape, or one character of several; *len is its length. */
static enum crb_status
check_escape(struct crb_slice text, size_t at, const struct part *part,
    size_t *len, struct crb_err *err)
{
	int value = escape_value(text, at);

	*len = 3;
	if (value == -1)
		return refuse(err, part, at,
		    "a \"%\" without two upper-case hexadecimal digits");
	if (is_control((unsigned char)value))
		return refuse(err, part, at, "an encoded control character");
	if (value < 0x80 && strchr(part->never, value) != NULL)
		return refuse(err, part, at,
		    "an encoded character that some servers read as a "
		    "separator, a dot or another escape");
	if (is_unreserved((unsigned char)value))
		return refuse(err, part, at,
		    "an encoded character that must stand as itself");
	if (value >= 0x80 && (*len = utf8_escapes(text, at)) == 0)
		return refuse(err, part, at, "escapes that are not UTF-8");
	return CRB_OK;
}

static enum crb_status
check_raw(struct crb_slice text, size_t at, const struct part *part,
    struct crb_err *err)
{
	unsigned char c = (unsigned char)text.p[at];

	if (c >= 0x80)
		return refuse(err, part, at, "a byte that is not ASCII");
	if (is_control(c))
		return refuse(err, part, at, "a control character");
	if (is_unreserved(c) || strchr(part->raw, c) != NULL)
		return CRB_OK;
	switch (c) {
	case '\\':
		return refuse(err, part, at, "a backslash");
	case '#':
		return refuse(err, part, at, "a fragment");
	case ';':
		return refuse(err, part, at, "a \";\"");
	default:
		return refuse(
		    err, part, at, "a character that must be encoded");
	}
}

static enum crb_status
check_characters(
    struct crb_slice text, const struct part *part, struct crb_err *err)
{
	if (text.len > CRB_TARGET_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the %s is longer than %d bytes", part->name,
		    CRB_TARGET_MAX);
	for (size_t i = 0, len; i < text.len; i += len) {
		enum crb_status status;

		len = 1;
		status = text.p[i] == '%'
		    ? check_escape(text, i, part, &len, err)
		    : check_raw(text, i, part, err);
		if (status != CRB_OK)
			return status;
	}
	return CRB_OK;
}

/* Only the last segment may be empty, and only behind another one. */
static enum crb_status
check_segments(struct crb_slice path, bool object, struct crb_err *err)
{
	struct crb_slice rest = path;
	struct crb_slice segment;

	while (crb_slice_cut(&rest, '/', &segment)) {
		size_t at = (size_t)(segment.p - path.p);

		if (segment.len == 0 &&
		    (at == 0 || (rest.p != NULL && !object)))
			return refuse(err, &path_part, at, "an empty segment");
		if (crb_slice_is(segment, ".") || crb_slice_is(segment, ".."))
			return refuse(
			    err, &path_part, at, "a \".\" or \"..\" segment");
	}
	return CRB_OK;
}

/* Behind the decoding of a "%2F" nothing may be a "." or ".." segment. */
static enum crb_status
check_decoded_segments(struct crb_slice path, struct crb_err *err)
{
	struct crb_slice rest = path, segment;

	while (rest.len > 0) {
		const char *escape = memmem(rest.p, rest.len, "%2F", 3);
		const char *slash = memchr(rest.p, '/', rest.len);
		const char *end = rest.p + rest.len;
		bool escaped = escape != NULL &&
		    (slash == NULL || escape < slash);
		const char *cut = escaped ? escape : slash;

		segment = (struct crb_slice){ rest.p,
			(size_t)((cut != NULL ? cut : end) - rest.p) };
		if (crb_slice_is(segment, ".") || crb_slice_is(segment, ".."))
			return refuse(err, &path_part,
			    (size_t)(segment.p - path.p),
			    "a \".\" or \"..\" segment");
		if (cut == NULL)
			break;
		rest.p = cut + (escaped ? 3 : 1);
		rest.len = (size_t)(end - rest.p);
	}
	return CRB_OK;
}

enum crb_status
crb_target_check_path(struct crb_slice path, struct crb_err *err)
{
	enum crb_status status;

	if (path.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "the path is empty");
	if ((status = check_characters(path, &path_part, err)) != CRB_OK)
		return status;
	return check_segments(path, false, err);
}

enum crb_status
crb_target_check_query(struct crb_slice query, struct crb_err *err)
{
	return check_characters(query, &query_part, err);
}

enum crb_status
crb_target_check_object(struct crb_slice path, struct crb_err *err)
{
	enum crb_status status;

	if (path.len == 0)
		return CRB_OK;
	if ((status = check_characters(path, &object_part, err)) != CRB_OK)
		return status;
	return check_segments(path, true, err);
}

enum crb_status
crb_target_check_signed_path(struct crb_slice path, struct crb_err *err)
{
	enum crb_status status;

	if (path.len == 0)
		return CRB_OK;
	if ((status = check_characters(path, &signed_path_part, err)) !=
		CRB_OK ||
	    (status = check_decoded_segments(path, err)) != CRB_OK)
		return status;
	return check_segments(path, false, err);
}

/* A parameter is there once as "NAME", or as "NAME=VALUE". */
enum crb_status
crb_target_check_signed_query(struct crb_slice query, struct crb_err *err)
{
	struct crb_slice rest = query, value, name;
	enum crb_status status;

	if (query.len == 0)
		return CRB_OK;
	status = check_characters(query, &signed_query_part, err);
	while (status == CRB_OK && crb_slice_cut(&rest, '&', &value)) {
		size_t at = (size_t)(value.p - query.p);

		(void)crb_slice_cut(&value, '=', &name);
		if (name.len == 0)
			return refuse(err, &query_part, at, "no name");
		if (value.p != NULL && memchr(value.p, '=', value.len) != NULL)
			return refuse(err, &query_part, at,
			    "an \"=\" in a value that is not encoded");
	}
	return status;
}
