#include "backends/aws_sts.h"

#include <stdbool.h>

#include "backends/backend.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "tests/unit/values.h"

#define ROLE "\"role-arn\": \"arn:aws:iam::123456789012:role/agent\""
#define REGION "\"region\": \"eu-west-1\""
#define NOW 1795286400 /* 2026-11-21T18:40:00Z */
#define CANARY "cAnArY-7f3e9a51"

static const struct crb_backend_ops *const ops = &crb_backend_aws_sts;
static const struct crb_mint_terms terms = { "fix-123", "7Kq2a9Zx", 28800 };

static const struct refusal {
	const char *params;
	const char *says;
} refusals[] = {
	{ "{}", "region must be one of AWS's" },
	{ "{" ROLE "}", "region must be one of AWS's" },
	{ "{\"region\": \"mars\"}", "region" },
	{ "{\"region\": \"mars-1\"}", "region" },
	{ "{\"region\": \"eu-west-1.evil.example/\"}", "region" },
	{ "{\"region\": \"EU-WEST-1\"}", "region" },
	{ "{\"call\": \"assume-role\", " REGION "}", "needs role-arn" },
	{ "{\"call\": \"federation\", " ROLE ", " REGION "}",
	    "role-arn is only for call=assume-role" },
	{ "{\"external-id\": \"xy\", " REGION "}", "external-id is only for" },
	{ "{\"source-identity\": \"xy\", " REGION "}",
	    "source-identity is only for" },
	{ "{\"role-arn\": \"agent\", " REGION "}", "role-arn must be" },
	{ "{\"role-arn\": \"arn:aws:iam::1:user/x\", " REGION "}",
	    "role-arn must be" },
	{ "{\"role-arn\": \"arn:aws:iam::1:role/*\", " REGION "}",
	    "role-arn must be" },
	{ "{" ROLE ", " REGION ", \"external-id\": \"x\"}",
	    "external-id must be" },
	{ "{" ROLE ", " REGION ", \"external-id\": \"a b\"}",
	    "external-id must be" },
	{ "{" ROLE ", " REGION ", \"source-identity\": \"a:b\"}",
	    "source-identity must be" },
	{ "{" ROLE ", " REGION ", \"duration\": \"899s\"}", "duration" },
	{ "{" ROLE ", " REGION ", \"duration\": \"13h\"}",
	    "duration must be from 15m to 12h for call=assume-role" },
	{ "{" REGION ", \"duration\": \"37h\"}", "duration" },
	{ "{" REGION ", \"services\": \"s3,sts\"}",
	    "services, item 2: requests of sts are never signed" },
	{ "{" REGION ", \"services\": \"iam\"}", "makes keys that last" },
	{ "{" REGION ", \"services\": \"lakeformation\"}",
	    "lakeformation are never signed" },
	{ "{" REGION ", \"services\": \"eks-auth\"}", "never signed" },
	{ "{" REGION ", \"services\": \"S3\"}", "services, item 1" },
	{ "{\"region\": \"cn-north-1\", \"services\": \"cloudfront\"}",
	    "services, item 1: where cloudfront is" },
	{ "{\"endpoint-url\": \"http://storage.example\"}",
	    "endpoint-url: http:// would send" },
	{ "{\"endpoint-url\": \"https://storage.example/sts\"}",
	    "without a path" },
	{ "{\"endpoint-url\": \"https://s.example\", \"region\": \"a/b\"}",
	    "region must be" },
	{ "{\"endpoint-url\": \"https://s.example\", \"services\": \"sts\"}",
	    "never signed" },
	{ "{" REGION ", \"ca\": \"x\"}", "ca has no certificate" },
};

static void
parameters_that_cannot_work_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		CRB_AUTO_JSON json_t *params = json_of(refusals[i].params);
		struct crb_err err = { 0 };

		if (ops->check(params, &err) == CRB_OK)
			fail_msg("accepted: %s", refusals[i].params);
		if (strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s: %s", refusals[i].params, err.msg);
	}
}

