#include "broker/egress/aws_chunked.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/unit/unit.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SIGNED ";chunk-signature=" HEX64
#define CRC32 "x-amz-checksum-crc32"

/* Of "123456789", by the catalogues of CRCs and the SHA standards' programs. */
static const struct {
	const char *header, *base64;
} checksums[] = {
	{ CRC32, "y/Q5Jg==" },
	{ "x-amz-checksum-crc32c", "4waSgw==" },
	{ "x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=" },
	{ "x-amz-checksum-sha256",
	    "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=" },
};

/*
 * All of `body` in pieces of `piece` bytes, into `room` bytes at a time; what
 * comes out before a failure counts.
 */
static enum crb_status
decode(struct crb_aws_chunked *chunked, struct crb_slice body, size_t piece,
    size_t room, struct crb_buf *out, struct crb_err *err)
{
	struct crb_slice rest = body, in;
	char bytes[64];
	size_t len = 0;

	while (rest.len > 0) {
		in.p = rest.p;
		in.len = rest.len < piece ? rest.len : piece;
		rest.p += in.len;
		rest.len -= in.len;
		do {
			if (crb_aws_chunked_feed(
				chunked, &in, bytes, room, &len, err) != CRB_OK)
				return err->status;
			assert_true(len <= room);
			crb_buf_add(out, bytes, len);
		} while (in.len > 0 || len == room);
	}
	return crb_aws_chunked_finish(chunked, err);
}

static struct crb_aws_chunked *
open_it(uint64_t length, const char *trailer)
{
	struct crb_aws_chunked *chunked = NULL;
	struct crb_err err;

	assert_ok(crb_aws_chunked_new(length, trailer, &chunked, &err));
	return chunked;
}

/* However it is cut, and however little room there is. */
static void
comes_to(struct crb_slice body, const char *trailer, const char *expected)
{
	for (size_t piece = 1; piece <= body.len; piece++) {
		for (size_t room = 1; room <= 4; room++) {
			CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked =
			    open_it(strlen(expected), trailer);
			CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(4096);
			struct crb_err err;

			assert_ok(
			    decode(chunked, body, piece, room, &out, &err));
			assert_true(crb_aws_chunked_done(chunked));
			assert_string_equal(crb_buf_text(&out), expected);
		}
	}
}

/* However it is cut; and never was the whole body given out. */
static void
is_refused(struct crb_slice body, const char *trailer, size_t length,
    const char *because)
{
	for (size_t piece = 1; piece <= body.len; piece++) {
		CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked = open_it(
		    length, trailer);
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(4096);
		struct crb_slice more = CRB_SLICE("x");
		struct crb_err err;
		size_t len;
		char byte;

		assert_fails(
		    decode(chunked, body, piece, sizeof(byte), &out, &err),
		    CRB_ERR_INVALID);
		assert_says(because);
		assert_false(crb_aws_chunked_done(chunked));
		assert_true(length == 0 || out.len < length);
		assert_fails(
		    crb_aws_chunked_feed(chunked, &more, &byte, 1, &len, &err),
		    CRB_ERR_INVALID);
		assert_says("already");
	}
}

