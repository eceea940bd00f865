#include "broker/gateway/request_check.h"

#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "broker/gateway/routes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BLANKS " \t"

/* Headers that decide something, and so may be there once only. */
enum seen {
	SEEN_HOST,
	SEEN_LENGTH,
	SEEN_ENCODING,
	SEEN_EXPECT,
	SEEN_UPGRADE,
	SEEN_SESSION,
	SEEN_AUTHORIZATION,
	SEEN_ACCEPT,
	SEEN_CONTENT_TYPE,
	SEEN_CONTENT_ENCODING,
	SEEN_GIT_PROTOCOL,
	SEEN_AWS_PAYLOAD,
	SEEN_AWS_LENGTH,
	SEEN_AWS_TRAILER,
	SEEN_IMDS_TOKEN,
	SEEN_IMDS_TTL,
	SEEN_COUNT
};

/* Their lengths are looked at first: most names are none of these. */
struct listed {
	const char *name;
	size_t len;
};
#define LISTED(text)                   \
	{                              \
		text, sizeof(text) - 1 \
	}

static const struct listed single[SEEN_COUNT] = {
	[SEEN_HOST] = LISTED("Host"),
	[SEEN_LENGTH] = LISTED("Content-Length"),
	[SEEN_ENCODING] = LISTED("Transfer-Encoding"),
	[SEEN_EXPECT] = LISTED("Expect"),
	[SEEN_UPGRADE] = LISTED("Upgrade"),
	[SEEN_SESSION] = LISTED("Credbroker-Session"),
	[SEEN_AUTHORIZATION] = LISTED("Authorization"),
	[SEEN_ACCEPT] = LISTED("Accept"),
	[SEEN_CONTENT_TYPE] = LISTED("Content-Type"),
	[SEEN_CONTENT_ENCODING] = LISTED("Content-Encoding"),
	[SEEN_GIT_PROTOCOL] = LISTED("Git-Protocol"),
	[SEEN_AWS_PAYLOAD] = LISTED("X-Amz-Content-SHA256"),
	[SEEN_AWS_LENGTH] = LISTED("X-Amz-Decoded-Content-Length"),
	[SEEN_AWS_TRAILER] = LISTED("X-Amz-Trailer"),
	[SEEN_IMDS_TOKEN] = LISTED("X-aws-ec2-metadata-token"),
	[SEEN_IMDS_TTL] = LISTED("X-aws-ec2-metadata-token-ttl-seconds"),
};

/*
 * Headers that no tool of the sandbox sends.  A name that ends in '-' stands
 * for all that start with it.
 */
static const struct {
	struct listed name;
	enum crb_problem problem;
} refused[] = {
	{ LISTED("Origin"), CRB_PROBLEM_BROWSER },
	{ LISTED("Referer"), CRB_PROBLEM_BROWSER },
	{ LISTED("Sec-"), CRB_PROBLEM_BROWSER },
	{ LISTED("Forwarded"), CRB_PROBLEM_FORWARDED },
	{ LISTED("X-Forwarded-"), CRB_PROBLEM_FORWARDED },
	{ LISTED("X-Forwarded"), CRB_PROBLEM_FORWARDED },
	{ LISTED("X-Real-IP"), CRB_PROBLEM_FORWARDED },
	{ LISTED("X-Original-"), CRB_PROBLEM_FORWARDED },
	{ LISTED("X-Rewrite-"), CRB_PROBLEM_FORWARDED },
	{ LISTED("Via"), CRB_PROBLEM_FORWARDED },
	{ LISTED("X-HTTP-Method-Override"), CRB_PROBLEM_MALFORMED },
	{ LISTED("X-HTTP-Method"), CRB_PROBLEM_MALFORMED },
	{ LISTED("X-Method-Override"), CRB_PROBLEM_MALFORMED },
	{ LISTED("Trailer"), CRB_PROBLEM_MALFORMED },
};

/*
 * Exactly these: no other case, no trailing dot, and no other port than this
 * one and the session's.
 */
#define ENDPOINT_PORT 9169
static const struct listed hosts[] = { LISTED("127.0.0.1"), LISTED("localhost"),
	LISTED("[::1]") };