static const struct routing {
	const char *params;
	const char *host;
	unsigned port;
	bool tls;
} routings[] = {
	{ "{" ROLE ", " REGION "}", "sts.eu-west-1.amazonaws.com", 443, true },
	{ "{\"region\": \"us-east-1\"}", "sts.us-east-1.amazonaws.com", 443,
	    true },
	{ "{\"region\": \"cn-north-1\"}", "sts.cn-north-1.amazonaws.com.cn",
	    443, true },
	{ "{\"region\": \"us-gov-west-1\"}", "sts.us-gov-west-1.amazonaws.com",
	    443, true },
	{ "{\"endpoint-url\": \"https://storage.example:8443\"}",
	    "storage.example", 8443, true },
	{ "{\"endpoint-url\": \"http://127.0.0.1:8000\", \"network\":"
	  " \"loopback\", \"region\": \"default\"}",
	    "127.0.0.1", 8000, false },
};

static void
sts_is_asked_where_the_parameters_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(routings) / sizeof(*routings); i++) {
		CRB_AUTO_JSON json_t *params = json_of(routings[i].params);
		struct crb_route route = { 0 };
		struct crb_err err = { 0 };

		if (ops->route(params, &route, &err) != CRB_OK)
			fail_msg("%s: %s", routings[i].params, err.msg);
		assert_int_equal(route.count, 1);
		assert_string_equal(route.origin[0].host, routings[i].host);
		assert_int_equal(route.origin[0].port, routings[i].port);
		assert_int_equal(route.origin[0].tls, routings[i].tls);
	}
}

static enum crb_status
try_order(const char *params_text, const char *const *scopes,
    const struct crb_mint_terms *for_whom, json_t **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *params = json_of(params_text);
	struct crb_scope scope[4];
	const struct crb_scope *given[4];
	enum crb_status status;
	size_t count = 0;

	memset(scope, 0, sizeof(scope));
	for (; scopes[count] != NULL; count++) {
		if (crb_scope_parse(scopes[count], ops->attributes,
			&scope[count], err) != CRB_OK)
			fail_msg("%s: %s", scopes[count], err->msg);
		given[count] = &scope[count];
	}
	status = ops->order(params, given, count, for_whom, out, err);
	while (count > 0)
		crb_scope_clear(&scope[--count]);
	return status;
}

static json_t *
order_of(const char *params, const char *scope,
    const struct crb_mint_terms *for_whom)
{
	const char *const scopes[] = { scope, NULL };
	struct crb_err err = { 0 };
	json_t *order = NULL;

	if (try_order(params, scopes, for_whom, &order, &err) != CRB_OK)
		fail_msg("%s, %s: %s", params, scope, err.msg);
	return order;
}

#define ONE "actions=s3:GetObject,resources=arn:aws:s3:::a"
#define ONE_POLICY                                                       \
	"{\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":"         \
	"[{\\\"Effect\\\":\\\"Allow\\\",\\\"Action\\\":"                 \
	"\\\"s3:GetObject\\\",\\\"Resource\\\":\\\"arn:aws:s3:::a\\\"}]" \
	"}"
#define TAGS                                           \
	"\"tags\": {\"credbroker:task\": \"fix-123\"," \
	" \"credbroker:session\": \"7Kq2a9Zx\"}"

/* What is asked, told in full. */
static const struct ordering {
	const char *params, *scope, *order;
} orderings[] = {
	{ "{" ROLE ", " REGION ", \"external-id\": \"x:1\","
	  " \"source-identity\": \"task\", \"duration\": \"2h\"}",
	    ONE,
	    "{\"call\": \"assume-role\", "
	    "\"role_arn\": \"arn:aws:iam::123456789012:role/agent\","
	    " \"duration\": 7200, \"session_name\": \"fix-123-7Kq2a9Zx\","
	    " \"external_id\": \"x:1\", \"source_identity\": \"fix-123\","
	    " \"policy\": \"" ONE_POLICY "\", " TAGS "}" },
	{ "{" ROLE ", " REGION ", \"source-identity\": \"ops\","
	  " \"tags\": \"no\"}",
	    "policy-arns=arn:aws:iam::aws:policy/A",
	    "{\"call\": \"assume-role\","
	    " \"role_arn\": \"arn:aws:iam::123456789012:role/agent\","
	    " \"duration\": 3600, \"session_name\": \"fix-123-7Kq2a9Zx\","
	    " \"source_identity\": \"ops\","
	    " \"policy_arns\": [\"arn:aws:iam::aws:policy/A\"]}" },
	{ "{" REGION "}", ONE,
	    "{\"call\": \"federation\", \"duration\": 3600,"
	    " \"session_name\": \"fix-123-7Kq2a9Zx\","
	    " \"policy\": \"" ONE_POLICY "\", " TAGS "}" },
	{ "{" REGION ", \"call\": \"session-token\", \"duration\": \"36h\"}",
	    "actions=*,resources=*",
	    "{\"call\": \"session-token\", \"duration\": 28800}" },
};

static void
an_order_tells_all_that_is_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(orderings) / sizeof(*orderings); i++) {
		CRB_AUTO_JSON json_t *order = order_of(
		    orderings[i].params, orderings[i].scope, &terms);
		CRB_AUTO_JSON json_t *wanted = json_of(orderings[i].order);
		char *text = crb_json_text(order);

		if (!json_equal(order, wanted))
			fail_msg("%s\nand not\n%s", text, orderings[i].order);
		crb_json_text_free(text);
	}
}

