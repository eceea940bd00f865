#include "broker/bus/headers.h"

#include <string.h>

#define BLANKS " \t"

/* A name that ends in '-' stands for all that start with it. */
static const char *const git_request[] = {
	"accept",
	"accept-language",
	"cache-control",
	"content-encoding",
	"content-type",
	"git-protocol",
	"pragma",
	"user-agent",
	NULL,
};

static const char *const git_response[] = {
	"cache-control",
	"content-language",
	"content-type",
	"etag",
	"expires",
	"last-modified",
	"link",
	"location",
	"pragma",
	"retry-after",
	"x-ratelimit-",
	NULL,
};

/*
 * Of an API.  What the egress signs with is said by it alone, so what a client
 * says there ends at the gateway; see `http_never`.
 */
static const char *const http_request[] = {
	"accept",
	"accept-language",
	"cache-control",
	"content-disposition",
	"content-encoding",
	"content-language",
	"content-md5",
	"content-type",
	"expires",
	"if-match",
	"if-modified-since",
	"if-none-match",
	"if-range",
	"if-unmodified-since",
	"range",
	"smithy-protocol",
	"user-agent",
	"x-amz-",
	"x-amzn-query-mode",
	NULL,
};

static const char *const http_never[] = {
	"x-amz-date",
	"x-amz-security-token",
	"x-amz-s3session-token",
	NULL,
};

static const char *const http_response[] = {
	"accept-ranges",
	"cache-control",
	"content-disposition",
	"content-encoding",
	"content-language",
	"content-range",
	"content-type",
	"etag",
	"expires",
	"last-modified",
	"link",
	"location",
	"retry-after",
	"smithy-protocol",
	"x-amz-",
	"x-amzn-",
	NULL,
};

static bool
matches(struct crb_slice name, const char *listed)
{
	size_t len = strlen(listed);

	if (listed[len - 1] != '-')
		return crb_slice_is_nocase(name, listed);
	return name.len > len && crb_slice_starts_nocase(name, listed);
}

static bool
is_listed(struct crb_slice name, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (matches(name, *list))
			return true;
	}
	return false;
}

bool
crb_header_is_metadata(struct crb_slice name)
{
	return matches(name, "x-amz-meta-");
}

bool
crb_header_request_ok(enum crb_route_kind route, struct crb_slice name)
{
	if (route == CRB_ROUTE_GIT)
		return is_listed(name, git_request);
	/* An underscore is a hyphen to some: "x-amz-security_token". */
	return route == CRB_ROUTE_HTTP && is_listed(name, http_request) &&
	    !is_listed(name, http_never) &&
	    (memchr(name.p, '_', name.len) == NULL ||
		crb_header_is_metadata(name));
}

bool
crb_header_response_ok(enum crb_route_kind route, struct crb_slice name)
{
	if (route == CRB_ROUTE_GIT)
		return is_listed(name, git_response);
	return route == CRB_ROUTE_HTTP && is_listed(name, http_response);
}

bool
crb_header_value_ok(struct crb_slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		if ((value.p[i] < 0x20 || value.p[i] > 0x7e) &&
		    value.p[i] != '\t')
			return false;
	}
	return true;
}

/* Letters, digits, '-' and '_': all that listed names can be made of. */
static bool
is_name(struct crb_slice name, bool capitals)
{
	if (name.len == 0 || name.len > CRB_HEADER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = capitals ? crb_text_lower(name.p[i]) : name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_')
			return false;
	}
	return true;
}

bool
crb_headers_add(
    struct crb_buf *block, struct crb_slice name, struct crb_slice value)
{
	struct crb_slice trimmed = crb_slice_trim(value, BLANKS);
	char line[CRB_HEADER_NAME_MAX + 2];

	if (!is_name(name, true) || trimmed.len == 0 ||
	    !crb_header_value_ok(trimmed))
		return false;
	for (size_t i = 0; i < name.len; i++)
		line[i] = crb_text_lower(name.p[i]);
	memcpy(line + name.len, ": ", 2);
	crb_buf_add(block, line, name.len + 2);
	crb_buf_add(block, trimmed.p, trimmed.len);
	crb_buf_char(block, '\n');
	return true;
}

enum crb_status
crb_headers_next(struct crb_slice *rest, struct crb_header *out, bool *more,
    struct crb_err *err)
{
	struct crb_slice name, value;
	const char *end, *colon;

	if (rest->len == 0) {
		*more = false;
		return CRB_OK;
	}
	if ((end = memchr(rest->p, '\n', rest->len)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a header line has no end");
	colon = memchr(rest->p, ':', (size_t)(end - rest->p));
	if (colon == NULL || end - colon < 3 || colon[1] != ' ')
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a header line is not \"name: value\"");

	name = (struct crb_slice){ rest->p, (size_t)(colon - rest->p) };
	value = (struct crb_slice){ colon + 2, (size_t)(end - colon - 2) };
	if (!is_name(name, false) || !crb_header_value_ok(value) ||
	    crb_slice_trim(value, BLANKS).len != value.len)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a header line has bytes that it may not have");

	rest->len -= (size_t)(end + 1 - rest->p);
	rest->p = end + 1;
	*out = (struct crb_header){ name, value };
	*more = true;
	return CRB_OK;
}

enum crb_status
crb_headers_bound(
    struct crb_slice block, struct crb_buf *out, struct crb_err *err)
{
	static const char *const unbound[] = { "accept", "accept-language",
		"user-agent", "x-amz-user-agent", NULL };
	struct crb_header header;
	bool more = true;

	for (;;) {
		if (crb_headers_next(&block, &header, &more, err) != CRB_OK)
			return err->status;
		if (!more)
			return crb_buf_check(out, "the headers", err);
		if (!is_listed(header.name, unbound))
			(void)crb_headers_add(out, header.name, header.value);
	}
}
