#include "broker/gateway/aws_scope.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "broker/bus/aws_payload.h"
#include "broker/gateway/aws_authorization.h"

static bool
is_presigned(const struct crb_exchange *exchange)
{
	/* Of SigV4, and of what was before it. */
	static const char *const marks[] = { "x-amz-", "awsaccesskeyid=" };
	const char *query = exchange->match.query;

	while (query != NULL) {
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
			if (strncasecmp(query, marks[i], strlen(marks[i])) == 0)
				return true;
		query = strchr(query, '&');
		if (query != NULL)
			query++;
	}
	return false;
}

bool
crb_aws_scope_applies(const struct crb_exchange *exchange)
{
	const struct crb_request_facts *facts = &exchange->facts;

	if (exchange->match.route->action != CRB_ACTION_HTTP)
		return false;
	if (facts->authorization.p != NULL)
		return crb_aws_authorization_is(facts->authorization);
	return is_presigned(exchange);
}

static bool
refuse(struct crb_refusal *refusal, const struct crb_err *why)
{
	crb_refusal_make(refusal,
	    why->status == CRB_ERR_DENIED ? CRB_PROBLEM_SIGNING
					  : CRB_PROBLEM_MALFORMED,
	    "%s", why->msg);
	return false;
}

/* The parser has seen to it that it fits. */
static void
copy(char *to, struct crb_slice from)
{
	memcpy(to, from.p, from.len);
	to[from.len] = '\0';
}

bool
crb_aws_scope_take(struct crb_exchange *exchange, struct crb_refusal *refusal)
{
	const struct crb_request_facts *facts = &exchange->facts;
	struct crb_aws_authorization scope;
	enum crb_aws_payload payload;
	struct crb_err err;

	if (facts->authorization.p == NULL) {
		(void)crb_err_set(&err, CRB_ERR_DENIED,
		    "a presigned request is not injected");
		return refuse(refusal, &err);
	}
	if (crb_aws_authorization_parse(facts->authorization, &scope, &err) !=
	    CRB_OK)
		return refuse(refusal, &err);
	copy(exchange->aws_service, scope.service);
	copy(exchange->aws_region, scope.region);
	if (facts->aws_payload.p == NULL || !crb_aws_scope_is_s3(exchange))
		return true;
	return crb_aws_payload_parse(facts->aws_payload, &payload, &err) ==
	    CRB_OK ||
	    refuse(refusal, &err);
}

bool
crb_aws_scope_is_s3(const struct crb_exchange *exchange)
{
	return strncmp(exchange->aws_service, "s3", 2) == 0;
}

bool
crb_aws_scope_is_other(const struct crb_exchange *exchange)
{
	return exchange->aws_service[0] != '\0' &&
	    !crb_aws_scope_is_s3(exchange);
}

static void
add_escaped(struct crb_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			crb_buf_str(out, "&lt;");
		else if (c == '>')
			crb_buf_str(out, "&gt;");
		else if (c == '&')
			crb_buf_str(out, "&amp;");
		else
			crb_buf_char(out, c < 0x20 || c >= 0x7f ? ' ' : *text);
	}
}

static void
add_element(struct crb_buf *out, const char *name, const char *text)
{
	crb_buf_printf(out, "<%s>", name);
	add_escaped(out, text);
	crb_buf_printf(out, "</%s>", name);
}

void
crb_aws_scope_xml(const struct crb_refusal *refusal, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf message = CRB_BUF_INIT(4096);

	crb_problem_line(refusal, &message);
	if (refusal->next[0] != '\0')
		crb_buf_printf(&message, "; %s", refusal->next);
	crb_buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
	add_element(out, "Code", refusal->code);
	add_element(out, "Message", crb_buf_text(&message));
	crb_buf_str(out, "</Error>\n");
}
