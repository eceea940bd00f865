#include "backends/sigv4.h"

#include <sodium.h>

#include "backends/sigv4_canonical.h"
#include "base/text.h"
#include "tests/unit/unit.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define UNSIGNED "UNSIGNED-PAYLOAD"

/* 2013-05-24T00:00:00Z and 2015-08-30T12:36:00Z, of Amazon's examples. */
#define S3_EXAMPLE 1369353600
#define IAM_EXAMPLE 1440938160

static const struct crb_sigv4_keys keys = {
	.id = "AKIAIOSFODNN7EXAMPLE",
	.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};

static struct crb_sign_request
request_of(const char *service, const char *target)
{
	return (struct crb_sign_request){
		.method = "GET",
		.host = "examplebucket.s3.amazonaws.com",
		.target = target,
		.service = service,
		.region = "us-east-1",
		.payload = EMPTY,
		.headers = "",
		.now = S3_EXAMPLE,
	};
}

/* The line `name` of the headers that sign a request, or "". */
static const char *
line_of(const struct crb_buf *out, const char *name)
{
	static char line[4096];
	struct crb_slice rest = { crb_buf_text(out), out->len }, value, at;

	while (crb_slice_cut(&rest, '\n', &value)) {
		(void)crb_slice_cut(&value, ':', &at);
		if (!crb_slice_is(at, name))
			continue;
		assert_int_equal(value.p[0], ' ');
		assert_true(value.len < sizeof(line));
		memcpy(line, value.p + 1, value.len - 1);
		line[value.len - 1] = '\0';
		return line;
	}
	return "";
}

/* Signed, and one line of it. */
static const char *
signed_line(const struct crb_sigv4_keys *with,
    const struct crb_sign_request *request, const char *name)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(65536);
	struct crb_err err;

	assert_ok(crb_sigv4_sign(with, request, &out, &err));
	return line_of(&out, name);
}

static void
amazons_examples_have_the_signatures_that_it_gives(void **state)
{
	static const struct {
		const char *method, *host, *target, *service, *secret, *id,
		    *payload, *headers;
		int64_t now;
		const char *names, *signature;
	} cases[] = {
		{ "GET", "examplebucket.s3.amazonaws.com", "/test.txt", "s3",
		    NULL, NULL, EMPTY, "range: bytes=0-9\n", S3_EXAMPLE,
		    "host;range;x-amz-content-sha256;x-amz-date",
		    "f0e8bdb87c964420e857bd35b5d6ed31"
		    "0bd44f0170aba48dd91039c6036bdb41" },
		{ "PUT", "examplebucket.s3.amazonaws.com", "/test%24file.text",
		    "s3", NULL, NULL,
		    "44ce7dd67c959e0d3524ffac1771dfbb"
		    "a87d2b6b4b4e99e42034a8b803f8b072",
		    "date: Fri, 24 May 2013 00:00:00 GMT\n"
		    "x-amz-storage-class: REDUCED_REDUNDANCY\n",
		    S3_EXAMPLE,
		    "date;host;x-amz-content-sha256;x-amz-date;"
		    "x-amz-storage-class",
		    "98ad721746da40c64f1a55b78f14c238"
		    "d841ea1380cd77a1b5971af0ece108bd" },
		{ "GET", "examplebucket.s3.amazonaws.com", "/?lifecycle", "s3",
		    NULL, NULL, EMPTY, "", S3_EXAMPLE,
		    "host;x-amz-content-sha256;x-amz-date",
		    "fea454ca298b7da1c68078a5d1bdbfbb"
		    "e0d65c699e0f91ac7a200a0136783543" },
		{ "GET", "examplebucket.s3.amazonaws.com",
		    "/?max-keys=2&prefix=J", "s3", NULL, NULL, EMPTY, "",
		    S3_EXAMPLE, "host;x-amz-content-sha256;x-amz-date",
		    "34b48302e7b5fa45bde8084f4b7868a8"
		    "6f0a534bc59db6670ed5711ef69dc6f7" },
		{ "GET", "iam.amazonaws.com",
		    "/?Action=ListUsers&Version=2010-05-08", "iam",
		    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "AKIDEXAMPLE",
		    EMPTY,
		    "content-type: application/x-www-form-urlencoded; "
		    "charset=utf-8\n",
		    IAM_EXAMPLE, "content-type;host;x-amz-date",
		    "5d672d79c15b13162d9279b0855cfba6"
		    "789a8edb4c82c400e06b5924a6f2b5d7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct crb_sign_request request = request_of(
		    cases[i].service, cases[i].target);
		struct crb_sigv4_keys with = keys;
		CRB_AUTO_BUF struct crb_buf expected = CRB_BUF_INIT(4096);

		request.method = cases[i].method;
		request.host = cases[i].host;
		request.payload = cases[i].payload;
		request.headers = cases[i].headers;
		request.now = cases[i].now;
		if (cases[i].id != NULL) {
			with.id = cases[i].id;
			with.secret = cases[i].secret;
		}
		crb_buf_printf(&expected,
		    "AWS4-HMAC-SHA256 Credential=%s/%s/us-east-1/%s/"
		    "aws4_request, SignedHeaders=%s, Signature=%s",
		    with.id,
		    cases[i].now == S3_EXAMPLE ? "20130524" : "20150830",
		    cases[i].service, cases[i].names, cases[i].signature);
		assert_string_equal(
		    signed_line(&with, &request, "authorization"),
		    crb_buf_text(&expected));
	}
}