static void
bodies_are_decoded_however_they_are_cut(void **state)
{
	static const struct {
		const char *body, *trailer, *expected;
	} cases[] = {
		{ "9\r\n123456789\r\n0\r\n\r\n", "", "123456789" },
		{ "4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n", "", "123456789" },
		{ "1\r\n\r\r\n2\r\n\n\n\r\n0\r\n\r\n", "", "\r\n\n" },
		{ "a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", "",
		    "0123456789abcdefghij" },
		{ "0010\r\n0123456789abcdef\r\n0\r\n\r\n", "",
		    "0123456789abcdef" },
		{ "0\r\n\r\n", "", "" },
		{ "4" SIGNED "\r\n1234\r\n0" SIGNED "\r\n\r\n", "", "1234" },
		{ "9\r\n123456789\r\n0\r\n" CRC32 ":y/Q5Jg==\r\n\r\n", CRC32,
		    "123456789" },
		{ "9\r\n123456789\r\n0\r\nX-Amz-Checksum-CRC32: y/Q5Jg== "
		  "\r\n\r\n",
		    CRC32, "123456789" },
		{ "9" SIGNED "\r\n123456789\r\n0" SIGNED "\r\n" CRC32
		  ":y/Q5Jg==\r\nx-amz-trailer-signature:" HEX64 "\r\n\r\n",
		    CRC32, "123456789" },
		{ "0\r\n" CRC32 ":AAAAAA==\r\n\r\n", CRC32, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		comes_to(CRB_SLICE(cases[i].body), cases[i].trailer,
		    cases[i].expected);
}

static void
every_checksum_is_verified(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(checksums) / sizeof(*checksums); i++) {
		CRB_AUTO_BUF struct crb_buf good = CRB_BUF_INIT(1024);
		CRB_AUTO_BUF struct crb_buf bad = CRB_BUF_INIT(1024);

		crb_buf_printf(&good,
		    "4\r\n1234\r\n5\r\n56789\r\n0\r\n%s:%s\r\n\r\n",
		    checksums[i].header, checksums[i].base64);
		comes_to((struct crb_slice){ good.data, good.len },
		    checksums[i].header, "123456789");
		/* Another body of the same length. */
		crb_buf_printf(&bad,
		    "4\r\n1234\r\n5\r\n56780\r\n0\r\n%s:%s\r\n\r\n",
		    checksums[i].header, checksums[i].base64);
		is_refused((struct crb_slice){ bad.data, bad.len },
		    checksums[i].header, 9, "does not have the checksum");
	}
}

static void
malformed_bodies_are_refused_and_never_complete(void **state)
{
#define BODY "9\r\n123456789\r\n0\r\n"
	static const struct {
		const char *body, *trailer;
		size_t length;
		const char *because;
	} cases[] = {
		/* sizes */
		{ "\r\n123456789\r\n0\r\n\r\n", "", 9, "its size" },
		{ "-9\r\n123456789\r\n0\r\n\r\n", "", 9, "its size" },
		{ "0x9\r\n123456789\r\n0\r\n\r\n", "", 9, "its size" },
		{ " 9\r\n123456789\r\n0\r\n\r\n", "", 9, "its size" },
		{ "9 \r\n123456789\r\n0\r\n\r\n", "", 9, "its size" },
		{ "g\r\n123456789\r\n0\r\n\r\n", "", 9, "its size" },
		{ "10000000000000009\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "its size" },
		{ "00000000000000009\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "its size" },
		{ "ffffffffffffffff\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "longer than was said" },
		{ "a\r\n1234567890\r\n0\r\n\r\n", "", 9,
		    "longer than was said" },
		{ BODY "\r\n", "", 8, "longer than was said" },
		{ BODY "\r\n", "", 10, "shorter than was said" },
		{ "0\r\n\r\n", "", 1, "shorter than was said" },
		{ "1\r\nx\r\n0\r\n\r\n", "", 0, "longer than was said" },
		/* line ends */
		{ "9\n123456789\r\n0\r\n\r\n", "", 9, "a line is malformed" },
		{ "9\r123456789\r\n0\r\n\r\n", "", 9, "a line is malformed" },
		{ "9\r\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "a line is malformed" },
		{ "9\r\n123456789\n0\r\n\r\n", "", 9, "a line is malformed" },
		{ "9\r\n1234567890\r\n0\r\n\r\n", "", 9,
		    "longer than its size" },
		{ "9\r\n1234567890\r\n\r\n", "", 9, "longer than its size" },
		{ BODY "\n", "", 9, "a line is malformed" },
		{ "9\t\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "a line is malformed" },
		/* extensions */
		{ "9;\r\n123456789\r\n0\r\n\r\n", "", 9, "something else" },
		{ "9;a=b\r\n123456789\r\n0\r\n\r\n", "", 9, "something else" },
		{ "9;chunk-signature=\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "the signature of a chunk is malformed" },
		{ "9" SIGNED "0\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "the signature of a chunk is malformed" },
		{ "9" SIGNED SIGNED "\r\n123456789\r\n0\r\n\r\n", "", 9,
		    "the signature of a chunk is malformed" },
		{ "9;" HEX64 HEX64 HEX64 HEX64 "\r\n", "", 9,
		    "longer than 256 bytes" },
		/* trailers */
		{ BODY "\r\n", CRC32, 9, "is missing" },
		{ BODY CRC32 ":y/Q5Jg==\r\n\r\n", "", 9, "not announced" },
		{ BODY CRC32 ":y/Q5Jg==\r\n" CRC32 ":y/Q5Jg==\r\n\r\n", CRC32,
		    9, "not announced" },
		{ BODY "x-amz-checksum-crc32c:4waSgw==\r\n\r\n", CRC32, 9,
		    "not announced" },
		{ BODY "x-amz-meta-a:b\r\n" CRC32 ":y/Q5Jg==\r\n\r\n", CRC32, 9,
		    "not announced" },
		{ BODY CRC32 ":y/Q5Jg==\r\nx-amz-meta-a:b\r\n\r\n", CRC32, 9,
		    "not announced" },
		{ BODY "x-amz-trailer-signature:" HEX64 "\r\n\r\n", "", 9,
		    "not announced" },
		{ BODY CRC32 ":y/Q5Jg==\r\nx-amz-trailer-signature:00\r\n\r\n",
		    CRC32, 9, "not announced" },
		{ BODY CRC32 "\r\n\r\n", CRC32, 9, "name:value" },
		{ BODY CRC32 ":y/Q5Jg==\r\n", CRC32, 9, "before its end" },
		{ BODY CRC32 ":y/Q5Jg=\r\n\r\n", CRC32, 9, "the checksum" },
		{ BODY CRC32 ":y/Q5Jh==\r\n\r\n", CRC32, 9, "the checksum" },
		{ BODY CRC32 ":y/Q5Jw==\r\n\r\n", CRC32, 9, "the checksum" },
		{ BODY CRC32 ":z/Q5Jg==\r\n\r\n", CRC32, 9, "the checksum" },
		{ BODY CRC32 ":y/Q5Jg==,y/Q5Jg==\r\n\r\n", CRC32, 9,
		    "the checksum" },
		{ BODY CRC32 ":y/Q5JgA=\r\n\r\n", CRC32, 9, "the checksum" },
		{ BODY CRC32 ":\r\n\r\n", CRC32, 9, "the checksum" },
		/* ends */
		{ "9", "", 9, "before its end" },
		{ "9\r\n12345678", "", 9, "before its end" },
		{ "9\r\n123456789", "", 9, "before its end" },
		{ BODY, "", 9, "before its end" },
		{ BODY "\r", "", 9, "before its end" },
	};
#undef BODY

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_refused(CRB_SLICE(cases[i].body), cases[i].trailer,
		    cases[i].length, cases[i].because);
	/* A NUL in a line. */
	is_refused((struct crb_slice){ "9\0\r\n123456789\r\n0\r\n\r\n", 19 },
	    "", 9, "a line is malformed");
}

static void
the_last_byte_waits_for_the_end(void **state)
{
	static const char data[] = "9\r\n123456789\r\n0\r\n" CRC32
				   ":y/Q5Jg==\r\n\r";
	CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked = open_it(
	    9, CRC32);
	struct crb_slice in = CRB_SLICE(data);
	struct crb_err err;
	char out[64];
	size_t len;

	(void)state;
	assert_ok(
	    crb_aws_chunked_feed(chunked, &in, out, sizeof(out), &len, &err));
	assert_int_equal(in.len, 0);
	assert_int_equal(len, 8);
	assert_false(crb_aws_chunked_done(chunked));
	/* The end, without room for the byte, and then with it. */
	in = CRB_SLICE("\n");
	assert_ok(crb_aws_chunked_feed(chunked, &in, out, 0, &len, &err));
	assert_int_equal(in.len, 0);
	assert_int_equal(len, 0);
	assert_false(crb_aws_chunked_done(chunked));
	assert_ok(
	    crb_aws_chunked_feed(chunked, &in, out, sizeof(out), &len, &err));
	assert_int_equal(len, 1);
	assert_int_equal(out[0], '9');
	assert_true(crb_aws_chunked_done(chunked));
	assert_ok(crb_aws_chunked_finish(chunked, &err));
	in = CRB_SLICE("x");
	assert_fails(
	    crb_aws_chunked_feed(chunked, &in, out, sizeof(out), &len, &err),
	    CRB_ERR_INVALID);
	assert_false(crb_aws_chunked_done(chunked));
}

static void
nothing_may_stand_behind_the_end(void **state)
{
	static const char *const behind[] = { "x", "\r\n", "0\r\n\r\n" };
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++) {
		CRB_AUTO_BUF struct crb_buf body = CRB_BUF_INIT(64);

		crb_buf_printf(&body, "1\r\nx\r\n0\r\n\r\n%s", behind[i]);
		for (size_t piece = 1; piece <= body.len; piece++) {
			CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked =
			    open_it(1, "");
			CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(64);

			assert_fails(
			    decode(chunked,
				(struct crb_slice){ body.data, body.len },
				piece, 1, &out, &err),
			    CRB_ERR_INVALID);
			assert_says("behind the body");
			assert_false(crb_aws_chunked_done(chunked));
		}
	}
}

static void
trailers_that_cannot_be_verified_are_refused_up_front(void **state)
{
	static const struct {
		const char *trailer, *because;
	} cases[] = {
		{ "x-amz-checksum-crc64nvme", "crc64nvme cannot be checked" },
		{ "x-amz-checksum-md5", "md5 cannot be checked" },
		{ "x-amz-checksum-sha512", "sha512 cannot be checked" },
		{ "x-amz-checksum-crc32,x-amz-checksum-sha1", "no checksum" },
		{ "x-amz-checksum-", "no checksum" },
		{ "x-amz-meta-a", "no checksum" },
		{ "X-Amz-Checksum-Crc32", "no checksum" },
		{ " ", "no checksum" },
	};
	struct crb_aws_chunked *chunked = NULL;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_fails(
		    crb_aws_chunked_new(9, cases[i].trailer, &chunked, &err),
		    CRB_ERR_INVALID);
		assert_says(cases[i].because);
		assert_null(chunked);
	}
}

/* More than any one call takes, over chunks of many sizes. */
static void
large_bodies_are_decoded(void **state)
{
	CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked = NULL;
	CRB_AUTO_BUF struct crb_buf body = CRB_BUF_INIT(1u << 21);
	CRB_AUTO_BUF struct crb_buf plain = CRB_BUF_INIT(1u << 20);
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(1u << 20);
	struct crb_err err;
	uint32_t random = 1;

	(void)state;
	for (size_t size = 1; size < 600; size++) {
		crb_buf_printf(&body, "%zx\r\n", size);
		for (size_t i = 0; i < size; i++) {
			random = random * 1103515245 + 12345;
			crb_buf_char(&body, (char)(random >> 16));
			crb_buf_char(&plain, (char)(random >> 16));
		}
		crb_buf_str(&body, "\r\n");
	}
	crb_buf_str(&body, "0\r\n\r\n");
	assert_false(body.failed || plain.failed);
	chunked = open_it(plain.len, "");
	assert_ok(decode(chunked, (struct crb_slice){ body.data, body.len },
	    1000, 64, &out, &err));
	assert_int_equal(out.len, plain.len);
	assert_memory_equal(out.data, plain.data, plain.len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_decoded_however_they_are_cut),
		cmocka_unit_test(every_checksum_is_verified),
		cmocka_unit_test(
		    malformed_bodies_are_refused_and_never_complete),
		cmocka_unit_test(the_last_byte_waits_for_the_end),
		cmocka_unit_test(nothing_may_stand_behind_the_end),
		cmocka_unit_test(
		    trailers_that_cannot_be_verified_are_refused_up_front),
		cmocka_unit_test(large_bodies_are_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
