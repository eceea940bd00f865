#include "backends/sigv4_canonical.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define BLANKS " \t"

bool
crb_sigv4_is_s3(const char *service)
{
	static const char *const kin[] = { "s3", "s3-outposts",
		"s3-object-lambda", NULL };

	for (size_t i = 0; kin[i] != NULL; i++) {
		if (strcmp(service, kin[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_escape(struct crb_slice text, size_t at)
{
	return text.len - at > 2 && text.p[at] == '%' &&
	    crb_text_hex_value(text.p[at + 1]) >= 0 &&
	    crb_text_hex_value(text.p[at + 2]) >= 0;
}

/* The byte at *at, decoded; *at moves behind it. */
static char
decode_one(struct crb_slice text, size_t *at)
{
	char c = text.p[*at];

	if (!is_escape(text, *at)) {
		++*at;
		return c;
	}
	c = (char)(crb_text_hex_value(text.p[*at + 1]) * 16 +
	    crb_text_hex_value(text.p[*at + 2]));
	*at += 3;
	return c;
}

static enum crb_status
check_target(const char *target, struct crb_err *err)
{
	struct crb_slice text = CRB_SLICE(target);

	if (text.len == 0 || text.p[0] != '/')
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a target to sign does not start with \"/\"");
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '#')
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a target to sign has a byte that no target has");
		if (text.p[i] == '%' && !is_escape(text, i))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a target to sign has a \"%%\" without two "
			    "hexadecimal digits");
	}
	return CRB_OK;
}

/*
 * Services decode what they get and encode it again, so however a client spelt
 * it ("+" or "%2b", "(" or "%28"), there is one spelling that is signed.
 */
static void
path_once(struct crb_slice path, struct crb_buf *out)
{
	for (size_t at = 0; at < path.len && !out->failed;) {
		char c = decode_one(path, &at);

		if (c == '/')
			crb_buf_char(out, c);
		else
			crb_text_percent_encode(out, &c, 1);
	}
}

/* ".", "..", or nothing: what a service would take out before it signs. */
static bool
is_dotted(struct crb_slice segment)
{
	size_t dots = 0;

	for (size_t at = 0; at < segment.len; dots++) {
		if (decode_one(segment, &at) != '.')
			return false;
	}
	return dots <= 2;
}

static enum crb_status
path_twice(struct crb_slice path, struct crb_buf *out, struct crb_err *err)
{
	struct crb_slice rest = { path.p + 1, path.len - 1 }, segment;

	while (crb_slice_cut(&rest, '/', &segment)) {
		/* An empty last one is a slash at the end. */
		if (is_dotted(segment) && (segment.len > 0 || rest.p != NULL))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a path to sign has a segment that is empty, "
			    "\".\" or \"..\"");
		crb_buf_char(out, '/');
		crb_text_percent_encode(out, segment.p, segment.len);
	}
	return CRB_OK;
}

/* Encoded once, but for its first "="; in a query a "+" is a space. */
static void
query_piece(struct crb_slice piece, struct crb_buf *out)
{
	bool named = false;
	char c;

	for (size_t at = 0; at < piece.len && !out->failed;) {
		if (piece.p[at] == '=' && !named) {
			crb_buf_char(out, '=');
			named = true;
			at++;
			continue;
		}
		c = piece.p[at] == '+' ? ' ' : piece.p[at];
		if (c == ' ')
			at++;
		else
			c = decode_one(piece, &at);
		crb_text_percent_encode(out, &c, 1);
	}
}