/* The canonical request's line `index`, from 0. */
static char *
canonical_line(const struct crb_sign_request *request, unsigned index)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(CRB_SIGV4_CANONICAL_MAX);
	CRB_AUTO_BUF struct crb_buf names = CRB_BUF_INIT(65536);
	struct crb_slice rest, line = { "", 0 };
	struct crb_err err;

	assert_ok(crb_sigv4_canonical(request, "", &out, &names, &err));
	rest = (struct crb_slice){ out.data, out.len };
	for (unsigned i = 0; i <= index; i++)
		assert_true(crb_slice_cut(&rest, '\n', &line));
	return crb_slice_dup(line);
}

static void
line_is(const struct crb_sign_request *request, unsigned index,
    const char *expected)
{
	char *line = canonical_line(request, index);

	assert_string_equal(line, expected);
	free(line);
}

static void
a_path_of_s3_is_signed_in_one_spelling(void **state)
{
	static const struct {
		const char *target, *path;
	} cases[] = {
		{ "/", "/" },
		{ "/alpha/a%20b", "/alpha/a%20b" },
		{ "/alpha/a+b", "/alpha/a%2Bb" },
		{ "/alpha/a%2bb", "/alpha/a%2Bb" },
		{ "/alpha/(1)!*'", "/alpha/%281%29%21%2A%27" },
		{ "/alpha/%41%7E%7e~", "/alpha/A~~~" },
		{ "/alpha/%C3%A9%e2%82%ac", "/alpha/%C3%A9%E2%82%AC" },
		{ "/alpha/a%2Fb", "/alpha/a/b" },
		{ "/alpha/100%25", "/alpha/100%25" },
		{ "/alpha//a///b/", "/alpha//a///b/" },
		{ "/alpha/./a/../b", "/alpha/./a/../b" },
		{ "/alpha/a=b&c:d@e,f;g$h",
		    "/alpha/a%3Db%26c%3Ad%40e%2Cf%3Bg%24h" },
		{ "/alpha/%00%0a", "/alpha/%00%0A" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct crb_sign_request request = request_of(
		    "s3", cases[i].target);

		line_is(&request, 1, cases[i].path);
	}
}

static void
a_path_of_another_service_is_encoded_once_more(void **state)
{
	static const struct {
		const char *target, *path;
	} cases[] = {
		{ "/", "/" },
		{ "/a%20b", "/a%2520b" },
		{ "/a%2fb/", "/a%252fb/" },
		{ "/a+b/c~d", "/a%2Bb/c~d" },
		{ "/tags/arn%3Aaws%3Alambda", "/tags/arn%253Aaws%253Alambda" },
		{ "/a:b", "/a%3Ab" },
		{ "/.../..a/.b", "/.../..a/.b" },
	};
	static const char *const refused[] = { "//", "/a//b", "//a", "/.",
		"/..", "/a/./b", "/a/../b", "/a/..", "/%2e", "/a/%2E./b",
		"/a//" };
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(4096);
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct crb_sign_request request = request_of(
		    "lambda", cases[i].target);

		line_is(&request, 1, cases[i].path);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct crb_sign_request request = request_of(
		    "lambda", refused[i]);

		assert_fails(crb_sigv4_sign(&keys, &request, &out, &err),
		    CRB_ERR_INVALID);
		assert_says("segment");
		assert_int_equal(out.len, 0);
	}
}

