#include "broker/gateway/location.h"

#include "tests/unit/unit.h"

static const struct {
	const char *origin, *location, *seen;
} cases[] = {
	{ "https://h", "https://h/a", "/git/h/a" },
	{ "https://h", "HTTPS://H/a", "/git/h/a" },
	{ "https://h", "https://h:443/a", "/git/h/a" },
	{ "https://h:443", "https://h/a", "/git/h:443/a" },
	{ "http://h", "http://h:80/a", "/git/h/a" },
	{ "http://h:8080", "http://h:8080/a?b#c", "/git/h:8080/a?b#c" },
	{ "https://h", "https://h", "/git/h/" },
	{ "https://h", "https://h?a", "/git/h/?a" },
	{ "https://h", "/a/b", "/git/h/a/b" },
	{ "https://[::1]:8443", "https://[::1]:8443/a", "/git/[::1]:8443/a" },
	{ "https://h", "a/b", "a/b" },
	{ "https://h", "../a", "../a" },
	{ "https://h", "//h/a", "//h/a" },
	{ "https://h", "http://h/a", "http://h/a" },
	{ "https://h", "https://h:80/a", "https://h:80/a" },
	{ "https://h", "https://h:4430/a", "https://h:4430/a" },
	{ "https://h", "https://h.evil/a", "https://h.evil/a" },
	{ "https://h", "https://h@evil/a", "https://h@evil/a" },
	{ "https://h", "https://u@h/a", "https://u@h/a" },
	{ "https://h", "https:///a", "https:///a" },
	{ "https://h", "https:/h/a", "https:/h/a" },
	{ "https://h", "", "" },
	{ "", "/a", "/a" },
	{ "h", "https://h/a", "https://h/a" },
};

static void
same_origin_comes_back_and_others_pass(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(256);

		crb_location_rewrite(&out, CRB_SLICE(cases[i].location),
		    CRB_SLICE(cases[i].origin));
		assert_string_equal(crb_buf_text(&out), cases[i].seen);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_origin_comes_back_and_others_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
