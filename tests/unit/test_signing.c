#include "broker/egress/signing.h"

#include <sodium.h>

#include "backends/sigv4.h"
#include "base/cleanup.h"
#include "tests/unit/unit.h"

#define KEYS "AKIDLEASED\nleased/secret+key\nleased-token"
#define UNSIGNED "UNSIGNED-PAYLOAD"
#define TRAILER "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
#define STREAM "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define CHUNKS                                \
	"x-amz-content-sha256: " TRAILER "\n" \
	"x-amz-decoded-content-length: 5\nx-amz-trailer: X-Amz-Checksum-CRC32\n"

static const char hash[] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static struct crb_err err;

static struct crb_msg_job
job(const char *service, enum crb_body body, bool tls, uint8_t network)
{
	return (struct crb_msg_job){
		.route = CRB_ROUTE_HTTP,
		.method = CRB_SLICE("PUT"),
		.target = CRB_SLICE("/alpha/key"),
		.backend = CRB_SLICE("aws-sts"),
		.secret = CRB_SLICE(KEYS),
		.service = CRB_SLICE(service),
		.region = CRB_SLICE("us-east-1"),
		.tls = tls,
		.network = network,
		.body = (uint8_t)body,
	};
}

#define AUTO_SIGNING __attribute__((cleanup(crb_signing_clear)))

static enum crb_status
read_head(struct crb_signing *signing, const char *service, enum crb_body body,
    const char *block)
{
	const struct crb_msg_job msg = job(
	    service, body, true, CRB_NETWORK_PUBLIC);

	assert_ok(crb_signing_init(signing, &msg, &err));
	return crb_signing_head(signing, CRB_SLICE(block), &err);
}

static void
sign(struct crb_signing *signing, const char *body, struct crb_buf *out)
{
	assert_ok(crb_signing_finish(
	    signing, "localhost", CRB_SLICE(body), 1763700000, out, &err));
	assert_null(signing->keys);
}

static bool
says(const struct crb_buf *lines, const char *line)
{
	return strstr(crb_buf_text(lines), line) != NULL;
}