static void
a_query_is_sorted_as_it_is_encoded(void **state)
{
	static const struct {
		const char *target, *query;
	} cases[] = {
		{ "/", "" },
		{ "/?", "" },
		{ "/?uploads", "uploads=" },
		{ "/?uploads=", "uploads=" },
		{ "/?b=2&a=1", "a=1&b=2" },
		{ "/?a=2&a=1&a", "a=&a=1&a=2" },
		/* Names before values, so not as the texts would be. */
		{ "/?a-b=1&a=2", "a=2&a-b=1" },
		{ "/?a%21=1&a=2&A=3", "A=3&a=2&a%21=1" },
		{ "/?a=b&a=a%20&a=a!", "a=a%20&a=a%21&a=b" },
		{ "/?prefix=a/b+c%2Bd", "prefix=a%2Fb%20c%2Bd" },
		{ "/?prefix=%c3%a9%7E", "prefix=%C3%A9~" },
		{ "/?a=b=c&d=?", "a=b%3Dc&d=%3F" },
		{ "/?=v", "=v" },
		{ "/?a&&b&", "a=&b=" },
		{ "/?a+b=c", "a%20b=c" },
		{ "/?%26=%3D", "%26=%3D" },
		{ "/?list-type=2&prefix=x&X-Amz-A=1",
		    "X-Amz-A=1&list-type=2&prefix=x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct crb_sign_request s3 = request_of("s3", cases[i].target);
		struct crb_sign_request other = request_of(
		    "lambda", cases[i].target);

		line_is(&s3, 2, cases[i].query);
		line_is(&other, 2, cases[i].query);
	}
}

static void
headers_are_trimmed_sorted_and_joined(void **state)
{
	struct crb_sign_request request = request_of("lambda", "/");

	(void)state;
	request.headers = "x-b:  one \t two  \n"
			  "x-a:3\n"
			  "x-b: \n"
			  "x-b: three:four\n"
			  "accept:\ttext/plain\t\n"
			  "x-aa: \n"
			  "x-a-b: é\n"
			  "zz: a b\n";
	line_is(&request, 3, "accept:text/plain");
	line_is(&request, 4, "host:examplebucket.s3.amazonaws.com");
	line_is(&request, 5, "x-a:3");
	line_is(&request, 6, "x-a-b:é");
	line_is(&request, 7, "x-aa:");
	line_is(&request, 8, "x-b:one two,,three:four");
	line_is(&request, 9, "zz:a b");
	line_is(&request, 10, "");
	line_is(&request, 11, "accept;host;x-a;x-a-b;x-aa;x-b;zz");
	line_is(&request, 12, EMPTY);
}

static void
the_headers_to_add_depend_on_service_and_token(void **state)
{
	struct crb_sign_request request = request_of("s3", "/");
	struct crb_sigv4_keys with = keys;

	(void)state;
	request.headers = NULL;
	request.payload = UNSIGNED;
	assert_string_equal(
	    signed_line(&with, &request, "x-amz-date"), "20130524T000000Z");
	assert_string_equal(
	    signed_line(&with, &request, "x-amz-content-sha256"), UNSIGNED);
	assert_string_equal(
	    signed_line(&with, &request, "x-amz-security-token"), "");
	with.token = "to/ken==";
	assert_string_equal(
	    signed_line(&with, &request, "x-amz-security-token"), "to/ken==");
	assert_non_null(strstr(signed_line(&with, &request, "authorization"),
	    "SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
	    "x-amz-security-token, "));
	request.service = "sts";
	request.payload = EMPTY;
	assert_string_equal(
	    signed_line(&with, &request, "x-amz-content-sha256"), "");
	assert_non_null(strstr(signed_line(&with, &request, "authorization"),
	    "SignedHeaders=host;x-amz-date;x-amz-security-token, "));
	assert_true(crb_sigv4_is_s3("s3"));
	assert_false(crb_sigv4_is_s3("sts"));
	assert_false(crb_sigv4_is_s3("s3tables"));
}

static void
every_part_counts(void **state)
{
	const struct crb_sign_request base = request_of("s3", "/a?b=c");
	struct crb_sign_request other[6];
	struct crb_sigv4_keys with = keys;
	char *before;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		other[i] = base;
	other[0].method = "PUT";
	other[1].host = "examplebucket2.s3.amazonaws.com";
	other[2].region = "eu-west-1";
	other[3].payload = UNSIGNED;
	other[4].headers = "x-a: b\n";
	other[5].now++;
	before = strdup(signed_line(&keys, &base, "authorization"));
	assert_string_equal(signed_line(&keys, &base, "authorization"), before);
	for (size_t i = 0; i < 6; i++) {
		const char *after = signed_line(
		    &keys, &other[i], "authorization");

		assert_string_not_equal(
		    strstr(after, "Signature="), strstr(before, "Signature="));
	}
	with.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEz";
	assert_string_not_equal(
	    signed_line(&with, &base, "authorization"), before);
	free(before);
}

static void
what_cannot_be_signed_is_refused(void **state)
{
	const struct crb_sign_request base = request_of("s3", "/a");
	static const struct {
		const char *method, *host, *target, *service, *region, *payload,
		    *headers;
		const char *because;
	} odd[] = {
		{ .method = "", .because = "method" },
		{ .method = "get", .because = "method" },
		{ .method = "GET\n", .because = "method" },
		{ .host = "", .because = "host" },
		{ .host = "a b", .because = "host" },
		{ .host = "a\nx-b:c", .because = "host" },
		{ .service = "", .because = "service" },
		{ .service = "s3/x", .because = "service" },
		{ .region = "", .because = "region" },
		{ .region = "us,east", .because = "region" },
		{ .region = "us\neast", .because = "region" },
		{ .payload = "", .because = "payload" },
		{ .payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
		    .because = "payload" },
		{ .payload = EMPTY "0", .because = "payload" },
		{ .payload = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934C"
			     "A495991B7852B855",
		    .because = "payload" },
		{ .service = "sts", .payload = UNSIGNED, .because = "payload" },
		{ .target = "", .because = "start" },
		{ .target = "a", .because = "start" },
		{ .target = "?a", .because = "start" },
		{ .target = "/a b", .because = "byte" },
		{ .target = "/a\n", .because = "byte" },
		{ .target = "/a#b", .because = "byte" },
		{ .target = "/\xc3\xa9", .because = "byte" },
		{ .target = "/a\x7f", .because = "byte" },
		{ .target = "/%", .because = "two hexadecimal digits" },
		{ .target = "/%4", .because = "two hexadecimal digits" },
		{ .target = "/?a=%4g", .because = "two hexadecimal digits" },
		{ .headers = "x-a: b", .because = "name: value" },
		{ .headers = "x-a\n", .because = "name: value" },
		{ .headers = "\n", .because = "name: value" },
		{ .headers = ": b\n", .because = "malformed" },
		{ .headers = "X-A: b\n", .because = "malformed" },
		{ .headers = "x a: b\n", .because = "malformed" },
		{ .headers = "x-a;: b\n", .because = "malformed" },
		{ .headers = "x-a: b\rc\n", .because = "malformed" },
		{ .headers = "host: b\n", .because = "sets host" },
		{ .headers = "authorization: b\n", .because = "sets auth" },
		{ .headers = "x-amz-date: b\n", .because = "sets x-amz-date" },
		{ .headers = "x-amz-security-token: b\n",
		    .because = "sets x-amz-security-token" },
		{ .headers = "x-amz-content-sha256: " EMPTY "\n",
		    .because = "said twice" },
		{ .service = "glacier",
		    .headers = "x-amz-content-sha256: " UNSIGNED "\n",
		    .because = "said twice" },
	};
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(4096);
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct crb_sign_request request = base;

#define TAKE(member) \
	request.member = odd[i].member != NULL ? odd[i].member : base.member
		TAKE(method);
		TAKE(host);
		TAKE(target);
		TAKE(service);
		TAKE(region);
		TAKE(payload);
		TAKE(headers);
#undef TAKE
		assert_fails(crb_sigv4_sign(&keys, &request, &out, &err),
		    CRB_ERR_INVALID);
		assert_says(odd[i].because);
		assert_int_equal(out.len, 0);
	}
}