/* Where instance metadata is by default, and only that. */
#define IMDS_HOST "169.254.169.254"

static const char *const never[] = { "OPTIONS", "CONNECT", "TRACE", "TRACK" };

struct check {
	const struct crb_request_view *view;
	struct crb_request_facts *facts;
	struct crb_refusal *refusal;
	const struct crb_header *seen[SEEN_COUNT];
};

#define REFUSE(check, problem, ...) \
	(crb_refusal_make((check)->refusal, problem, __VA_ARGS__), false)

static bool
is_letter(unsigned char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26;
}

/* RFC 9110, 5.6.2 */
static bool
is_token(struct crb_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (is_letter(c) || c == '-')
			continue;
		if (c <= 0x20 || c >= 0x7f ||
		    strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
			return false;
	}
	return text.len > 0;
}

static bool
check_method(struct check *check)
{
	const char *method = check->view->method;

	for (size_t i = 0; i < COUNT(never); i++) {
		if (strcmp(method, never[i]) == 0)
			return REFUSE(check, CRB_PROBLEM_METHOD,
			    "%s is never allowed here", method);
	}
	if (!is_token(CRB_SLICE(method)) || strlen(method) > 16)
		return REFUSE(
		    check, CRB_PROBLEM_MALFORMED, "the method is malformed");
	return true;
}

static bool
check_version(struct check *check)
{
	const char *version = check->view->version;

	if (strcmp(version, "HTTP/1.1") == 0)
		return true;
	if (strcmp(version, "HTTP/1.0") != 0)
		return REFUSE(
		    check, CRB_PROBLEM_VERSION, "only HTTP/1.1 is spoken here");
	check->facts->close = true;
	return true;
}

static bool
check_target(struct check *check)
{
	const char *target = check->view->target;
	size_t len = strlen(target);

	if (len > CRB_REQUEST_TARGET_MAX)
		return REFUSE(check, CRB_PROBLEM_TARGET_LONG,
		    "the request target is longer than %d bytes",
		    CRB_REQUEST_TARGET_MAX);
	if (target[0] != '/')
		return REFUSE(check, CRB_PROBLEM_MALFORMED,
		    "the request target must be a path that starts with \"/\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)target[i];

		if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
			return REFUSE(check, CRB_PROBLEM_MALFORMED,
			    "the request target has a byte that must be "
			    "percent-encoded");
	}
	return true;
}

static bool
is_listed(struct crb_slice name, const struct listed *listed)
{
	return name.len == listed->len &&
	    ((name.p[0] ^ listed->name[0]) & 0xdf) == 0 &&
	    strncasecmp(name.p, listed->name, name.len) == 0;
}

static bool
is_refused(struct crb_slice name, const struct listed *listed)
{
	if (listed->name[listed->len - 1] != '-')
		return is_listed(name, listed);
	return name.len >= listed->len &&
	    is_listed((struct crb_slice){ name.p, listed->len }, listed);
}

/*
 * To 403 the clients of instance metadata answer with a request that has no
 * token; only 400 stops them.
 */
static bool
refuse_name(
    struct check *check, enum crb_problem problem, struct crb_slice name)
{
	crb_refusal_make(check->refusal, problem,
	    "the header %.*s is not accepted", (int)name.len, name.p);
	if (crb_route_imds(check->view->target))
		check->refusal->status = 400;
	return false;
}

/* An underscore is a hyphen to some servers: none is taken for the other. */
static bool
check_name(struct check *check, struct crb_slice name)
{
	if (!is_token(name) ||
	    (memchr(name.p, '_', name.len) != NULL &&
		!crb_header_is_metadata(name)))
		return REFUSE(
		    check, CRB_PROBLEM_MALFORMED, "a header name is malformed");
	for (size_t i = 0; i < COUNT(refused); i++) {
		if (is_refused(name, &refused[i].name))
			return refuse_name(check, refused[i].problem, name);
	}
	return true;
}

static bool
note(struct check *check, const struct crb_header *header)
{
	for (size_t i = 0; i < COUNT(single); i++) {
		if (!is_listed(header->name, &single[i]))
			continue;
		if (check->seen[i] != NULL)
			return REFUSE(check, CRB_PROBLEM_MALFORMED,
			    "the header %s is there more than once",
			    single[i].name);
		check->seen[i] = header;
	}
	return true;
}

