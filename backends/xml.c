#include "backends/xml.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define ATTRIBUTES_MAX 16u
#define DECLARATION_MAX 128u
#define REFERENCE_MAX 10u /* "&#x10FFFF;" */

/* Where we are: a cursor, and the names of the elements around it. */
struct reader {
	const char *p, *end;
	struct crb_slice open[CRB_XML_DEPTH_MAX];
	size_t depth;
	size_t elements;
	struct crb_xml_field *fields;
	size_t count;
	struct crb_xml_field *in; /* the field whose element is innermost */
	struct crb_err *err;
};

static enum crb_status
bad(const struct reader *reader, const char *why)
{
	return crb_err_set(reader->err, CRB_ERR_INVALID, "the XML %s", why);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_name_char(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' ||
	    c == '.' || c == ':';
}

static bool
at(const struct reader *reader, const char *text)
{
	return crb_slice_starts(
	    (struct crb_slice){ reader->p, (size_t)(reader->end - reader->p) },
	    text);
}

static bool
take(struct reader *reader, const char *text)
{
	bool there = at(reader, text);

	if (there)
		reader->p += strlen(text);
	return there;
}

static bool
skip_space(struct reader *reader)
{
	const char *start = reader->p;

	while (reader->p < reader->end && is_space(*reader->p))
		reader->p++;
	return reader->p > start;
}

static enum crb_status
take_name(struct reader *reader, struct crb_slice *name)
{
	const char *start = reader->p;

	while (reader->p < reader->end && is_name_char(*reader->p))
		reader->p++;
	*name = (struct crb_slice){ start, (size_t)(reader->p - start) };
	if (name->len == 0 || !is_name_start(*start))
		return bad(reader, "has a tag without a name");
	if (name->len > CRB_XML_NAME_MAX)
		return bad(reader, "has a name that is too long");
	return CRB_OK;
}

/* `name` is that of the element which is inside all that are open. */
static bool
is_path(const struct reader *reader, struct crb_slice name, const char *path)
{
	struct crb_slice rest = CRB_SLICE(path), piece;

	for (size_t i = 0; i <= reader->depth; i++) {
		struct crb_slice here = i < reader->depth ? reader->open[i]
							  : name;

		if (!crb_slice_cut(&rest, '/', &piece) ||
		    piece.len != here.len ||
		    memcmp(piece.p, here.p, here.len) != 0)
			return false;
	}
	return rest.p == NULL;
}

static struct crb_xml_field *
find_field(const struct reader *reader, struct crb_slice name)
{
	for (size_t i = 0; i < reader->count; i++) {
		if (is_path(reader, name, reader->fields[i].path))
			return &reader->fields[i];
	}
	return NULL;
}

/* name="value", of which nothing is kept. */
static enum crb_status
skip_attribute(struct reader *reader)
{
	struct crb_slice name;
	char quote;

	if (take_name(reader, &name) != CRB_OK)
		return reader->err->status;
	(void)skip_space(reader);
	if (!take(reader, "="))
		return bad(reader, "has an attribute without a value");
	(void)skip_space(reader);
	if (!at(reader, "\"") && !at(reader, "'"))
		return bad(reader, "has an attribute without quotes");
	quote = *reader->p++;
	while (reader->p < reader->end && *reader->p != quote) {
		if (*reader->p == '<')
			return bad(reader, "has a \"<\" in an attribute");
		reader->p++;
	}
	if (reader->p == reader->end)
		return bad(reader, "ends in an attribute");
	reader->p++;
	return CRB_OK;
}

static enum crb_status
skip_attributes(struct reader *reader)
{
	for (size_t i = 0; skip_space(reader) && reader->p < reader->end &&
	     is_name_start(*reader->p);
	     i++) {
		if (i == ATTRIBUTES_MAX)
			return bad(reader, "has too many attributes");
		if (skip_attribute(reader) != CRB_OK)
			return reader->err->status;
	}
	return CRB_OK;
}

static enum crb_status
enter(struct reader *reader, struct crb_slice name)
{
	struct crb_xml_field *field = find_field(reader, name);

	if (reader->in != NULL && reader->in->text != NULL)
		return bad(reader, "has elements where a text is wanted");
	if (reader->depth == CRB_XML_DEPTH_MAX)
		return bad(reader, "is nested too deeply");
	if (++reader->elements > CRB_XML_ELEMENTS_MAX)
		return bad(reader, "has too many elements");
	if (field != NULL && field->there)
		return bad(reader, "has twice what may be there once");
	if (field != NULL)
		field->there = true;
	reader->open[reader->depth++] = name;
	reader->in = field;
	return CRB_OK;
}

/* The field of the element around the one that ends is a container, or none. */
static void
leave(struct reader *reader)
{
	reader->depth--;
	reader->in = NULL;
}

/* Behind "<". */
static enum crb_status
read_start(struct reader *reader)
{
	struct crb_slice name;

	if (take_name(reader, &name) != CRB_OK ||
	    skip_attributes(reader) != CRB_OK || enter(reader, name) != CRB_OK)
		return reader->err->status;
	if (take(reader, "/>"))
		leave(reader);
	else if (!take(reader, ">"))
		return bad(reader, "has a tag that does not end");
	return CRB_OK;
}

/* Behind "</". */
static enum crb_status
read_end(struct reader *reader)
{
	struct crb_slice name, open;

	if (take_name(reader, &name) != CRB_OK)
		return reader->err->status;
	(void)skip_space(reader);
	open = reader->open[reader->depth - 1];
	if (!take(reader, ">") || name.len != open.len ||
	    memcmp(name.p, open.p, open.len) != 0)
		return bad(reader, "has tags that do not match");
	leave(reader);
	return CRB_OK;
}

/* A character of XML (production 2), in UTF-8. */
static bool
put_character(struct crb_buf *out, uint32_t c)
{
	if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
	    (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff ||
	    c > 0x10ffff)
		return false;
	if (c < 0x80) {
		crb_buf_char(out, (char)c);
	} else if (c < 0x800) {
		crb_buf_char(out, (char)(0xc0 | (c >> 6)));
		crb_buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		crb_buf_char(out, (char)(0xe0 | (c >> 12)));
		crb_buf_char(out, (char)(0x80 | ((c >> 6) & 0x3f)));
		crb_buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		crb_buf_char(out, (char)(0xf0 | (c >> 18)));
		crb_buf_char(out, (char)(0x80 | ((c >> 12) & 0x3f)));
		crb_buf_char(out, (char)(0x80 | ((c >> 6) & 0x3f)));
		crb_buf_char(out, (char)(0x80 | (c & 0x3f)));
	}
	return true;
}

static int
digit_of(char c, unsigned base)
{
	static const char digits[] = "0123456789abcdef";
	char lower = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
	const char *found = lower != '\0' ? strchr(digits, lower) : NULL;
	long value = found != NULL ? found - digits : -1;

	return value < (long)base ? (int)value : -1;
}

/* "#10" or "#xA", which is short. */
static bool
decode_number(struct crb_slice text, struct crb_buf *out)
{
	bool hex = text.len > 1 && text.p[1] == 'x';
	size_t i = hex ? 2 : 1;
	uint32_t number = 0;

	if (i >= text.len)
		return false;
	for (; i < text.len; i++) {
		int digit = digit_of(text.p[i], hex ? 16 : 10);

		if (digit < 0)
			return false;
		number = number * (hex ? 16 : 10) + (uint32_t)digit;
	}
	return put_character(out, number);
}

static bool
decode_reference(struct crb_slice text, struct crb_buf *out)
{
	static const struct {
		const char *name;
		char c;
	} named[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' },
		{ "quot", '"' }, { "apos", '\'' } };

	if (text.len > 0 && text.p[0] == '#')
		return decode_number(text, out);
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
		if (crb_slice_is(text, named[i].name)) {
			crb_buf_char(out, named[i].c);
			return true;
		}
	}
	return false;
}

