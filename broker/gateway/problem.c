#include "broker/gateway/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define TYPE_PREFIX "urn:credbroker:error:"

static const struct {
	unsigned status;
	const char *code;
	const char *title;
	const char *next;
} problems[CRB_PROBLEM_COUNT] = {
	[CRB_PROBLEM_MALFORMED] = { 400, "invalid_request", "Invalid request",
	    "send a plain HTTP/1.1 request" },
	[CRB_PROBLEM_HOST] = { 403, "host_not_allowed", "Host not allowed",
	    "use the address in CREDBROKER_ENDPOINT as it is" },
	[CRB_PROBLEM_BROWSER] = { 403, "browser_request",
	    "Requests of web pages are refused",
	    "ask from a program, not from a web page" },
	[CRB_PROBLEM_FORWARDED] = { 403, "forwarded_request",
	    "Forwarded requests are refused",
	    "ask from inside the sandbox, without a proxy" },
	[CRB_PROBLEM_METHOD] = { 405, "method_not_allowed",
	    "Method not allowed", "see the Allow header" },
	[CRB_PROBLEM_VERSION] = { 505, "version_not_supported",
	    "HTTP version not supported", "use HTTP/1.1" },
	[CRB_PROBLEM_EXPECT] = { 417, "expectation_failed",
	    "Expectation failed", "send no Expect header, or 100-continue" },
	[CRB_PROBLEM_TARGET_LONG] = { 414, "target_too_long",
	    "Request target too long", "shorten the path or the query" },
	[CRB_PROBLEM_HEADERS_LARGE] = { 431, "headers_too_large",
	    "Request headers too large", "send fewer or shorter headers" },
	[CRB_PROBLEM_BODY_LARGE] = { 413, "too_large", "Too large",
	    "send a shorter body" },
	[CRB_PROBLEM_NO_HEADER] = { 403, "session_header_missing",
	    "Session header missing",
	    "send the header Credbroker-Session: 1, or Authorization: Bearer "
	    "with the token in CREDBROKER_TOKEN_FILE" },
	[CRB_PROBLEM_TOKEN] = { 401, "token_not_accepted", "Token not accepted",
	    "send the token in CREDBROKER_TOKEN_FILE, or only the header "
	    "Credbroker-Session: 1" },
	[CRB_PROBLEM_IMDS_OFF] = { 403, "imds_disabled",
	    "Instance metadata is disabled",
	    "issue the session with --aws imds, or use the credentials that "
	    "its environment names" },
	[CRB_PROBLEM_IMDS_TOKEN] = { 401, "imds_token_missing",
	    "Metadata token missing",
	    "PUT /latest/api/token, and send what it answers in the header "
	    "X-aws-ec2-metadata-token" },
	[CRB_PROBLEM_IMDS_TTL] = { 400, "invalid_request", "Invalid request",
	    "say how many seconds the token is to last" },
	[CRB_PROBLEM_NOT_FOUND] = { 404, "not_found", "Not found",
	    "GET /v1/session says what this session may use" },
	[CRB_PROBLEM_SIGNING] = { 400, "not_supported", "Not supported",
	    "sign with AWS4-HMAC-SHA256 in the Authorization header, for one "
	    "region; any keys will do" },
	[CRB_PROBLEM_SESSION] = { 403, "session_ended", "The session has ended",
	    "ask for a new session on the host: credbroker issue" },
	[CRB_PROBLEM_EXPIRED] = { 403, "session_expired",
	    "The session has expired",
	    "ask for a new session on the host: credbroker issue" },
	[CRB_PROBLEM_BUSY] = { 503, "limit", "A limit is reached",
	    "try again in a moment" },
	[CRB_PROBLEM_UPSTREAM] = { 502, "upstream_failed", "Upstream failed",
	    "try again; if it stays, ask whoever runs the broker" },
	[CRB_PROBLEM_INTERNAL] = { 500, "internal_error", "Internal error",
	    "ask whoever runs the broker to look at its log" },
};

void
crb_refusal_make(
    struct crb_refusal *out, enum crb_problem problem, const char *fmt, ...)
{
	va_list ap;

	memset(out, 0, sizeof(*out));
	out->status = problems[problem].status;
	(void)snprintf(
	    out->code, sizeof(out->code), "%s", problems[problem].code);
	(void)snprintf(
	    out->title, sizeof(out->title), "%s", problems[problem].title);
	(void)snprintf(
	    out->next, sizeof(out->next), "%s", problems[problem].next);
	va_start(ap, fmt);
	if (vsnprintf(out->detail, sizeof(out->detail), fmt, ap) < 0)
		out->detail[0] = '\0';
	va_end(ap);
}

static void
take(char *out, size_t size, struct crb_slice text)
{
	size_t len = text.len < size ? text.len : size - 1;

	if (len > 0)
		memcpy(out, text.p, len);
	out[len] = '\0';
}

#define TAKE(array, slice) take(array, sizeof(array), slice)

void
crb_refusal_set_code(struct crb_refusal *out, struct crb_slice code)
{
	if (code.len == 0)
		return;
	for (size_t i = 0; i < code.len; i++) {
		char c = code.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '_'))
			return;
	}
	TAKE(out->code, code);
}

