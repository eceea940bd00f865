#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backends/backend.h"

static const struct reading {
	const char *text;
	bool tls;
	const char *host;
	unsigned port;
	const char *authority;
} readings[] = {
	{ "github.com", true, "github.com", 443, "github.com" },
	{ "https://github.com", true, "github.com", 443, "github.com" },
	{ "GitHub.COM:443", true, "github.com", 443, "github.com" },
	{ "github.com:80", true, "github.com", 80, "github.com:80" },
	{ "localhost:8443", true, "localhost", 8443, "localhost:8443" },
	{ "http://localhost", false, "localhost", 80, "localhost" },
	{ "http://localhost:443", false, "localhost", 443, "localhost:443" },
	{ "http://127.0.0.1:8080", false, "127.0.0.1", 8080, "127.0.0.1:8080" },
	{ "xn--bcher-kva.example", true, "xn--bcher-kva.example", 443,
	    "xn--bcher-kva.example" },
	{ "a:65535", true, "a", 65535, "a:65535" },
};

static void
origins_are_read_and_written_in_one_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(readings) / sizeof(*readings); i++) {
		const struct reading *r = &readings[i];
		CRB_AUTO_BUF struct crb_buf authority = CRB_BUF_INIT(300);
		struct crb_origin origin;
		struct crb_err err = { 0 };

		if (crb_origin_parse(r->text, &origin, &err) != CRB_OK)
			fail_msg("%s: %s", r->text, err.msg);
		assert_int_equal(origin.tls, r->tls);
		assert_string_equal(origin.host, r->host);
		assert_int_equal(origin.port, r->port);
		crb_origin_authority(&origin, &authority);
		assert_string_equal(crb_buf_text(&authority), r->authority);
	}
}

static const char *const bad[] = { "", ":443", "https://", "http://", "ftp://a",
	"HTTP://a", "a/", "https://a/b", "a?b", "a#b", "a b", " a", "a.", ".a",
	"a..b", "-a", "a-", "a.-b", "a_b", "*.a", "a*", "a:", "a:0", "a:00443",
	"a:0443", "a:65536", "a:1:2", "a:+1", "a:x", "a: 1", "[::1]",
	"[::1]:443", "::1", "user@a", "https://user:secret@a", "a\n", "a%2e",
	"b\xc3\xbc.de", "1", "127.1", "0x7f.0.0.1", "0x7f000001", "2130706433",
	"010.0.0.1", "1.2.3.4.5", "256.1.1.1", "a.1", "a.0x1" };

static void
other_ways_of_writing_a_host_are_refused(void **state)
{
	char longest[300];
	struct crb_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct crb_origin origin = { .port = 7 };

		if (crb_origin_parse(bad[i], &origin, &err) != CRB_ERR_INVALID)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(origin.port, 7);
		assert_null(strstr(err.msg, "secret"));
		if (strchr(bad[i], '@') != NULL)
			assert_non_null(strstr(err.msg, "password"));
	}
	memset(longest, 'a', sizeof(longest));
	longest[254] = '\0';
	for (size_t i = 50; i < 254; i += 50)
		longest[i] = '.';
	struct crb_origin origin;
	assert_int_equal(
	    crb_origin_parse(longest, &origin, &err), CRB_ERR_TOO_LARGE);
	longest[253] = '\0';
	assert_int_equal(crb_origin_parse(longest, &origin, &err), CRB_OK);
	longest[50] = 'a';
	assert_int_equal(
	    crb_origin_parse(longest, &origin, &err), CRB_ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origins_are_read_and_written_in_one_way),
		cmocka_unit_test(other_ways_of_writing_a_host_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