/* At "&". */
static enum crb_status
read_reference(struct reader *reader, struct crb_buf *out)
{
	size_t left = (size_t)(reader->end - reader->p);
	const char *end = memchr(
	    reader->p, ';', left < REFERENCE_MAX ? left : REFERENCE_MAX);

	if (end == NULL ||
	    !decode_reference((struct crb_slice){ reader->p + 1,
				  (size_t)(end - reader->p - 1) },
		out))
		return bad(reader, "has a reference to nothing");
	reader->p = end + 1;
	return CRB_OK;
}

/* Up to the next tag.  What no field wants is read all the same. */
static enum crb_status
read_text(struct reader *reader)
{
	CRB_AUTO_BUF struct crb_buf ignored = CRB_BUF_INIT_WIPED(REFERENCE_MAX);
	struct crb_buf *wanted = reader->in != NULL ? reader->in->text : NULL;

	while (reader->p < reader->end && *reader->p != '<') {
		unsigned char c = (unsigned char)*reader->p;

		if (c == '&') {
			crb_buf_reset(&ignored);
			if (read_reference(reader,
				wanted != NULL ? wanted : &ignored) != CRB_OK)
				return reader->err->status;
			continue;
		}
		if (c < ' ' && !is_space((char)c))
			return bad(reader, "has a control character");
		if (wanted != NULL)
			crb_buf_char(wanted, (char)c);
		reader->p++;
	}
	return wanted != NULL ? crb_buf_check(wanted, "a text", reader->err)
			      : CRB_OK;
}

static enum crb_status
skip_declaration(struct reader *reader)
{
	size_t left = (size_t)(reader->end - reader->p);
	const char *end;

	if (!at(reader, "<?xml "))
		return CRB_OK;
	if (left > DECLARATION_MAX)
		left = DECLARATION_MAX;
	if ((end = memmem(reader->p, left, "?>", 2)) == NULL)
		return bad(reader, "has a declaration that does not end");
	reader->p = end + 2;
	return CRB_OK;
}

static enum crb_status
read_element(struct reader *reader)
{
	if (!take(reader, "<"))
		return bad(reader, "has no element");
	if (read_start(reader) != CRB_OK)
		return reader->err->status;
	while (reader->depth > 0) {
		if (read_text(reader) != CRB_OK)
			return reader->err->status;
		if (take(reader, "</")) {
			if (read_end(reader) != CRB_OK)
				return reader->err->status;
		} else if (!take(reader, "<")) {
			return bad(reader, "ends too early");
		} else if (read_start(reader) != CRB_OK) {
			return reader->err->status;
		}
	}
	return CRB_OK;
}

enum crb_status
crb_xml_extract(const char *text, size_t len, struct crb_xml_field *fields,
    size_t count, struct crb_err *err)
{
	struct reader reader = { .p = text,
		.end = text + len,
		.fields = fields,
		.count = count,
		.err = err };
	enum crb_status status;

	for (size_t i = 0; i < count; i++)
		fields[i].there = false;
	if ((status = skip_declaration(&reader)) != CRB_OK)
		return status;
	(void)skip_space(&reader);
	if ((status = read_element(&reader)) != CRB_OK)
		return status;
	(void)skip_space(&reader);
	if (reader.p != reader.end)
		return bad(&reader, "has something behind its end");
	return CRB_OK;
}