static void
a_body_goes_out_as_its_client_says(void **state)
{
	static const struct {
		enum crb_body body;
		const char *payload;
		bool chunked;
		const char *sent;
	} cases[] = {
		{ CRB_BODY_LENGTH, hash, false, hash },
		{ CRB_BODY_LENGTH, UNSIGNED, false, UNSIGNED },
		{ CRB_BODY_NONE, hash, false, hash },
		{ CRB_BODY_NONE, NULL, false, EMPTY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_SIGNING struct crb_signing signing = { .keys = NULL };
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(65536);
		char block[256] = "", line[128];

		if (cases[i].payload != NULL)
			(void)snprintf(block, sizeof(block),
			    "x-amz-content-sha256: %s\n", cases[i].payload);
		assert_ok(read_head(&signing, "s3", cases[i].body, block));
		assert_int_equal(signing.chunked, cases[i].chunked);
		assert_int_not_equal(signing.payload[0], '\0');
		sign(&signing, "", &out);
		(void)snprintf(line, sizeof(line), "x-amz-content-sha256: %s\n",
		    cases[i].sent);
		assert_true(says(&out, line));
		assert_true(says(&out, "x-amz-security-token: leased-token\n"));
		assert_false(says(&out, "leased/secret+key"));
	}
}

static void
chunks_are_undone_and_no_more_said(void **state)
{
	AUTO_SIGNING struct crb_signing signing = { .keys = NULL };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(65536);

	(void)state;
	assert_ok(read_head(&signing, "s3", CRB_BODY_CHUNKED,
	    "content-encoding: gzip, aws-chunked\nx-amz-meta-a: b\n"
	    "x-amz-sdk-checksum-algorithm: CRC32\n" CHUNKS));
	assert_true(signing.chunked);
	assert_true(signing.length == 5);
	assert_string_equal(signing.trailer, "x-amz-checksum-crc32");
	sign(&signing, "", &out);
	assert_true(says(&out, "content-encoding: gzip\n"));
	assert_true(says(&out, "x-amz-content-sha256: " UNSIGNED "\n"));
	assert_true(says(&out, "x-amz-meta-a: b\n"));
	assert_false(says(&out, "aws-chunked"));
	assert_false(says(&out, "x-amz-trailer"));
	assert_false(says(&out, "x-amz-decoded"));
	assert_false(says(&out, "checksum-algorithm"));
}

/* Nobody gets a signature for headers that it does not cover. */
static void
what_is_sent_is_covered(void **state)
{
	AUTO_SIGNING struct crb_signing signing = { .keys = NULL };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(65536);

	(void)state;
	assert_ok(read_head(&signing, "s3", CRB_BODY_NONE,
	    "x-amz-acl: private\nrange: bytes=1-2\nuser-agent: me\n"
	    "content-type: a/b\naccept: */*\n"));
	sign(&signing, "", &out);
	assert_true(says(&out,
	    "SignedHeaders=content-type;host;range;x-amz-acl;"
	    "x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
	assert_true(says(&out, "user-agent: me\n"));
	assert_true(says(&out, "x-amz-acl: private\n"));
}

static void
only_headers_that_somebody_has_seen_go_out(void **state)
{
	static const char seen[] = "x-amz-target: T.Look\n";
	static const struct {
		const char *block;
		enum crb_status status;
	} heads[] = {
		{ "x-amz-target: T.Look\n", CRB_OK },
		{ "user-agent: me\nx-amz-target: T.Look\naccept: a/b\n",
		    CRB_OK },
		{ "x-amz-target: T.Drop\n", CRB_ERR_DENIED },
		{ "x-amz-target: T.Look\nx-amz-acl: a\n", CRB_ERR_DENIED },
		{ "", CRB_ERR_DENIED },
	};
	struct crb_msg_job msg = job(
	    "dynamodb", CRB_BODY_NONE, true, CRB_NETWORK_PUBLIC);
	uint8_t sum[crypto_hash_sha256_BYTES];

	(void)state;
	(void)crypto_hash_sha256(sum, (const uint8_t *)seen, strlen(seen));
	msg.judged_headers = (struct crb_slice){ (const char *)sum,
		sizeof(sum) };
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		AUTO_SIGNING struct crb_signing signing = { .keys = NULL };

		assert_ok(crb_signing_init(&signing, &msg, &err));
		assert_int_equal(
		    crb_signing_head(&signing, CRB_SLICE(heads[i].block), &err),
		    heads[i].status);
	}
	msg.judged_headers.len = 31;
	AUTO_SIGNING struct crb_signing odd = { .keys = NULL };

	assert_int_equal(crb_signing_init(&odd, &msg, &err), CRB_ERR_INVALID);
}

static void
another_service_gets_the_hash_of_what_was_collected(void **state)
{
	char expected[CRB_SIGV4_HASH], line[128];
	(void)state;
	for (int told = 0; told < 2; told++) {
		AUTO_SIGNING struct crb_signing signing = { .keys = NULL };
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(65536);

		assert_ok(read_head(&signing, "dynamodb", CRB_BODY_LENGTH,
		    told ? "x-amz-content-sha256: " UNSIGNED "\n" : ""));
		assert_int_equal(signing.payload[0], '\0');
		sign(&signing, "body", &out);
		crb_sigv4_hash("body", 4, expected);
		assert_string_equal(signing.payload, expected);
		(void)snprintf(
		    line, sizeof(line), "x-amz-content-sha256: %s\n", expected);
		/* Those that want it are told it. */
		assert_int_equal(says(&out, line), told);
		assert_false(says(&out, UNSIGNED));
	}
}

static void
what_cannot_be_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *service;
		enum crb_body body;
		const char *block, *says;
	} cases[] = {
		{ "s3", CRB_BODY_LENGTH, "", "needs x-amz-content-sha256" },
		{ "s3", CRB_BODY_CHUNKED,
		    "x-amz-content-sha256: " UNSIGNED "\n", "Content-Length" },
		{ "s3", CRB_BODY_LENGTH, "x-amz-content-sha256: 00\n",
		    "neither" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: "
		    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD\n",
		    "4A" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-EVENTS\n",
		    "not supported" },
		{ "s3", CRB_BODY_NONE, CHUNKS, "did not come" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: " TRAILER "\n"
		    "x-amz-decoded-content-length: 5\n",
		    "different things" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: " STREAM "\n"
		    "x-amz-decoded-content-length: 5\nx-amz-trailer: a\n",
		    "different things" },
		{ "s3", CRB_BODY_LENGTH, "x-amz-content-sha256: " STREAM "\n",
		    "decoded-content-length" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: " STREAM "\n"
		    "x-amz-decoded-content-length: -1\n",
		    "no number" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: " STREAM "\n"
		    "x-amz-decoded-content-length: 99999999999999999999\n",
		    "no number" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: " UNSIGNED "\n"
		    "x-amz-decoded-content-length: 5\n",
		    "without one" },
		{ "s3", CRB_BODY_LENGTH,
		    "x-amz-content-sha256: " UNSIGNED "\n"
		    "content-encoding: aws-chunked\n",
		    "does not say" },
		{ "dynamodb", CRB_BODY_LENGTH, CHUNKS, "without one" },
		{ "s3", CRB_BODY_NONE, "x-amz-acl: a\nx-amz-acl: b\n",
		    "more than once" },
		{ "s3", CRB_BODY_NONE, "authorization: AWS4\n", "on the list" },
		{ "s3", CRB_BODY_NONE, "x-amz-date: now\n", "on the list" },
		{ "s3", CRB_BODY_NONE, "x-amz-security-token: t\n",
		    "on the list" },
		{ "s3", CRB_BODY_NONE, "host: evil\n", "on the list" },
		{ "s3", CRB_BODY_NONE, "git-protocol: version=2\n",
		    "on the list" },
		{ "s3", CRB_BODY_NONE, "x-amz-acl: a", "no end" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_SIGNING struct crb_signing signing = { .keys = NULL };

		if (read_head(&signing, cases[i].service, cases[i].body,
			cases[i].block) == CRB_OK ||
		    strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].block, err.msg);
	}
}

