#include "broker/core/aws_request.h"

#include "tests/unit/unit.h"

static enum crb_status
parse(const char *method, const char *service, const char *target,
    const char *query, struct crb_aws_request *out, struct crb_err *err)
{
	const struct crb_msg_exchange msg = {
		.route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE(method),
		.target = CRB_SLICE(target),
		.query = CRB_SLICE(query != NULL ? query : ""),
		.has_query = query != NULL,
		.service = CRB_SLICE(service),
		.region = CRB_SLICE("us-east-1"),
	};

	return crb_aws_request_parse(&msg, out, err);
}

/* A key may be any text; it has the one spelling that is signed. */
static void
what_is_asked_is_sent_as_it_stands(void **state)
{
	static const struct {
		const char *service, *target, *query, *sent;
	} cases[] = {
		{ "s3", "aws-dev", NULL, "/" },
		{ "s3", "aws-dev/", NULL, "/" },
		{ "s3", "aws-dev/alpha", "", "/alpha" },
		{ "s3", "aws-dev/alpha/", "list-type=2&prefix=a%2Fb%20%25",
		    "/alpha/?list-type=2&prefix=a%2Fb%20%25" },
		{ "s3", "a/b/a%20key%2B1", NULL, "/b/a%20key%2B1" },
		{ "s3", "a/b/%E2%82%AC/%F0%9F%90%99", NULL,
		    "/b/%E2%82%AC/%F0%9F%90%99" },
		{ "s3", "a/b/100%25", NULL, "/b/100%25" },
		{ "s3", "a/b/%2525", NULL, "/b/%2525" },
		{ "s3", "a/b/x//y/", NULL, "/b/x//y/" },
		{ "s3", "a/b//y", NULL, "/b//y" },
		{ "s3", "a/b/%5C%3B%3F%23", NULL, "/b/%5C%3B%3F%23" },
		{ "s3", "a/b/...", "uploads", "/b/...?uploads" },
		{ "s3", "a/b/k",
		    "tagKeys=a&tagKeys=b&x=", "/b/k?tagKeys=a&tagKeys=b&x=" },
		{ "lambda", "a/2015-03-31/f/arn%3Aaws%2Fx%2525/i", NULL,
		    "/2015-03-31/f/arn%3Aaws%2Fx%2525/i" },
		{ "execute-api", "a/prod/items:list", "Action=x",
		    "/prod/items:list?Action=x" },
		{ "dynamodb", "a", NULL, "/" },
	};
	struct crb_aws_request request;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CRB_AUTO_BUF struct crb_buf sent = CRB_BUF_INIT(
		    2 * CRB_TARGET_MAX);

		if (parse("GET", cases[i].service, cases[i].target,
			cases[i].query, &request, &err) != CRB_OK)
			fail_msg("%s: %s", cases[i].target, err.msg);
		crb_aws_request_target(&request, &sent);
		assert_string_equal(crb_buf_text(&sent), cases[i].sent);
		assert_string_equal(request.service, cases[i].service);
		assert_string_equal(request.region, "us-east-1");
	}
}

static void
what_could_be_read_in_two_ways_is_refused(void **state)
{
	static const struct {
		const char *service, *target, *query, *says;
	} cases[] = {
		{ "s3", "", NULL, "missing" },
		{ "s3", "/b", NULL, "missing" },
		{ "s3", "A/b", NULL, "not one of" },
		{ "s3", "a%2Fb", NULL, "not one of" },
		{ "s3", "a..%2F", NULL, "not one of" },
		{ "s3", "a//b", NULL, "empty segment" },
		{ "s3", "a/b/../c", NULL, "\"..\" segment" },
		{ "s3", "a/b/./c", NULL, "\".\" or" },
		{ "s3", "a/b/..", NULL, "\"..\" segment" },
		{ "s3", "a/b/%2E%2E/c", NULL, "stand as itself" },
		{ "s3", "a/b%2Fc", NULL, "separator" },
		{ "s3", "a/b/c%2fd", NULL, "upper-case" },
		{ "s3", "a/b/%e2%82%ac", NULL, "upper-case" },
		{ "s3", "a/b/%41", NULL, "stand as itself" },
		{ "s3", "a/b/a+b", NULL, "must be encoded" },
		{ "s3", "a/b/(c)", NULL, "must be encoded" },
		{ "s3", "a/b/a=b", NULL, "must be encoded" },
		{ "s3", "a/b;c", NULL, "\";\"" },
		{ "s3", "a/b\\c", NULL, "backslash" },
		{ "s3", "a/b/%00", NULL, "control" },
		{ "s3", "a/b/%0D%0A", NULL, "control" },
		{ "s3", "a/b/%7F", NULL, "control" },
		{ "s3", "a/b/%FF", NULL, "UTF-8" },
		{ "s3", "a/b/%C0%AF", NULL, "UTF-8" },
		{ "s3", "a/b/%", NULL, "upper-case" },
		{ "s3", "a/b/\xe2\x82\xac", NULL, "ASCII" },
		{ "lambda", "a/b/c%2F..%2Fd", NULL, "\"..\" segment" },
		{ "lambda", "a/b/..%2Fd", NULL, "\"..\" segment" },
		{ "lambda", "a/b/c%2F.", NULL, "\".\" or" },
		{ "s3", "a/b", "x=a+b", "must be encoded" },
		{ "s3", "a/b", "x=a=b", "not encoded" },
		{ "s3", "a/b", "x=a/b", "must be encoded" },
		{ "s3", "a/b", "x;y", "\";\"" },
		{ "s3", "a/b", "a&&b", "no name" },
		{ "s3", "a/b", "a&", "no name" },
		{ "s3", "a/b", "=a", "no name" },
		{ "s3", "a/b", "%78-amz-signature=1", "stand as itself" },
		{ "s3", "a/b", "a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&acl",
		    "more than 16 parameters" },
		{ "sns", "a", "Action=List&Action=Publish", "more than one" },
		{ "sns", "a", "Action=Get%20List", "not the name" },
		{ "lambda", "a//b", NULL, "empty segment" },
		{ "lambda", "a/b//c", NULL, "empty segment" },
		{ "lambda", "a/b/../c", NULL, "\"..\" segment" },
		{ "lambda", "a/b%5Cc", NULL, "separator" },
	};
	struct crb_aws_request request;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (parse("GET", cases[i].service, cases[i].target,
			cases[i].query, &request, &err) != CRB_ERR_INVALID ||
		    strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s?%s: %s", cases[i].target,
			    cases[i].query != NULL ? cases[i].query : "",
			    err.msg);
	}
}