/* By name, then by value: "a=" comes before "a-b=", unlike as a text. */
static int
compare_slices(struct crb_slice a, struct crb_slice b)
{
	size_t least = a.len < b.len ? a.len : b.len;
	int order = least > 0 ? memcmp(a.p, b.p, least) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

struct parameter {
	struct crb_slice name, value;
};

static int
compare_parameters(const void *a, const void *b)
{
	const struct parameter *one = a, *other = b;
	int order = compare_slices(one->name, other->name);

	return order != 0 ? order : compare_slices(one->value, other->value);
}

/* What has no "=" has an empty value. */
static void
sort_query(const struct crb_buf *encoded, struct parameter *table, size_t count,
    struct crb_buf *out)
{
	struct crb_slice rest = { crb_buf_text(encoded), encoded->len }, piece;

	for (size_t i = 0; i < count; i++) {
		(void)crb_slice_cut(&rest, '&', &piece);
		(void)crb_slice_cut(&piece, '=', &table[i].name);
		table[i].value = piece;
	}
	qsort(table, count, sizeof(*table), compare_parameters);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			crb_buf_char(out, '&');
		crb_buf_add(out, table[i].name.p, table[i].name.len);
		crb_buf_char(out, '=');
		crb_buf_add(out, table[i].value.p, table[i].value.len);
	}
}

static enum crb_status
canonical_query(
    struct crb_slice query, struct crb_buf *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf encoded = CRB_BUF_INIT_WIPED(
	    CRB_SIGV4_CANONICAL_MAX);
	CRB_AUTO_FREE struct parameter *table = NULL;
	struct crb_slice piece;
	size_t count = 0;

	while (crb_slice_cut(&query, '&', &piece)) {
		if (piece.len == 0)
			continue;
		if (++count > CRB_SIGV4_PARAMETERS_MAX)
			return crb_err_set(err, CRB_ERR_TOO_LARGE,
			    "a query to sign has more than %u parameters",
			    CRB_SIGV4_PARAMETERS_MAX);
		if (count > 1)
			crb_buf_char(&encoded, '&');
		query_piece(piece, &encoded);
	}
	if (crb_buf_check(&encoded, "a query to sign", err) != CRB_OK)
		return err->status;
	if (count == 0)
		return CRB_OK;
	if ((table = calloc(count, sizeof(*table))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory to sign");
	sort_query(&encoded, table, count, out);
	return CRB_OK;
}

struct header {
	struct crb_slice name, value;
	size_t order; /* qsort() keeps none */
};

struct headers {
	struct header table[CRB_SIGV4_HEADERS_MAX];
	size_t count;
};

static bool
is_name(struct crb_slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return name.len > 0;
}

static bool
is_value(struct crb_slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static enum crb_status
add_header(struct headers *headers, struct crb_slice name,
    struct crb_slice value, struct crb_err *err)
{
	if (!is_name(name) || !is_value(value))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a header to sign is malformed, or its name is not in "
		    "lower case");
	if (headers->count == CRB_SIGV4_HEADERS_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "more than %u headers to sign", CRB_SIGV4_HEADERS_MAX);
	headers->table[headers->count] = (struct header){
		.name = name, .value = value, .order = headers->count
	};
	headers->count++;
	return CRB_OK;
}

/* What is the signer's to say, or what the payload has said already. */
static enum crb_status
check_theirs(const struct crb_sign_request *request, struct crb_slice name,
    struct crb_slice value, struct crb_err *err)
{
	static const char *const ours[] = { "host", "authorization",
		"x-amz-date", "x-amz-security-token", NULL };

	for (size_t i = 0; ours[i] != NULL; i++) {
		if (crb_slice_is(name, ours[i]))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "the signer itself sets %s", ours[i]);
	}
	if (crb_slice_is(name, "x-amz-content-sha256") &&
	    (crb_sigv4_is_s3(request->service) ||
		!crb_slice_is(value, request->payload)))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "x-amz-content-sha256 is said twice");
	return CRB_OK;
}