static void
malformed_keys_are_refused_and_not_repeated(void **state)
{
	static const struct {
		const char *id, *secret, *token, *because;
	} cases[] = {
		{ "", "s", NULL, "access key id" },
		{ "a/b", "s", NULL, "access key id" },
		{ "a,b", "s", NULL, "access key id" },
		{ "a\nb", "s", NULL, "access key id" },
		{ "a", "", NULL, "secret access key" },
		{ "a", "Hush Hush", NULL, "secret access key" },
		{ "a", "Hush\n", NULL, "secret access key" },
		{ "a", "s", "", "session token" },
		{ "a", "s", "Hush\nx-a: b", "session token" },
	};
	const struct crb_sign_request request = request_of("s3", "/a");
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(4096);
	char secret[258];
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct crb_sigv4_keys with = { cases[i].id,
			cases[i].secret, cases[i].token };

		assert_fails(crb_sigv4_sign(&with, &request, &out, &err),
		    CRB_ERR_INVALID);
		assert_says(cases[i].because);
		assert_null(strstr(err.msg, "Hush"));
		assert_int_equal(out.len, 0);
	}
	for (size_t len = 256; len <= 257; len++) {
		const struct crb_sigv4_keys with = { "a", secret, NULL };

		memset(secret, 's', len);
		secret[len] = '\0';
		if (len == 256)
			assert_ok(crb_sigv4_sign(&with, &request, &out, &err));
		else
			assert_fails(
			    crb_sigv4_sign(&with, &request, &out, &err),
			    CRB_ERR_INVALID);
	}
}