/* What comes back from these could be keys, or is signed elsewhere. */
static void
what_is_not_injected_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *method, *service, *target, *query, *says;
	} cases[] = {
		{ "GET", "s3", "a/b", "X-Amz-Signature=0", "presigned" },
		{ "GET", "s3", "a/b", "list-type=2&x-AMZ-credential=0",
		    "presigned" },
		{ "GET", "s3", "a/b", "X-Amz-Anything", "presigned" },
		{ "GET", "s3", "a/b", "Signature=0", "presigned" },
		{ "GET", "s3", "a/b", "AWSAccessKeyId=0", "presigned" },
		{ "GET", "lambda", "a/b", "X-Amz-Signature=0", "presigned" },
		{ "GET", "s3", "a", "Action=AssumeRole", "action" },
		{ "GET", "s3", "a/b", "session", "S3 Express" },
		{ "POST", "s3", "a", NULL, "name a bucket" },
		{ "POST", "s3", "a/", NULL, "name a bucket" },
		{ "PUT", "s3", "a/", NULL, "name a bucket" },
		{ "DELETE", "s3-object-lambda", "a", NULL, "name a bucket" },
		{ "GET", "sns", "a", "Action=GetSessionToken&Version=1",
		    "credentials" },
		{ "POST", "sns", "a/", "a=b&action=ASSUMEROLE", "credentials" },
		{ "POST", "sns", "a", "Action=List&Action=GetFederationToken",
		    "credentials" },
		{ "POST", "sns", "a/service/Sts/operation/AssumeRole", NULL,
		    "credentials" },
		{ "POST", "lambda", "a/GetTemporaryGlueTableCredentials", NULL,
		    "credentials" },
	};
	struct crb_aws_request request;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (parse(cases[i].method, cases[i].service, cases[i].target,
			cases[i].query, &request, &err) != CRB_ERR_DENIED ||
		    strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].target, err.msg);
	}
	assert_fails(
	    parse("GET", "", "a/b", NULL, &request, &err), CRB_ERR_INVALID);
	assert_says("has to be signed");
	assert_fails(parse("CONNECT", "s3", "a/b", NULL, &request, &err),
	    CRB_ERR_INVALID);
}

static void
bodies_are_where_they_may_be_and_of_a_size_that_can_be_signed(void **state)
{
	static const struct {
		const char *method, *service;
		uint8_t body;
		uint64_t length;
		enum crb_status status;
	} cases[] = {
		{ "PUT", "s3", CRB_BODY_LENGTH, 1ull << 40, CRB_OK },
		{ "PUT", "s3", CRB_BODY_CHUNKED, 0, CRB_OK },
		{ "GET", "s3", CRB_BODY_LENGTH, 1, CRB_ERR_INVALID },
		{ "HEAD", "s3", CRB_BODY_CHUNKED, 0, CRB_ERR_INVALID },
		{ "PUT", "s3", 9, 0, CRB_ERR_INVALID },
		{ "POST", "dynamodb", CRB_BODY_LENGTH, 1u << 20, CRB_OK },
		{ "POST", "dynamodb", CRB_BODY_LENGTH, (1u << 20) + 1,
		    CRB_ERR_TOO_LARGE },
	};
	struct crb_aws_request request;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct crb_msg_exchange msg = {
			.method = CRB_SLICE(cases[i].method),
			.target = CRB_SLICE("a/b"),
			.query = CRB_SLICE(""),
			.service = CRB_SLICE(cases[i].service),
			.region = CRB_SLICE("us-east-1"),
			.body = cases[i].body,
			.length = cases[i].length,
		};

		if (crb_aws_request_parse(&msg, &request, &err) !=
		    cases[i].status)
			fail_msg("case %zu", i);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_is_sent_as_it_stands),
		cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
		cmocka_unit_test(what_is_not_injected_is_refused_with_a_reason),
		cmocka_unit_test(
		    bodies_are_where_they_may_be_and_of_a_size_that_can_be_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