/* A provider may answer all its services' actions at its one address. */
static void
what_asks_for_keys_is_not_signed(void **state)
{
#define FORM "content-type: application/x-www-form-urlencoded\n"
#define JSON "content-type: application/x-amz-json-1.0\n"
	static const struct {
		const char *block, *body;
		enum crb_status status;
	} cases[] = {
		{ FORM, "Action=ListTopics&Version=1", CRB_OK },
		{ FORM, "Action=Publish&Message=Action%3DAssumeRole", CRB_OK },
		{ FORM, "Action=GetSessionToken", CRB_ERR_DENIED },
		{ FORM, "Version=1&Action=AssumeRoleWithWebIdentity",
		    CRB_ERR_DENIED },
		{ FORM, "Action=getfederationtoken\r\n", CRB_ERR_DENIED },
		{ FORM, "Action=%47etSessionToken", CRB_ERR_DENIED },
		{ FORM, "%41ction=GetSessionToken", CRB_ERR_DENIED },
		{ FORM, "Action=List;Action=GetSessionToken", CRB_ERR_DENIED },
		{ FORM, "Action=List&Action=List", CRB_ERR_INVALID },
		{ FORM, "Action=List&ACTION=GetSessionToken", CRB_ERR_DENIED },
		{ FORM, "Action=Get%4ZToken", CRB_ERR_INVALID },
		{ FORM, "Action=Get%00Token", CRB_ERR_INVALID },
		{ FORM, "%4Z=1&Action=List", CRB_ERR_INVALID },
		{ "", "Action=CreateAccessKey", CRB_ERR_DENIED },
		{ "", "Action=List&Action=%41ssumeRole", CRB_ERR_DENIED },
		{ "", "%\x01\xff&%zz=1", CRB_OK },
		{ "content-encoding: gzip\n", "x", CRB_ERR_DENIED },
		{ "content-type: text/plain\n", "Action=GetSessionToken",
		    CRB_ERR_DENIED },
		{ JSON, "x&Action=GetSessionToken&y", CRB_ERR_DENIED },
		{ JSON, "{\"a\":\"?Action=a&Action=b%\"}", CRB_OK },
		{ JSON "x-amz-target: DynamoDB_20120810.GetItem\n", "{}",
		    CRB_OK },
		{ JSON "x-amz-target: A.GetCredentialsForIdentity\n", "{}",
		    CRB_ERR_DENIED },
		{ FORM "content-encoding: gzip\n", "x", CRB_ERR_DENIED },
		{ JSON "content-encoding: gzip\n", "x", CRB_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_SIGNING struct crb_signing signing = { .keys = NULL };
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(65536);
		enum crb_status status;

		status = read_head(
		    &signing, "sns", CRB_BODY_LENGTH, cases[i].block);
		if (status == CRB_OK)
			status = crb_signing_finish(&signing, "localhost",
			    CRB_SLICE(cases[i].body), 1763700000, &out, &err);
		if (status != cases[i].status)
			fail_msg("%s%s: %d", cases[i].block, cases[i].body,
			    (int)status);
		if (status != CRB_OK)
			assert_int_equal(out.len, 0);
	}
}

/* In clear text a body that is not signed could be changed on its way. */
static void
clear_text_takes_what_is_not_signed_only_on_this_host(void **state)
{
	static const struct {
		bool tls;
		uint8_t network;
		const char *payload;
		enum crb_status status;
	} cases[] = {
		{ false, CRB_NETWORK_LOOPBACK, UNSIGNED, CRB_OK },
		{ true, CRB_NETWORK_PUBLIC, UNSIGNED, CRB_OK },
		{ false, CRB_NETWORK_PRIVATE, UNSIGNED, CRB_ERR_DENIED },
		{ false, CRB_NETWORK_PUBLIC, UNSIGNED, CRB_ERR_DENIED },
		{ false, CRB_NETWORK_PRIVATE, hash, CRB_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_SIGNING struct crb_signing signing = { .keys = NULL };
		const struct crb_msg_job msg = job(
		    "s3", CRB_BODY_LENGTH, cases[i].tls, cases[i].network);
		char block[256];

		(void)snprintf(block, sizeof(block),
		    "x-amz-content-sha256: %s\n", cases[i].payload);
		assert_ok(crb_signing_init(&signing, &msg, &err));
		assert_int_equal(
		    crb_signing_head(&signing, CRB_SLICE(block), &err),
		    cases[i].status);
	}
}

static void
a_job_that_does_not_sign_is_refused(void **state)
{
	AUTO_SIGNING struct crb_signing signing = { .keys = NULL };
	AUTO_SIGNING struct crb_signing other = { .keys = NULL };
	struct crb_msg_job msg = job(
	    "s3", CRB_BODY_NONE, true, CRB_NETWORK_PUBLIC);

	(void)state;
	msg.backend = CRB_SLICE("static");
	assert_fails(crb_signing_init(&signing, &msg, &err), CRB_ERR_INVALID);
	msg.backend = CRB_SLICE("nothing");
	assert_fails(crb_signing_init(&other, &msg, &err), CRB_ERR_NOT_FOUND);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_goes_out_as_its_client_says),
		cmocka_unit_test(chunks_are_undone_and_no_more_said),
		cmocka_unit_test(what_is_sent_is_covered),
		cmocka_unit_test(only_headers_that_somebody_has_seen_go_out),
		cmocka_unit_test(
		    another_service_gets_the_hash_of_what_was_collected),
		cmocka_unit_test(what_cannot_be_is_refused_with_a_reason),
		cmocka_unit_test(what_asks_for_keys_is_not_signed),
		cmocka_unit_test(
		    clear_text_takes_what_is_not_signed_only_on_this_host),
		cmocka_unit_test(a_job_that_does_not_sign_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