/*
 * RFC 9110, 7.6.1: what it names is for us alone.  Who names a header that is
 * passed on would have it end here.
 */
static bool
check_connection(struct check *check, const struct crb_header *header)
{
	struct crb_slice rest = header->value, token;

	if (!crb_slice_is_nocase(header->name, "Connection"))
		return true;
	while (rest.p != NULL && crb_slice_cut(&rest, ',', &token)) {
		token = crb_slice_trim(token, BLANKS);
		if (crb_header_request_ok(CRB_ROUTE_GIT, token) ||
		    crb_header_request_ok(CRB_ROUTE_HTTP, token))
			return REFUSE(check, CRB_PROBLEM_MALFORMED,
			    "the Connection header names one that is passed "
			    "on");
	}
	return true;
}

static bool
check_headers(struct check *check)
{
	const struct crb_request_view *view = check->view;
	size_t total = 0;

	if (view->header_count > CRB_REQUEST_HEADERS_MAX)
		return REFUSE(check, CRB_PROBLEM_HEADERS_LARGE,
		    "there are more than %d headers", CRB_REQUEST_HEADERS_MAX);
	for (size_t i = 0; i < view->header_count; i++) {
		const struct crb_header *header = &view->headers[i];

		/* "name: value\r\n" */
		total += header->name.len + header->value.len + 4;
		if (total > CRB_REQUEST_HEAD_MAX)
			return REFUSE(check, CRB_PROBLEM_HEADERS_LARGE,
			    "the headers are longer than %d bytes",
			    CRB_REQUEST_HEAD_MAX);
		if (!check_name(check, header->name))
			return false;
		if (!crb_header_value_ok(header->value))
			return REFUSE(check, CRB_PROBLEM_MALFORMED,
			    "the header %.*s has a byte that is not allowed",
			    (int)header->name.len, header->name.p);
		/* It would be lost on the way, and nobody be told. */
		if (crb_header_is_metadata(header->name) &&
		    crb_slice_trim(header->value, BLANKS).len == 0)
			return REFUSE(check, CRB_PROBLEM_MALFORMED,
			    "metadata without a value cannot be passed on");
		if (!check_connection(check, header) || !note(check, header))
			return false;
	}
	return true;
}