static void
a_payload_that_a_client_said_may_be_said_again(void **state)
{
	struct crb_sign_request request = request_of("glacier", "/");

	(void)state;
	request.headers = "x-amz-content-sha256: " EMPTY "\n";
	assert_non_null(strstr(signed_line(&keys, &request, "authorization"),
	    "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
	assert_string_equal(
	    signed_line(&keys, &request, "x-amz-content-sha256"), "");
}

static void
times_have_a_stamp_or_are_refused(void **state)
{
	static const struct {
		int64_t now;
		const char *stamp;
	} cases[] = {
		{ 0, "19700101T000000Z" },
		{ 1795280399, "20261121T165959Z" },
		{ 1709208000, "20240229T120000Z" },
		{ 253402300799, "99991231T235959Z" },
		{ 253402300800, NULL },
		{ INT64_MAX, NULL },
		{ -1, NULL },
	};
	struct crb_sign_request request = request_of("s3", "/a");
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(4096);
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		request.now = cases[i].now;
		if (cases[i].stamp != NULL) {
			assert_string_equal(
			    signed_line(&keys, &request, "x-amz-date"),
			    cases[i].stamp);
			continue;
		}
		assert_fails(crb_sigv4_sign(&keys, &request, &out, &err),
		    CRB_ERR_INVALID);
		assert_says("no such time");
	}
}

/* `count` times `text`, behind `first`. */
static char *
repeated(const char *first, const char *text, size_t count)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(1u << 20);

	crb_buf_str(&out, first);
	for (size_t i = 0; i < count; i++)
		crb_buf_str(&out, text);
	return crb_buf_steal(&out);
}