/* `request` is NULL of our own. */
static enum crb_status
add_lines(struct headers *headers, const char *lines,
    const struct crb_sign_request *request, struct crb_err *err)
{
	struct crb_slice rest = CRB_SLICE(lines), value, name;

	while (crb_slice_cut(&rest, '\n', &value)) {
		if (value.len == 0 && rest.p == NULL)
			return CRB_OK;
		(void)crb_slice_cut(&value, ':', &name);
		if (value.p == NULL || rest.p == NULL)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a header to sign is not a line \"name: value\"");
		value = crb_slice_trim(value, BLANKS);
		if (request != NULL &&
		    check_theirs(request, name, value, err) != CRB_OK)
			return err->status;
		if (add_header(headers, name, value, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

static int
compare_headers(const void *a, const void *b)
{
	const struct header *one = a, *other = b;
	int order = compare_slices(one->name, other->name);

	if (order != 0)
		return order;
	return one->order < other->order ? -1 : 1;
}

/* Trimmed already; runs of blanks inside become one space. */
static void
write_value(struct crb_slice value, struct crb_buf *out)
{
	size_t start = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (strchr(BLANKS, value.p[i]) == NULL)
			continue;
		crb_buf_add(out, value.p + start, i - start);
		if (strchr(BLANKS, value.p[i - 1]) == NULL)
			crb_buf_char(out, ' ');
		start = i + 1;
	}
	crb_buf_add(out, value.p + start, value.len - start);
}

static void
write_headers(
    struct headers *headers, struct crb_buf *out, struct crb_buf *names)
{
	const struct header *at, *before = NULL;

	qsort(headers->table, headers->count, sizeof(*headers->table),
	    compare_headers);
	for (size_t i = 0; i < headers->count; i++, before = at) {
		at = &headers->table[i];
		if (before != NULL &&
		    compare_slices(at->name, before->name) == 0) {
			crb_buf_char(out, ',');
			write_value(at->value, out);
			continue;
		}
		if (before != NULL) {
			crb_buf_char(out, '\n');
			crb_buf_char(names, ';');
		}
		crb_buf_add(names, at->name.p, at->name.len);
		crb_buf_add(out, at->name.p, at->name.len);
		crb_buf_char(out, ':');
		write_value(at->value, out);
	}
	crb_buf_str(out, "\n");
}

static enum crb_status
canonical_headers(const struct crb_sign_request *request, const char *ours,
    struct crb_buf *out, struct crb_buf *names, struct crb_err *err)
{
	struct headers headers = { .count = 0 };

	if (add_header(&headers, CRB_SLICE("host"),
		crb_slice_trim(CRB_SLICE(request->host), BLANKS),
		err) != CRB_OK ||
	    add_lines(&headers, ours, NULL, err) != CRB_OK ||
	    add_lines(&headers,
		request->headers != NULL ? request->headers : "", request,
		err) != CRB_OK)
		return err->status;
	write_headers(&headers, out, names);
	return CRB_OK;
}

/* The path, a newline, the query. */
static enum crb_status
canonical_target(const struct crb_sign_request *request, struct crb_buf *out,
    struct crb_err *err)
{
	struct crb_slice query = CRB_SLICE(request->target), path;

	if (check_target(request->target, err) != CRB_OK)
		return err->status;
	(void)crb_slice_cut(&query, '?', &path);
	if (crb_sigv4_is_s3(request->service))
		path_once(path, out);
	else if (path_twice(path, out, err) != CRB_OK)
		return err->status;
	crb_buf_char(out, '\n');
	return canonical_query(query, out, err);
}

enum crb_status
crb_sigv4_canonical(const struct crb_sign_request *request, const char *ours,
    struct crb_buf *out, struct crb_buf *names, struct crb_err *err)
{
	crb_buf_str(out, request->method);
	crb_buf_char(out, '\n');
	if (canonical_target(request, out, err) != CRB_OK)
		return err->status;
	crb_buf_char(out, '\n');
	if (canonical_headers(request, ours, out, names, err) != CRB_OK)
		return err->status;
	crb_buf_char(out, '\n');
	crb_buf_add(out, crb_buf_text(names), names->len);
	crb_buf_char(out, '\n');
	crb_buf_str(out, request->payload);
	if (crb_buf_check(names, "a request to sign", err) != CRB_OK)
		return err->status;
	return crb_buf_check(out, "a request to sign", err);
}
