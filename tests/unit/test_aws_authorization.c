#include "broker/gateway/aws_authorization.h"

#include "tests/unit/unit.h"

#define SIGNATURE \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CREDENTIAL "Credential=AKID/20261121/us-east-1/s3/aws4_request"
#define REST ", SignedHeaders=host;x-amz-date, Signature=" SIGNATURE

static void
what_was_signed_for_is_found(void **state)
{
	static const struct {
		const char *value, *region, *service;
	} cases[] = {
		{ "AWS4-HMAC-SHA256 " CREDENTIAL REST, "us-east-1", "s3" },
		/* Not every client writes the blanks. */
		{ "AWS4-HMAC-SHA256 " CREDENTIAL
		  ",SignedHeaders=host,Signature=" SIGNATURE,
		    "us-east-1", "s3" },
		{ "AWS4-HMAC-SHA256 Signature=" SIGNATURE
		  " ,\tSignedHeaders=host,  Credential=a.b-c_d/20261121/"
		  "default/execute-api/aws4_request ",
		    "default", "execute-api" },
	};
	struct crb_aws_authorization out;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct crb_slice value = CRB_SLICE(cases[i].value);

		assert_true(crb_aws_authorization_is(value));
		assert_ok(crb_aws_authorization_parse(value, &out, &err));
		assert_true(crb_slice_is(out.region, cases[i].region));
		assert_true(crb_slice_is(out.service, cases[i].service));
	}
}

static void
all_else_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *value;
		enum crb_status status;
		const char *says;
	} cases[] = {
		{ "", CRB_ERR_INVALID, "scheme" },
		{ "Bearer x", CRB_ERR_INVALID, "scheme" },
		{ "aws4-hmac-sha256 " CREDENTIAL REST, CRB_ERR_INVALID,
		    "scheme" },
		{ "AWS4-HMAC-SHA256", CRB_ERR_INVALID, "nothing behind" },
		{ "AWS4-HMAC-SHA256 ", CRB_ERR_INVALID, "without \"=\"" },
		{ "AWS4-HMAC-SHA256\t" CREDENTIAL REST, CRB_ERR_INVALID,
		    "scheme" },
		{ "AWS4-ECDSA-P256-SHA256 " CREDENTIAL REST, CRB_ERR_DENIED,
		    "4A" },
		{ "AWS AKID:c2ln", CRB_ERR_DENIED, "Version 2" },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL, CRB_ERR_INVALID, "missing" },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL REST ",", CRB_ERR_INVALID,
		    "without \"=\"" },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL REST ", X=1", CRB_ERR_INVALID,
		    "another name" },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " CREDENTIAL REST,
		    CRB_ERR_INVALID, "twice" },
		{ "AWS4-HMAC-SHA256 credential=AKID/20261121/us-east-1/s3/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "another name" },
		{ "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "ID/DATE/REGION/SERVICE" },
		{ "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/s3/x/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "ID/DATE/REGION/SERVICE" },
		{ "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/s3/"
		  "aws4_requests" REST,
		    CRB_ERR_INVALID, "ID/DATE/REGION/SERVICE" },
		{ "AWS4-HMAC-SHA256 Credential=A/2026112/us-east-1/s3/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "wrong form" },
		{ "AWS4-HMAC-SHA256 Credential=A/20261121//s3/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "wrong form" },
		{ "AWS4-HMAC-SHA256 Credential=A/20261121/us east/s3/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "wrong form" },
		{ "AWS4-HMAC-SHA256 Credential=A/20261121/evil@host/s3/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "wrong form" },
		{ "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/S3/"
		  "aws4_request" REST,
		    CRB_ERR_INVALID, "wrong form" },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL
		  ", SignedHeaders=host, Signature=0123",
		    CRB_ERR_INVALID, "64 hexadecimal" },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL
		  ", SignedHeaders=, Signature=" SIGNATURE,
		    CRB_ERR_INVALID, "SignedHeaders" },
	};
	struct crb_aws_authorization out;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (crb_aws_authorization_parse(CRB_SLICE(cases[i].value), &out,
			&err) != cases[i].status ||
		    strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].value, err.msg);
	}
}

static void
a_word_is_no_longer_than_its_field(void **state)
{
	char value[512], word[66];
	struct crb_aws_authorization out;
	struct crb_err err;

	(void)state;
	for (size_t len = 64; len <= 65; len++) {
		memset(word, 'a', len);
		word[len] = '\0';
		(void)snprintf(value, sizeof(value),
		    "AWS4-HMAC-SHA256 Credential=A/20261121/%s/s3/"
		    "aws4_request" REST,
		    word);
		assert_int_equal(
		    crb_aws_authorization_parse(CRB_SLICE(value), &out, &err),
		    len == 64 ? CRB_OK : CRB_ERR_INVALID);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_signed_for_is_found),
		cmocka_unit_test(all_else_is_refused_with_a_reason),
		cmocka_unit_test(a_word_is_no_longer_than_its_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
