#include "backends/aws_mint.h"

#include <stdio.h>
#include <string.h>

#include "backends/aws_order.h"
#include "backends/sigv4.h"
#include "backends/sts_reply.h"
#include "base/json.h"
#include "base/text.h"
#include "base/units.h"

#define FORM_MAX (32u << 10)
#define HEADERS_MAX (16u << 10)
#define CHAINED_MAX 3600 /* seconds */
#define SKEW 600         /* by which clocks may differ, in seconds */
#define TYPE "content-type: application/x-www-form-urlencoded; charset=utf-8\n"

/* What is asked and answered. */
struct exchange {
	const struct crb_mint_world *world;
	const struct crb_aws_params *params;
	const struct crb_aws_keys *keys;
	const char *action;
	int64_t duration;
	bool shortened; /* keys of a role give an hour at most */
	struct crb_buf form;
	struct crb_buf headers;
	struct crb_http_reply reply;
};

static void
exchange_clear(struct exchange *exchange)
{
	crb_buf_clear(&exchange->form);
	crb_buf_clear(&exchange->headers);
	crb_buf_clear(&exchange->reply.headers);
	crb_buf_clear(&exchange->reply.body);
}

/* "AWS STS", or "STS at storage.example". */
static void
write_who(const struct exchange *exchange, char out[300])
{
	if (exchange->params->endpoint_url == NULL)
		(void)snprintf(out, 300, "AWS STS");
	else
		(void)snprintf(out, 300, "STS at %s",
		    exchange->params->route.origin[0].host);
}

static enum crb_status
read_order(struct exchange *exchange, const json_t *order, struct crb_err *err)
{
	bool temporary = exchange->keys->token != NULL;
	enum crb_aws_call call;
	enum crb_status status;

	if ((status = crb_aws_order_call(order, &call, err)) != CRB_OK ||
	    (status = crb_json_integer(order, "duration", "order",
		 CRB_AWS_DURATION_MIN, crb_aws_calls[call].most,
		 &exchange->duration, err)) != CRB_OK)
		return status;
	if (temporary && call != CRB_AWS_ASSUME_ROLE)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "call=%s needs the keys of a user, and the stored ones are "
		    "a session's",
		    crb_aws_calls[call].name);
	if (temporary && exchange->duration > CHAINED_MAX) {
		exchange->duration = CHAINED_MAX;
		exchange->shortened = true;
	}
	exchange->action = crb_aws_calls[call].action;
	return crb_aws_order_form(
	    order, exchange->duration, &exchange->form, err);
}

static enum crb_status
sign(struct exchange *exchange, struct crb_err *err)
{
	const struct crb_aws_keys *keys = exchange->keys;
	CRB_AUTO_BUF struct crb_buf host = CRB_BUF_INIT(300);
	char hash[CRB_SIGV4_HASH];
	const struct crb_sigv4_keys signing = { keys->id, keys->secret,
		keys->token };
	const struct crb_sign_request request = { .method = "POST",
		.host = (crb_origin_authority(
			     &exchange->params->route.origin[0], &host),
		    crb_buf_text(&host)),
		.target = "/",
		.service = "sts",
		.region = exchange->params->region,
		.payload = hash,
		.headers = TYPE,
		.now = exchange->world->now };
	enum crb_status status;

	crb_sigv4_hash(crb_buf_text(&exchange->form), exchange->form.len, hash);
	crb_buf_str(&exchange->headers, TYPE);
	if ((status = crb_sigv4_sign(
		 &signing, &request, &exchange->headers, err)) != CRB_OK)
		return status;
	return crb_buf_check(&exchange->headers, "a request to STS", err);
}