/* As we write it: no sign, no zero in front. */
static bool
is_port(struct crb_slice text, uint16_t port)
{
	unsigned number = 0;

	if (text.len == 0 || text.len > 5 || text.p[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		number = number * 10 + (unsigned)(text.p[i] - '0');
	}
	return number == port;
}

/* "HOST", or "HOST:PORT". */
static bool
is_host(struct crb_slice value, const struct listed *host, uint16_t port)
{
	struct crb_slice rest;

	if (value.len < host->len ||
	    memcmp(value.p, host->name, host->len) != 0)
		return false;
	if (value.len == host->len)
		return true;
	rest = (struct crb_slice){ value.p + host->len + 1,
		value.len - host->len - 1 };
	return value.p[host->len] == ':' &&
	    (is_port(rest, ENDPOINT_PORT) || is_port(rest, port));
}

static bool
check_host(struct check *check)
{
	const struct crb_header *host = check->seen[SEEN_HOST];

	if (host == NULL)
		return REFUSE(
		    check, CRB_PROBLEM_MALFORMED, "there is no Host header");
	for (size_t i = 0; i < COUNT(hosts); i++) {
		if (is_host(host->value, &hosts[i], check->view->port))
			return true;
	}
	if (crb_route_imds(check->view->target) &&
	    crb_slice_is(host->value, IMDS_HOST))
		return true;
	return REFUSE(check, CRB_PROBLEM_HOST,
	    "the Host header does not name this endpoint");
}

static bool
check_length(struct check *check, const struct crb_header *length)
{
	struct crb_err err;

	if (crb_number_parse(length->value.p, length->value.len, INT64_MAX,
		&check->facts->length, &err) != CRB_OK)
		return REFUSE(check, CRB_PROBLEM_MALFORMED,
		    "the Content-Length is malformed");
	if (check->facts->length > 0)
		check->facts->body = CRB_BODY_LENGTH;
	return true;
}

/* RFC 9112, 6: one framing, and none that we do not do ourselves. */
static bool
check_framing(struct check *check)
{
	const struct crb_header *length = check->seen[SEEN_LENGTH];
	const struct crb_header *encoding = check->seen[SEEN_ENCODING];

	if (length != NULL && encoding != NULL)
		return REFUSE(check, CRB_PROBLEM_MALFORMED,
		    "both Content-Length and Transfer-Encoding are there");
	if (length != NULL)
		return check_length(check, length);
	if (encoding == NULL)
		return true;
	if (!crb_slice_is_nocase(encoding->value, "chunked"))
		return REFUSE(check, CRB_PROBLEM_MALFORMED,
		    "the only Transfer-Encoding is chunked");
	if (check->facts->close)
		return REFUSE(check, CRB_PROBLEM_MALFORMED,
		    "HTTP/1.0 has no Transfer-Encoding");
	check->facts->body = CRB_BODY_CHUNKED;
	return true;
}

static bool
check_body(struct check *check)
{
	const char *method = check->view->method;

	if (check->facts->body != CRB_BODY_NONE &&
	    (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0))
		return REFUSE(
		    check, CRB_PROBLEM_MALFORMED, "%s has no body", method);
	return true;
}

/* h2c is an offer that may be passed over; no other is. */
static bool
check_offers(struct check *check)
{
	const struct crb_header *expect = check->seen[SEEN_EXPECT];
	const struct crb_header *upgrade = check->seen[SEEN_UPGRADE];

	if (expect != NULL &&
	    !crb_slice_is_nocase(expect->value, "100-continue"))
		return REFUSE(check, CRB_PROBLEM_EXPECT,
		    "no expectation but 100-continue is met");
	if (upgrade != NULL && !crb_slice_is_nocase(upgrade->value, "h2c"))
		return REFUSE(check, CRB_PROBLEM_MALFORMED,
		    "this endpoint does not switch protocols");
	return true;
}

static bool
wants_plain(struct crb_slice accept)
{
	struct crb_slice one, type;

	while (crb_slice_cut(&accept, ',', &one)) {
		if (crb_slice_cut(&one, ';', &type) &&
		    crb_slice_is_nocase(
			crb_slice_trim(type, BLANKS), "text/plain"))
			return true;
	}
	return false;
}

static bool
take_facts(struct check *check)
{
	struct crb_request_facts *facts = check->facts;
	const struct crb_header *session = check->seen[SEEN_SESSION];

	if (check->seen[SEEN_ACCEPT] != NULL)
		facts->plain = wants_plain(check->seen[SEEN_ACCEPT]->value);
	if (check->seen[SEEN_AWS_PAYLOAD] != NULL)
		facts->aws_payload = check->seen[SEEN_AWS_PAYLOAD]->value;
	if (check->seen[SEEN_AUTHORIZATION] != NULL)
		facts->authorization = check->seen[SEEN_AUTHORIZATION]->value;
	if (check->seen[SEEN_IMDS_TOKEN] != NULL)
		facts->imds_token = check->seen[SEEN_IMDS_TOKEN]->value;
	if (check->seen[SEEN_IMDS_TTL] != NULL)
		facts->imds_ttl = check->seen[SEEN_IMDS_TTL]->value;
	if (session != NULL && !crb_slice_is(session->value, "1"))
		return REFUSE(check, CRB_PROBLEM_MALFORMED,
		    "the header Credbroker-Session must be 1");
	facts->session_header = session != NULL;
	return true;
}

static bool (*const steps[])(struct check *) = {
	check_version,
	check_method,
	check_target,
	check_headers,
	check_framing,
	check_host,
	check_body,
	check_offers,
	take_facts,
};

bool
crb_request_check(const struct crb_request_view *view,
    struct crb_request_facts *facts, struct crb_refusal *refusal)
{
	struct check check = {
		.view = view, .facts = facts, .refusal = refusal
	};

	*facts = (struct crb_request_facts){ .body = CRB_BODY_NONE };
	for (size_t i = 0; i < COUNT(steps); i++) {
		if (!steps[i](&check))
			return false;
	}
	return true;
}
