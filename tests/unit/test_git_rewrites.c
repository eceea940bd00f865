#include "broker/core/git_rewrites.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ENDPOINT "http://127.0.0.1:9169"

struct pairs {
	size_t count;
	char base[16][128];
	char prefix[16][128];
};

static enum crb_status
collect(void *ctx, const char *base, const char *prefix, struct crb_err *err)
{
	struct pairs *pairs = ctx;

	(void)err;
	assert_true(pairs->count < 16);
	(void)snprintf(pairs->base[pairs->count], 128, "%s", base);
	(void)snprintf(pairs->prefix[pairs->count++], 128, "%s", prefix);
	return CRB_OK;
}

/* As git does it: the longest prefix is replaced by its base. */
static void
rewritten(const char *origin_text, const char *url, char out[512])
{
	struct pairs pairs = { .count = 0 };
	struct crb_origin origin;
	struct crb_err err = { 0 };
	size_t longest = 0;

	assert_int_equal(crb_origin_parse(origin_text, &origin, &err), CRB_OK);
	assert_int_equal(
	    crb_git_rewrites(ENDPOINT, &origin, collect, &pairs, &err), CRB_OK);
	(void)snprintf(out, 512, "%s", url);
	for (size_t i = 0; i < pairs.count; i++) {
		size_t len = strlen(pairs.prefix[i]);

		if (len <= longest || strncmp(url, pairs.prefix[i], len) != 0)
			continue;
		longest = len;
		(void)snprintf(out, 512, "%s%s", pairs.base[i], url + len);
	}
}

static const struct rewriting {
	const char *origin;
	const char *url;
	const char *becomes; /* NULL: stays */
} rewritings[] = {
	{ "github.com", "https://github.com/acme/api",
	    ENDPOINT "/git/github.com/acme/api" },
	{ "github.com", "ssh://git@github.com/acme/api",
	    ENDPOINT "/git/github.com/acme/api" },
	{ "github.com", "ssh://github.com/acme/api",
	    ENDPOINT "/git/github.com/acme/api" },
	{ "github.com", "git+ssh://git@github.com/acme/api",
	    ENDPOINT "/git/github.com/acme/api" },
	{ "github.com", "git@github.com:acme/api.git",
	    ENDPOINT "/git/github.com/acme/api.git" },
	{ "github.com", "github.com:acme/api.git",
	    ENDPOINT "/git/github.com/acme/api.git" },
	{ "github.com", "http://github.com/acme/api", NULL },
	{ "github.com", "https://github.com.evil.example/a", NULL },
	{ "github.com", "https://github.com:8443/a", NULL },
	{ "localhost:8443", "https://localhost:8443/a",
	    ENDPOINT "/git/localhost:8443/a" },
	{ "localhost:8443", "https://localhost/a", NULL },
	{ "localhost:8443", "git@localhost:a", NULL },
	{ "localhost:8443", "ssh://git@localhost/a", NULL },
	{ "http://localhost:8080", "http://localhost:8080/a",
	    ENDPOINT "/git/localhost:8080/a" },
	{ "http://localhost:8080", "https://localhost:8080/a", NULL },
	/* Hosts that are named like a scheme or a transport. */
	{ "git", "git@git:a/b", ENDPOINT "/git/git/a/b" },
	{ "git", "git://elsewhere.example/a", NULL },
	{ "ssh", "ssh://git@elsewhere.example/a", NULL },
	{ "file", "file:///srv/a", NULL },
	{ "https", "https://elsewhere.example/a", NULL },
};

static void
urls_of_the_origin_and_no_others_go_to_the_gateway(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rewritings) / sizeof(*rewritings); i++) {
		const struct rewriting *r = &rewritings[i];
		char out[512];

		rewritten(r->origin, r->url, out);
		assert_string_equal(
		    out, r->becomes != NULL ? r->becomes : r->url);
	}
}

static enum crb_status
refuse(void *ctx, const char *base, const char *prefix, struct crb_err *err)
{
	unsigned *calls = ctx;

	(void)base;
	(void)prefix;
	(*calls)++;
	return crb_err_set(err, CRB_ERR_LIMIT, "enough");
}

static void
a_failing_receiver_ends_it(void **state)
{
	struct crb_origin origin;
	struct crb_err err = { 0 };
	unsigned calls = 0;

	(void)state;
	assert_int_equal(crb_origin_parse("github.com", &origin, &err), CRB_OK);
	assert_int_equal(
	    crb_git_rewrites(ENDPOINT, &origin, refuse, &calls, &err),
	    CRB_ERR_LIMIT);
	assert_int_equal(calls, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    urls_of_the_origin_and_no_others_go_to_the_gateway),
		cmocka_unit_test(a_failing_receiver_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