static enum crb_status
ask(struct exchange *exchange, struct crb_err *err)
{
	const struct crb_http_request request = { .method = "POST",
		.origin = &exchange->params->route.origin[0],
		.target = "/",
		.headers = crb_buf_text(&exchange->headers),
		.body = crb_buf_text(&exchange->form),
		.body_len = exchange->form.len };

	if (exchange->world->http(exchange->world->ctx, &request,
		&exchange->reply, err) == CRB_OK)
		return CRB_OK;
	/* Which host it was is said there. */
	return crb_err_context(
	    err, "%sSTS", exchange->params->endpoint_url == NULL ? "AWS " : "");
}

/*
 * What is known of STS's codes (docs.aws.amazon.com/STS/latest/APIReference,
 * "Common Errors"): what to do, whether its words are left out, since they
 * repeat the request, and whether it was only asked too often.
 */
static const struct known_code {
	const char *code;
	const char *hint;
	bool silent;
	bool throttled;
} known_codes[] = {
	{ "AccessDenied", "See docs/aws.md#trust", false, false },
	{ "AccessDeniedException", "See docs/aws.md#trust", false, false },
	{ "ExpiredToken", "The stored keys are a session's that has ended",
	    false, false },
	{ "ExpiredTokenException",
	    "The stored keys are a session's that has ended", false, false },
	{ "IncompleteSignature", NULL, true, false },
	{ "InvalidAccessKeyId", "The stored access key is not known there",
	    false, false },
	{ "InvalidArgument", "See docs/aws.md#limits", false, false },
	{ "InvalidAction", "This provider does not have this call", false,
	    false },
	{ "InvalidClientTokenId", "The stored access key is not known there",
	    false, false },
	{ "MalformedPolicyDocument",
	    "What was asked for: credbroker session show --json", false,
	    false },
	{ "MethodNotAllowed", "This provider may not have this call", false,
	    false },
	{ "NoSuchEntity", "Is role-arn right?", false, false },
	{ "PackedPolicyTooLarge",
	    "Name fewer resources and conditions, or a policy that AWS has by "
	    "policy-arns. See docs/aws.md#limits",
	    false, false },
	{ "RegionDisabledException",
	    "The account's administrator has to activate STS in this region",
	    false, false },
	{ "RequestExpired", "Is this host's clock right?", true, false },
	{ "RequestTimeTooSkewed", "Is this host's clock right?", true, false },
	{ "SignatureDoesNotMatch",
	    "The stored secret is not that of the access key, or this host's "
	    "clock is wrong",
	    true, false },
	{ "ValidationError", "See docs/aws.md#limits", false, false },
	{ "RequestLimitExceeded", NULL, false, true },
	{ "RequestThrottled", NULL, false, true },
	{ "RequestThrottledException", NULL, false, true },
	{ "SlowDown", NULL, false, true },
	{ "Throttling", NULL, false, true },
	{ "ThrottlingException", NULL, false, true },
	{ "ThrottledException", NULL, false, true },
	{ "TooManyRequestsException", NULL, false, true },
};

static const struct known_code *
find_code(const char *code)
{
	static const struct known_code other = { .code = NULL };

	for (size_t i = 0; i < sizeof(known_codes) / sizeof(*known_codes); i++)
		if (strcmp(known_codes[i].code, code) == 0)
			return &known_codes[i];
	return &other;
}

/*
 * "AWS STS answered 403 AccessDenied (request 9f3c-...): not authorized to
 * perform: sts:AssumeRole. See docs/aws.md#trust"
 */