/* Names are made of the task, valid, and of the session, so that no two are
 * alike. */
static void
names_are_valid_and_never_the_same(void **state)
{
	static const struct {
		const char *params, *task, *name;
	} rows[] = {
		{ "{" ROLE ", " REGION "}", "a", "a--7Kq2a9Zx" },
		{ "{" ROLE ", " REGION "}", "a b/c:d", "a-b-c-d-7Kq2a9Zx" },
		{ "{" ROLE ", " REGION "}",
		    "0123456789012345678901234567890123456789012345678901234"
		    "5678901234567890",
		    "0123456789012345678901234567890123456789012345678901234"
		    "-7Kq2a9Zx" },
		{ "{" REGION "}", "01234567890123456789012345678901234",
		    "01234567890123456789012-7Kq2a9Zx" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct crb_mint_terms whom = { rows[i].task, "7Kq2a9Zx",
			3600 };
		CRB_AUTO_JSON json_t *order = order_of(
		    rows[i].params, ONE, &whom);

		assert_string_equal(
		    json_string_value(json_object_get(order, "session_name")),
		    rows[i].name);
		assert_string_equal(
		    json_string_value(json_object_get(
			json_object_get(order, "tags"), "credbroker:task")),
		    rows[i].task);
	}
}

static void
keys_outlive_a_session_by_no_more_than_sts_forces(void **state)
{
	static const struct {
		const char *params;
		int64_t rest, duration;
		const char *note;
	} rows[] = {
		{ "{" REGION "}", 28800, 3600, NULL },
		{ "{" REGION "}", 3600, 3600, NULL },
		{ "{" REGION "}", 1800, 1800, NULL },
		{ "{" REGION "}", 900, 900, NULL },
		{ "{" REGION "}", 899, 900, "ends in 14m59s" },
		{ "{" REGION "}", 60, 900, "ends in 1m" },
		{ "{" REGION "}", -5, 900, "ends in 0s" },
		{ "{" REGION ", \"duration\": \"15m\"}", 28800, 900, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct crb_mint_terms whom = { "t", "7Kq2a9Zx",
			rows[i].rest };
		CRB_AUTO_JSON json_t *order = order_of(
		    rows[i].params, ONE, &whom);
		const json_t *notes = json_object_get(order, "notes");

		assert_int_equal(
		    json_integer_value(json_object_get(order, "duration")),
		    rows[i].duration);
		assert_true((notes != NULL) == (rows[i].note != NULL));
		if (notes != NULL)
			assert_non_null(
			    strstr(json_string_value(json_array_get(notes, 0)),
				rows[i].note));
	}
}

static void
scopes_that_cannot_be_had_are_refused(void **state)
{
	static const struct {
		const char *params;
		const char *scopes[3];
		const char *says;
	} rows[] = {
		{ "{" REGION ", \"call\": \"session-token\"}", { ONE },
		    "only actions=*,resources=*" },
		{ "{" REGION ", \"call\": \"session-token\"}",
		    { "actions=*,resources=*", ONE },
		    "only actions=*,resources=*" },
		{ "{" REGION "}", { "" }, "never \"everything\"" },
		{ "{" REGION "}", { ONE, "actions=s3:*" },
		    "resources are missing" },
		{ "{" REGION "}", { NULL }, "nothing to ask" },
		{ "{" REGION "}", { ONE, ONE ",delivery=inject" },
		    "the same delivery" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct crb_err err = { 0 };
		json_t *order = NULL;

		if (try_order(rows[i].params, rows[i].scopes, &terms, &order,
			&err) == CRB_OK)
			fail_msg("accepted: row %zu", i);
		assert_null(order);
		if (strstr(err.msg, rows[i].says) == NULL)
			fail_msg("row %zu: %s", i, err.msg);
	}
}

/* A world that keeps what it is asked. */
struct world {
	unsigned status;
	const char *answer;
	char method[16], host[256], target[64], headers[16384], body[32768];
};

static enum crb_status
world_http(void *ctx, const struct crb_http_request *request,
    struct crb_http_reply *reply, struct crb_err *err)
{
	struct world *world = ctx;

	(void)err;
	(void)snprintf(
	    world->method, sizeof(world->method), "%s", request->method);
	(void)snprintf(
	    world->host, sizeof(world->host), "%s", request->origin->host);
	(void)snprintf(
	    world->target, sizeof(world->target), "%s", request->target);
	(void)snprintf(
	    world->headers, sizeof(world->headers), "%s", request->headers);
	assert_true(request->body_len < sizeof(world->body));
	memcpy(world->body, request->body, request->body_len);
	world->body[request->body_len] = '\0';
	*reply = (struct crb_http_reply){ .status = world->status,
		.headers = CRB_BUF_INIT_WIPED(4096),
		.body = CRB_BUF_INIT_WIPED(CRB_HTTP_BODY_MAX) };
	crb_buf_str(&reply->body, world->answer);
	return CRB_OK;
}

#define ANSWER(action, expires, more)                                     \
	"<" action "Response><" action                                    \
	"Result><Credentials><AccessKeyId>ASIA</AccessKeyId>"             \
	"<SecretAccessKey>s</SecretAccessKey><SessionToken>t"             \
	"</SessionToken><Expiration>" expires                             \
	"</Expiration></Credentials>" more "</" action "Result></" action \
	"Response>"
#define SOON "2026-11-21T19:40:00Z"

static enum crb_status
mint_with(struct world *world, const char *params_text, const char *scope,
    const char *stored, struct crb_minted *out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *params = json_of(params_text);
	CRB_AUTO_JSON json_t *order = order_of(params_text, scope, &terms);
	CRB_AUTO_SECRET struct crb_secret *secret = secret_of(stored);
	const struct crb_mint_world of = { NOW, world_http, world };

	return ops->mint(&of, params, secret, order, out, err);
}

static void
one_signed_form_is_sent(void **state)
{
	struct world world = { .status = 200,
		.answer = ANSWER("AssumeRole", SOON,
		    "<PackedPolicySize>12</PackedPolicySize>") };
	struct crb_minted minted = { .keys = NULL };
	struct crb_err err = { 0 };

	(void)state;
	if (mint_with(&world,
		"{" ROLE ", " REGION ", \"external-id\": \"x/1\","
		" \"source-identity\": \"task\"}",
		ONE, "AKID\n" CANARY, &minted, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_string_equal(world.method, "POST");
	assert_string_equal(world.target, "/");
	assert_string_equal(world.host, "sts.eu-west-1.amazonaws.com");
	assert_string_equal(world.body,
	    "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600"
	    "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fagent"
	    "&RoleSessionName=fix-123-7Kq2a9Zx&ExternalId=x%2F1"
	    "&SourceIdentity=fix-123&Policy=%7B%22Version%22%3A%222012-10-17"
	    "%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22"
	    "Action%22%3A%22s3%3AGetObject%22%2C%22Resource%22%3A%22arn%3Aaws"
	    "%3As3%3A%3A%3Aa%22%7D%5D%7D&Tags.member.1.Key=credbroker%3Atask"
	    "&Tags.member.1.Value=fix-123&Tags.member.2.Key=credbroker%3A"
	    "session&Tags.member.2.Value=7Kq2a9Zx");
	assert_non_null(strstr(
	    world.headers, "content-type: application/x-www-form-urlencoded"));
	assert_non_null(strstr(world.headers,
	    "Credential=AKID/20261121/eu-west-1/sts/aws4_request"));
	assert_null(strstr(world.headers, "x-amz-security-token"));
	assert_null(strstr(world.headers, "accept"));
	assert_null(strstr(world.headers, CANARY));
	assert_string_equal(crb_secret_bytes(minted.keys), "ASIA\ns\nt");
	assert_string_equal(minted.id, "ASIA");
	assert_int_equal(minted.expires, NOW + 3600);
	assert_non_null(strstr(minted.detail, "12%"));
	crb_minted_clear(&minted);
}

static void
each_call_has_its_own_parameters(void **state)
{
	static const struct {
		const char *params, *scope, *answer, *body;
	} rows[] = {
		{ "{" REGION ", \"tags\": \"no\"}",
		    "policy-arns=arn:aws:iam::1:policy/B+arn:aws:iam::1:policy/"
		    "A",
		    ANSWER("GetFederationToken", SOON, ""),
		    "Action=GetFederationToken&Version=2011-06-15"
		    "&DurationSeconds=3600&Name=fix-123-7Kq2a9Zx"
		    "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3A1%3Apolicy"
		    "%2FA&PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3A1%3A"
		    "policy%2FB" },
		{ "{" REGION ", \"call\": \"session-token\"}",
		    "actions=*,resources=*",
		    ANSWER("GetSessionToken", SOON, ""),
		    "Action=GetSessionToken&Version=2011-06-15"
		    "&DurationSeconds=3600" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world world = { .status = 200,
			.answer = rows[i].answer };
		struct crb_minted minted = { .keys = NULL };
		struct crb_err err = { 0 };

		if (mint_with(&world, rows[i].params, rows[i].scope,
			"AKID\nsEcReT-51a9", &minted, &err) != CRB_OK)
			fail_msg("%s", err.msg);
		assert_string_equal(world.body, rows[i].body);
		crb_minted_clear(&minted);
	}
}

static void
keys_of_a_session_make_keys_for_an_hour(void **state)
{
	struct world world = { .status = 200,
		.answer = ANSWER("AssumeRole", SOON, "") };
	struct crb_minted minted = { .keys = NULL };
	struct crb_err err = { 0 };

	(void)state;
	if (mint_with(&world, "{" ROLE ", " REGION ", \"duration\": \"4h\"}",
		ONE, "AKID\nsEcReT-51a9\ntoken", &minted, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_non_null(strstr(world.body, "&DurationSeconds=3600&"));
	assert_non_null(strstr(world.headers, "x-amz-security-token: token"));
	assert_non_null(strstr(minted.detail, "for 1h"));
	crb_minted_clear(&minted);

	world.method[0] = '\0';
	assert_int_equal(mint_with(&world, "{" REGION "}", ONE,
			     "AKID\nsEcReT-51a9\ntoken", &minted, &err),
	    CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "needs the keys of a user"));
	assert_string_equal(world.method, "");
	assert_null(minted.keys);
}

static void
keys_for_another_time_than_asked_are_refused(void **state)
{
	static const struct {
		const char *answer;
		bool fits;
	} rows[] = {
		{ ANSWER("AssumeRole", "2026-11-21T18:40:00Z", ""), false },
		{ ANSWER("AssumeRole", "2026-11-21T18:40:01Z", ""), true },
		{ ANSWER("AssumeRole", "2026-11-21T19:50:00Z", ""), true },
		{ ANSWER("AssumeRole", "2026-11-21T19:50:01Z", ""), false },
		{ ANSWER("AssumeRole", "2036-11-21T19:40:00Z", ""), false },
		{ ANSWER("AssumeRole", "2016-11-21T19:40:00Z", ""), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world world = { .status = 200,
			.answer = rows[i].answer };
		struct crb_minted minted = { .keys = NULL };
		struct crb_err err = { 0 };
		enum crb_status status = mint_with(&world,
		    "{" ROLE ", " REGION "}", ONE, "AKID\nsEcReT-51a9", &minted,
		    &err);

		assert_int_equal(
		    status, rows[i].fits ? CRB_OK : CRB_ERR_UPSTREAM);
		if (!rows[i].fits)
			assert_non_null(strstr(err.msg, "clock"));
		assert_true((minted.keys != NULL) == rows[i].fits);
		crb_minted_clear(&minted);
	}
}

#define ERROR_OF(code, message)                                               \
	"<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code>"      \
	"<Message>" message "</Message></Error><RequestId>9f3c-1</RequestId>" \
	"</ErrorResponse>"

static const struct failure {
	unsigned status;
	const char *answer;
	enum crb_status outcome;
	const char *says;
} failures[] = {
	{ 403, ERROR_OF("AccessDenied", "User: x is not authorized"),
	    CRB_ERR_UPSTREAM,
	    "AWS STS answered 403 AccessDenied (request 9f3c-1): User: x is "
	    "not authorized. See docs/aws.md#trust" },
	{ 400, ERROR_OF("PackedPolicyTooLarge", "consumes 116%"),
	    CRB_ERR_UPSTREAM, "consumes 116%. Name fewer resources" },
	{ 400, ERROR_OF("PackedPolicyTooLarge", "Use a smaller one."),
	    CRB_ERR_UPSTREAM, "Use a smaller one. Name fewer resources" },
	{ 403, ERROR_OF("InvalidClientTokenId", "invalid"), CRB_ERR_UPSTREAM,
	    "The stored access key is not known there" },
	{ 403, ERROR_OF("SignatureDoesNotMatch", "Canonical..."),
	    CRB_ERR_UPSTREAM,
	    "AWS STS answered 403 SignatureDoesNotMatch (request 9f3c-1). The "
	    "stored secret" },
	{ 400, ERROR_OF("Throttling", "Rate exceeded"), CRB_ERR_LIMIT,
	    "answered 400 Throttling (request 9f3c-1): Rate exceeded" },
	{ 503, ERROR_OF("SlowDown", ""), CRB_ERR_LIMIT, "503 SlowDown" },
	{ 429, "", CRB_ERR_LIMIT, "AWS STS answered 429" },
	{ 500, ERROR_OF("InternalFailure", "oops"), CRB_ERR_UPSTREAM,
	    "500 InternalFailure" },
	{ 502, "<html>bad gateway</html>", CRB_ERR_UPSTREAM,
	    "AWS STS answered 502" },
	{ 302, "", CRB_ERR_UPSTREAM, "AWS STS answered 302" },
	{ 201, ANSWER("AssumeRole", SOON, ""), CRB_ERR_UPSTREAM,
	    "AWS STS answered 201" },
	{ 200, "<html>hello</html>", CRB_ERR_UPSTREAM,
	    "AWS STS answered 200, but not as to AssumeRole" },
	{ 200, ERROR_OF("AccessDenied", "x"), CRB_ERR_UPSTREAM,
	    "but not as to AssumeRole" },
	{ 200, ANSWER("GetSessionToken", SOON, ""), CRB_ERR_UPSTREAM,
	    "but not as to AssumeRole" },
	{ 200, "", CRB_ERR_UPSTREAM, "but not as to AssumeRole" },
};

static void
what_sts_says_is_told_with_its_code_and_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		const struct failure *row = &failures[i];
		struct world world = { .status = row->status,
			.answer = row->answer };
		struct crb_minted minted = { .keys = NULL };
		struct crb_err err = { 0 };

		assert_int_equal(mint_with(&world, "{" ROLE ", " REGION "}",
				     ONE, "AKID\nsEcReT-51a9", &minted, &err),
		    row->outcome);
		if (strstr(err.msg, row->says) == NULL)
			fail_msg("%s: %s", row->answer, err.msg);
		assert_int_equal(minted.status, row->status);
		assert_null(minted.keys);
	}
}

static void
the_words_of_sts_are_left_out_where_they_repeat_the_request(void **state)
{
	struct world world = { .status = 403,
		.answer = ERROR_OF("SignatureDoesNotMatch", "Canonical...") };
	struct crb_minted minted = { .keys = NULL };
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(mint_with(&world, "{" ROLE ", " REGION "}", ONE,
			     "AKID\nsEcReT-51a9", &minted, &err),
	    CRB_ERR_UPSTREAM);
	assert_null(strstr(err.msg, "Canonical"));
}

static void
another_provider_is_called_by_its_name(void **state)
{
	struct world world = { .status = 403, .answer = "" };
	struct crb_minted minted = { .keys = NULL };
	struct crb_err err = { 0 };

	(void)state;
	assert_int_equal(
	    mint_with(&world,
		"{" ROLE ", \"endpoint-url\": \"https://storage.example\"}",
		ONE, "AKID\nsEcReT-51a9", &minted, &err),
	    CRB_ERR_UPSTREAM);
	assert_non_null(strstr(err.msg, "STS at storage.example answered 403"));
	assert_non_null(strstr(world.headers, "/us-east-1/sts/aws4_request"));
}

static void
an_order_that_is_none_is_refused(void **state)
{
	static const char *const orders[] = { "{}", "[]",
		"{\"call\": \"x\", \"duration\": 900}",
		"{\"call\": \"assume-role\"}",
		"{\"call\": \"assume-role\", \"duration\": 899}",
		"{\"call\": \"assume-role\", \"duration\": 43201}",
		"{\"call\": \"assume-role\", \"duration\": 900,"
		" \"policy\": {}}",
		"{\"call\": \"assume-role\", \"duration\": 900,"
		" \"policy_arns\": []}",
		"{\"call\": \"assume-role\", \"duration\": 900,"
		" \"policy_arns\": [1]}",
		"{\"call\": \"assume-role\", \"duration\": 900,"
		" \"tags\": {\"a\": 1}}" };

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		CRB_AUTO_JSON json_t *params = json_of(
		    "{" ROLE ", " REGION "}");
		CRB_AUTO_JSON json_t *order = json_of(orders[i]);
		CRB_AUTO_SECRET struct crb_secret *secret = secret_of(
		    "AKID\nsEcReT-51a9");
		struct world world = { .status = 200, .answer = "" };
		const struct crb_mint_world of = { NOW, world_http, &world };
		struct crb_minted minted = { .keys = NULL };
		struct crb_err err = { 0 };

		if (ops->mint(&of, params, secret, order, &minted, &err) !=
		    CRB_ERR_INVALID)
			fail_msg("%s: %s", orders[i], err.msg);
		assert_string_equal(world.method, "");
	}
}

static const struct upstream {
	const char *params, *service, *region;
	const char *host; /* NULL: refused */
} upstreams[] = {
	{ "{" REGION "}", "s3", "eu-west-1", "s3.eu-west-1.amazonaws.com" },
	{ "{" REGION "}", "s3", "us-east-2", "s3.us-east-2.amazonaws.com" },
	{ "{" REGION "}", "s3", "us-gov-west-1", NULL },
	{ "{" REGION "}", "s3", "cn-north-1", NULL },
	{ "{" REGION "}", "dynamodb", "eu-west-1", NULL },
	{ "{" REGION "}", "sts", "eu-west-1", NULL },
	{ "{" REGION "}", "", "eu-west-1", NULL },
	{ "{" REGION "}", "s3", "", NULL },
	{ "{" REGION "}", "s3", "eu-west-1.evil", NULL },
	{ "{" REGION "}", "s3", "eu-west-1/", NULL },
	{ "{" REGION ", \"services\": \"ecr,ses,route53,dynamodb\"}", "ecr",
	    "eu-west-1", "api.ecr.eu-west-1.amazonaws.com" },
	{ "{" REGION ", \"services\": \"ecr,ses,route53,dynamodb\"}", "ses",
	    "eu-west-1", "email.eu-west-1.amazonaws.com" },
	{ "{" REGION ", \"services\": \"ecr,ses,route53,dynamodb\"}", "route53",
	    "us-east-1", "route53.amazonaws.com" },
	{ "{" REGION ", \"services\": \"ecr,ses,route53,dynamodb\"}",
	    "dynamodb", "eu-west-1", "dynamodb.eu-west-1.amazonaws.com" },
	{ "{" REGION ", \"services\": \"ecr,ses,route53,dynamodb\"}", "s3",
	    "eu-west-1", NULL },
	/* A bucket of that name, whose ever it is. */
	{ "{" REGION ", \"services\": \"ecr,ses,route53,dynamodb\"}",
	    "dynamodb", "s3-eu-west-1", NULL },
	{ "{\"endpoint-url\": \"https://storage.example:8443\"}", "s3",
	    "anything-1", "storage.example" },
	{ "{\"endpoint-url\": \"https://storage.example:8443\"}", "sts",
	    "us-east-1", NULL },
};

static void
requests_go_to_the_service_that_they_are_signed_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(upstreams) / sizeof(*upstreams); i++) {
		const struct upstream *row = &upstreams[i];
		CRB_AUTO_JSON json_t *params = json_of(row->params);
		struct crb_origin origin = { .host = "" };
		struct crb_err err = { 0 };
		enum crb_status status = ops->upstream(
		    params, row->service, row->region, &origin, &err);

		if ((status == CRB_OK) != (row->host != NULL))
			fail_msg(
			    "%s in %s: %s", row->service, row->region, err.msg);
		assert_string_equal(
		    origin.host, row->host != NULL ? row->host : "");
		assert_true(status != CRB_OK || origin.tls);
	}
}

static void
a_request_is_signed_with_the_keys_of_a_lease(void **state)
{
	CRB_AUTO_SECRET struct crb_secret *keys = secret_of(
	    "ASIA\n" CANARY "\ntoken");
	CRB_AUTO_SECRET struct crb_secret *bad = secret_of(CANARY);
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(8192);
	const struct crb_sign_request request = { .method = "GET",
		.host = "s3.eu-west-1.amazonaws.com",
		.target = "/alpha/x",
		.service = "s3",
		.region = "eu-west-1",
		.payload = "UNSIGNED-PAYLOAD",
		.headers = "range: bytes=0-1\n",
		.now = NOW };
	struct crb_err err = { 0 };

	(void)state;
	if (ops->sign(keys, &request, &out, &err) != CRB_OK)
		fail_msg("%s", err.msg);
	assert_non_null(strstr(crb_buf_text(&out),
	    "Credential=ASIA/20261121/eu-west-1/s3/aws4_request"));
	assert_non_null(
	    strstr(crb_buf_text(&out), "x-amz-security-token: token"));
	assert_null(strstr(crb_buf_text(&out), CANARY));
	assert_int_not_equal(ops->sign(bad, &request, &out, &err), CRB_OK);
	assert_null(strstr(err.msg, CANARY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_that_cannot_work_are_refused),
		cmocka_unit_test(sts_is_asked_where_the_parameters_say),
		cmocka_unit_test(an_order_tells_all_that_is_asked),
		cmocka_unit_test(names_are_valid_and_never_the_same),
		cmocka_unit_test(
		    keys_outlive_a_session_by_no_more_than_sts_forces),
		cmocka_unit_test(scopes_that_cannot_be_had_are_refused),
		cmocka_unit_test(one_signed_form_is_sent),
		cmocka_unit_test(each_call_has_its_own_parameters),
		cmocka_unit_test(keys_of_a_session_make_keys_for_an_hour),
		cmocka_unit_test(keys_for_another_time_than_asked_are_refused),
		cmocka_unit_test(
		    what_sts_says_is_told_with_its_code_and_request),
		cmocka_unit_test(
		    the_words_of_sts_are_left_out_where_they_repeat_the_request),
		cmocka_unit_test(another_provider_is_called_by_its_name),
		cmocka_unit_test(an_order_that_is_none_is_refused),
		cmocka_unit_test(
		    requests_go_to_the_service_that_they_are_signed_for),
		cmocka_unit_test(a_request_is_signed_with_the_keys_of_a_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