void
crb_refusal_from_verdict(
    struct crb_refusal *out, const struct crb_msg_verdict *verdict)
{
	crb_refusal_make(out, CRB_PROBLEM_INTERNAL, "%s", "");
	/* Whatever is wrong with the status, it must not look like success. */
	if (verdict->status >= 400 && verdict->status <= 599)
		out->status = verdict->status;
	crb_refusal_set_code(out, verdict->code);
	TAKE(out->title, verdict->title);
	TAKE(out->detail, verdict->detail);
	TAKE(out->rule, verdict->rule);
	TAKE(out->tier, verdict->tier);
	TAKE(out->next, verdict->next);
	out->retry = verdict->retry;
}

/* A JSON string; bytes that are not UTF-8 must not spoil the document. */
static json_t *
text_of(const char *text)
{
	json_t *string = json_string(text);
	char ascii[sizeof(((struct crb_refusal *)NULL)->detail)];
	size_t i;

	if (string != NULL)
		return string;
	for (i = 0; text[i] != '\0' && i < sizeof(ascii) - 1; i++)
		ascii[i] = (text[i] & 0x80) != 0 ? '?' : text[i];
	ascii[i] = '\0';
	return json_string(ascii);
}

static void
add_json(struct crb_buf *out, const json_t *object)
{
	char *text = object != NULL ? crb_json_text(object) : NULL;

	crb_buf_str(out, text != NULL ? text : "{}");
	crb_buf_char(out, '\n');
	crb_json_text_free(text);
}

static json_t *
object_of(const struct crb_refusal *refusal)
{
	json_t *object = json_object();
	json_t *steps = json_array();
	char type[sizeof(TYPE_PREFIX) + sizeof(refusal->code)];

	(void)snprintf(type, sizeof(type), "%s%s", TYPE_PREFIX, refusal->code);
	(void)json_object_set_new(object, "type", json_string(type));
	(void)json_object_set_new(object, "title", text_of(refusal->title));
	(void)json_object_set_new(
	    object, "status", json_integer((json_int_t)refusal->status));
	(void)json_object_set_new(object, "detail", text_of(refusal->detail));
	(void)json_object_set_new(object, "rule", text_of(refusal->rule));
	(void)json_object_set_new(object, "tier", text_of(refusal->tier));
	if (refusal->next[0] != '\0')
		(void)json_array_append_new(steps, text_of(refusal->next));
	(void)json_object_set_new(object, "next_steps", steps);
	return object;
}

void
crb_problem_json(const struct crb_refusal *refusal, struct crb_buf *out)
{
	CRB_AUTO_JSON json_t *object = object_of(refusal);

	add_json(out, object);
}

void
crb_problem_aws(const struct crb_refusal *refusal, struct crb_buf *out)
{
	CRB_AUTO_JSON json_t *object = object_of(refusal);

	(void)json_object_set_new(object, "Code", json_string(refusal->code));
	(void)json_object_set_new(object, "Message", text_of(refusal->detail));
	add_json(out, object);
}

void
crb_problem_aws_from(struct crb_slice body, struct crb_slice code,
    unsigned status, struct crb_buf *out)
{
	CRB_AUTO_JSON json_t *object = json_loadb(
	    body.p, body.len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(object)) {
		crb_buf_add(out, body.p, body.len);
		return;
	}
	(void)json_object_set_new(
	    object, "status", json_integer((json_int_t)status));
	(void)json_object_set_new(
	    object, "Code", json_stringn(code.p, code.len));
	(void)json_object_set(
	    object, "Message", json_object_get(object, "detail"));
	add_json(out, object);
}

/* Text for a terminal: line feeds stay, all other control bytes do not. */
static void
add_shown(struct crb_buf *out, const char *text, char line_end)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n')
			crb_buf_char(out, line_end);
		else
			crb_buf_char(out, c < 0x20 || c == 0x7f ? '?' : *text);
	}
}

static void
add_reason(const struct crb_refusal *refusal, struct crb_buf *out)
{
	if (refusal->rule[0] != '\0') {
		crb_buf_str(out, "rule ");
		add_shown(out, refusal->rule, ' ');
	}
	if (refusal->rule[0] != '\0' && refusal->tier[0] != '\0')
		crb_buf_str(out, ", ");
	if (refusal->tier[0] != '\0') {
		crb_buf_str(out, "tier ");
		add_shown(out, refusal->tier, ' ');
	}
}

static const char *
what(const struct crb_refusal *refusal)
{
	return refusal->detail[0] != '\0' ? refusal->detail : refusal->title;
}

void
crb_problem_text(const struct crb_refusal *refusal, struct crb_buf *out)
{
	crb_buf_str(out, "credbroker: ");
	add_shown(out, what(refusal), '\n');
	crb_buf_char(out, '\n');
	if (refusal->rule[0] != '\0' || refusal->tier[0] != '\0') {
		crb_buf_char(out, '(');
		add_reason(refusal, out);
		crb_buf_str(out, ")\n");
	}
	if (refusal->next[0] != '\0') {
		add_shown(out, refusal->next, '\n');
		crb_buf_char(out, '\n');
	}
}

void
crb_problem_line(const struct crb_refusal *refusal, struct crb_buf *out)
{
	crb_buf_str(out, "credbroker: ");
	add_shown(out, what(refusal), ' ');
	if (refusal->rule[0] != '\0' || refusal->tier[0] != '\0') {
		crb_buf_str(out, " (");
		add_reason(refusal, out);
		crb_buf_char(out, ')');
	}
}