static enum crb_status
refused(const struct exchange *exchange, struct crb_err *err)
{
	const struct crb_buf *body = &exchange->reply.body;
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(2 * CRB_ERR_MSG_MAX);
	const struct known_code *known;
	struct crb_sts_error error;
	char who[300];
	bool sentence;

	crb_sts_error_read(
	    crb_buf_text(body), body->len, exchange->keys, &error);
	known = find_code(error.code);
	write_who(exchange, who);
	crb_buf_printf(
	    &text, "%.100s answered %u", who, exchange->reply.status);
	if (error.code[0] != '\0')
		crb_buf_printf(&text, " %s", error.code);
	if (error.request[0] != '\0')
		crb_buf_printf(&text, " (request %.64s)", error.request);
	if (error.message[0] != '\0' && !known->silent)
		crb_buf_printf(&text, ": %.160s", error.message);
	sentence = text.len > 0 && crb_buf_text(&text)[text.len - 1] == '.';
	if (known->hint != NULL)
		crb_buf_printf(
		    &text, "%s %s", sentence ? "" : ".", known->hint);
	return crb_err_set(err,
	    known->throttled || exchange->reply.status == 429
		? CRB_ERR_LIMIT
		: CRB_ERR_UPSTREAM,
	    "%s", crb_buf_text(&text));
}

/* Keys for longer than was asked for, or none, are a lie or a clock's fault. */
static enum crb_status
check_expiry(const struct exchange *exchange, const struct crb_sts_reply *reply,
    struct crb_err *err)
{
	int64_t now = exchange->world->now;
	char when[CRB_TIME_TEXT], who[300];

	if (reply->expires > now &&
	    reply->expires <= now + exchange->duration + SKEW)
		return CRB_OK;
	crb_text_time(reply->expires, when);
	write_who(exchange, who);
	return crb_err_set(err, CRB_ERR_UPSTREAM,
	    "%s gave keys that work until %s, which was not asked for: is this "
	    "host's clock right?",
	    who, when);
}

/* The first note that fits is as good as all of them. */
static void
write_detail(const struct exchange *exchange, const struct crb_sts_reply *reply,
    char *out, size_t size)
{
	char packed[64] = "";

	if (reply->packed > 0)
		(void)snprintf(packed, sizeof(packed),
		    "the policy takes %u%% of what STS takes", reply->packed);
	(void)snprintf(out, size, "%s%s%s",
	    exchange->shortened
		? "for 1h, the longest that keys of a session give"
		: "",
	    exchange->shortened && packed[0] != '\0' ? "; " : "", packed);
}

static enum crb_status
read_reply(const struct exchange *exchange, struct crb_minted *out,
    struct crb_err *err)
{
	const struct crb_buf *body = &exchange->reply.body;
	struct crb_sts_reply reply = { .keys = NULL };
	char who[300];

	if (crb_sts_reply_read(exchange->action, crb_buf_text(body), body->len,
		&reply, err) != CRB_OK) {
		write_who(exchange, who);
		err->status = CRB_ERR_UPSTREAM;
		return crb_err_context(err, "%s answered %u, but not as to %s",
		    who, exchange->reply.status, exchange->action);
	}
	if (check_expiry(exchange, &reply, err) != CRB_OK) {
		crb_sts_reply_clear(&reply);
		return err->status;
	}
	out->keys = reply.keys;
	out->expires = reply.expires;
	(void)snprintf(out->id, sizeof(out->id), "%s", reply.id);
	write_detail(exchange, &reply, out->detail, sizeof(out->detail));
	return CRB_OK;
}

enum crb_status
crb_aws_mint(const struct crb_mint_world *world,
    const struct crb_aws_params *params, const struct crb_aws_keys *keys,
    const json_t *order, struct crb_minted *out, struct crb_err *err)
{
	__attribute__((cleanup(exchange_clear))) struct exchange exchange = {
		.world = world,
		.params = params,
		.keys = keys,
		.form = CRB_BUF_INIT(FORM_MAX),
		.headers = CRB_BUF_INIT_WIPED(HEADERS_MAX),
	};
	enum crb_status status;

	if ((status = read_order(&exchange, order, err)) != CRB_OK ||
	    (status = sign(&exchange, err)) != CRB_OK ||
	    (status = ask(&exchange, err)) != CRB_OK)
		return status;
	out->status = exchange.reply.status;
	if (exchange.reply.status != 200)
		return refused(&exchange, err);
	return read_reply(&exchange, out, err);
}