static void
everything_is_bounded(void **state)
{
	static const struct {
		const char *target, *piece;
		size_t most;
		bool header;
	} cases[] = {
		{ "/?", "a&", CRB_SIGV4_PARAMETERS_MAX, false },
		/* Host, the date and the payload's hash are signed as well. */
		{ "", "x-a: b\n", CRB_SIGV4_HEADERS_MAX - 3, true },
		{ "/", "(", CRB_SIGV4_CANONICAL_MAX / 3 - 100, false },
		{ "/?", "(", CRB_SIGV4_CANONICAL_MAX / 3 - 100, false },
	};
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t more = 0; more <= 200; more += 200) {
			CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(
			    4096);
			char *text = repeated(cases[i].target, cases[i].piece,
			    cases[i].most + more);
			struct crb_sign_request request = request_of(
			    "s3", cases[i].header ? "/" : text);

			if (cases[i].header)
				request.headers = text;
			if (more == 0)
				assert_ok(crb_sigv4_sign(
				    &keys, &request, &out, &err));
			else
				assert_fails(
				    crb_sigv4_sign(&keys, &request, &out, &err),
				    CRB_ERR_TOO_LARGE);
			assert_int_equal(out.len > 0, more == 0);
			free(text);
		}
	}
}

static void
a_buffer_that_is_too_small_is_an_error(void **state)
{
	const struct crb_sign_request request = request_of("s3", "/a");
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT_WIPED(200);
	struct crb_err err;

	(void)state;
	assert_fails(
	    crb_sigv4_sign(&keys, &request, &out, &err), CRB_ERR_TOO_LARGE);
}

static void
a_hash_is_a_sha_256(void **state)
{
	char hash[CRB_SIGV4_HASH];

	(void)state;
	crb_sigv4_hash("", 0, hash);
	assert_string_equal(hash, EMPTY);
	crb_sigv4_hash("Welcome to Amazon S3.", 21, hash);
	assert_string_equal(hash,
	    "44ce7dd67c959e0d3524ffac1771dfbb"
	    "a87d2b6b4b4e99e42034a8b803f8b072");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    amazons_examples_have_the_signatures_that_it_gives),
		cmocka_unit_test(a_path_of_s3_is_signed_in_one_spelling),
		cmocka_unit_test(
		    a_path_of_another_service_is_encoded_once_more),
		cmocka_unit_test(a_query_is_sorted_as_it_is_encoded),
		cmocka_unit_test(headers_are_trimmed_sorted_and_joined),
		cmocka_unit_test(
		    the_headers_to_add_depend_on_service_and_token),
		cmocka_unit_test(every_part_counts),
		cmocka_unit_test(what_cannot_be_signed_is_refused),
		cmocka_unit_test(malformed_keys_are_refused_and_not_repeated),
		cmocka_unit_test(
		    a_payload_that_a_client_said_may_be_said_again),
		cmocka_unit_test(times_have_a_stamp_or_are_refused),
		cmocka_unit_test(everything_is_bounded),
		cmocka_unit_test(a_buffer_that_is_too_small_is_an_error),
		cmocka_unit_test(a_hash_is_a_sha_256),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
