#include "broker/egress/scrub.h"

#include <sodium.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/unit/unit.h"

#define TEXT_MAX (1u << 20)

static struct crb_scrub *
scrub_of(const char *secret, const char *value)
{
	struct crb_scrub *scrub = NULL;
	struct crb_err err;

	assert_ok(
	    crb_scrub_new(CRB_SLICE(secret), CRB_SLICE(value), &scrub, &err));
	return scrub;
}

/* All of `text` in pieces of `piece` bytes; returns what comes out. */
static char *
run(struct crb_scrub *scrub, const char *text, size_t piece)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(TEXT_MAX);
	CRB_AUTO_BUF struct crb_buf held = CRB_BUF_INIT(TEXT_MAX);
	size_t len = strlen(text), at = 0, settled;

	do {
		size_t part = len - at < piece ? len - at : piece;

		crb_buf_add(&held, text + at, part);
		at += part;
		settled = held.len == 0
		    ? 0
		    : crb_scrub_run(scrub, held.data, held.len, at == len);
		crb_buf_add(&out, crb_buf_text(&held), settled);
		crb_buf_consume(&held, settled);
		assert_true(held.len < crb_scrub_longest(scrub));
	} while (at < len);
	assert_int_equal(held.len, 0);
	assert_int_equal(out.len, len);
	return strdup(crb_buf_text(&out));
}

/* However it is cut. */
static void
comes_to(const char *secret, const char *value, const char *text,
    const char *expected, unsigned places)
{
	for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
		CRB_AUTO_SCRUB struct crb_scrub *scrub = scrub_of(
		    secret, value);
		CRB_AUTO_FREE char *out = run(scrub, text, piece);

		assert_string_equal(out, expected);
		assert_int_equal(crb_scrub_count(scrub), places);
		assert_int_equal(
		    crb_scrub_finds(scrub, text, strlen(text)), places > 0);
	}
}

#define TOKEN "ghp_5eCr3t/+\"x&y"
#define BEARER "Bearer " TOKEN

static void
every_form_is_found_however_it_is_cut(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", "" },
		{ "nothing here", "nothing here" },
		{ TOKEN, "****************" },
		{ "<" TOKEN ">", "<****************>" },
		{ BEARER, "Bearer ****************" },
		{ "a=ghp_5eCr3t%2F%2B%22x%26y&",
		    "a=************************&" },
		{ "a=ghp_5eCr3t%2f%2b%22x%26y&",
		    "a=************************&" },
		{ "\"ghp_5eCr3t/+\\\"x&y\"", "\"*****************\"" },
		{ "\"ghp_5eCr3t\\/+\\\"x&y\"", "\"******************\"" },
		{ "\"ghp_5eCr3t/+\\\"x\\u0026y\"",
		    "\"**********************\"" },
		/* TOKEN; "u" TOKEN; "u:" TOKEN, and the url alphabet. */
		{ "Z2hwXzVlQ3IzdC8rIngmeQ==", "*********************Q==" },
		{ "dWdocF81ZUNyM3QvKyJ4Jnk=", "dW********************k=" },
		{ "dTpnaHBfNWVDcjN0LysieCZ5", "dTp*********************" },
		{ "dTpnaHBfNWVDcjN0LysieCZ5\n", "dTp*********************\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		comes_to(TOKEN, BEARER, cases[i].text, cases[i].expected,
		    strchr(cases[i].expected, '*') != NULL);
}

static void
both_base64_alphabets_are_known(void **state)
{
	(void)state;
	/* ">>>???>>>" */
	comes_to(">>>\?\?\?>>>", "Bearer >>>\?\?\?>>>", "Pj4+Pz8/Pj4+",
	    "************", 1);
	comes_to(">>>\?\?\?>>>", "Bearer >>>\?\?\?>>>", "Pj4-Pz8_Pj4-",
	    "************", 1);
}

static void
basic_credentials_are_covered_whole(void **state)
{
	(void)state;
	/* "x:hunter2" */
	comes_to("hunter2", "Basic eDpodW50ZXIy", "[eDpodW50ZXIy]",
	    "[************]", 1);
	comes_to("hunter2", "Basic eDpodW50ZXIy", "hunter2 hunter",
	    "******* hunter", 1);
}

static void
secrets_that_overlap_are_covered_to_the_end(void **state)
{
	(void)state;
	comes_to("abcabc", "abcabc", "xabcabcabcx", "x*********x", 1);
	comes_to("aaaaaa", "aaaaaa", "aaaaaaaab", "********b", 1);
}

static void
false_starts_are_passed(void **state)
{
	(void)state;
	comes_to("aaaaab", "aaaaab", "aaaaaaaaabaaaaa", "aaaa******aaaaa", 1);
	comes_to("secret1", "secret1", "secretsecret1secret",
	    "secret*******secret", 1);
	comes_to("secret1", "secret1", "secret", "secret", 0);
	comes_to("secret1", "secret1", "secret1secret1", "**************", 2);
}

static void
what_has_been_held_back_comes_at_the_end(void **state)
{
	char text[] = "it was secre";
	CRB_AUTO_SCRUB struct crb_scrub *scrub = scrub_of("secret1", "secret1");

	(void)state;
	assert_int_equal(crb_scrub_run(scrub, text, 12, false), 7);
	assert_int_equal(crb_scrub_run(scrub, text + 7, 5, true), 5);
	assert_string_equal(text, "it was secre");
}

static void
nothing_is_held_back_that_cannot_be_the_secret(void **state)
{
	char text[] = "remote: Counting objects: 100% (3/3), done.\n";
	CRB_AUTO_SCRUB struct crb_scrub *scrub = scrub_of(TOKEN, BEARER);

	(void)state;
	assert_int_equal(
	    crb_scrub_run(scrub, text, strlen(text), false), strlen(text));
}

static void
a_secret_too_short_to_look_for_is_refused(void **state)
{
	struct crb_scrub *scrub = NULL;
	struct crb_err err;

	(void)state;
	assert_fails(crb_scrub_new(CRB_SLICE("12345"),
			 CRB_SLICE("Bearer 12345"), &scrub, &err),
	    CRB_ERR_INVALID);
	assert_says("shorter than 6 bytes");
	assert_null(strstr(err.msg, "12345"));
	assert_null(scrub);
}

static void
a_large_secret_is_found(void **state)
{
	CRB_AUTO_FREE char *secret = calloc(1, 16385);
	CRB_AUTO_FREE char *text = calloc(1, 60000);
	CRB_AUTO_FREE char *out = NULL;

	(void)state;
	assert_true(secret != NULL && text != NULL);
	for (size_t i = 0; i < 16384; i++)
		secret[i] = (char)('!' + randombytes_uniform('~' - '!'));
	memset(text, '.', 59999);
	memcpy(text + 30000, secret, 16384);
	CRB_AUTO_SCRUB struct crb_scrub *scrub = scrub_of(secret, secret);
	out = run(scrub, text, 5000);
	assert_true(strspn(out, ".") == 30000);
	assert_true(strspn(out + 30000, "*") == 16384);
	assert_int_equal(crb_scrub_count(scrub), 1);
}

/* Against the simplest search there is, on texts that are full of matches. */
static void
it_finds_what_a_plain_search_finds(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		size_t secret_len = 6 + randombytes_uniform(4);
		size_t len = randombytes_uniform(120);
		char secret[16] = { 0 }, text[128] = { 0 };
		char expected[128] = { 0 };

		for (size_t i = 0; i < secret_len; i++)
			secret[i] = (char)('a' + randombytes_uniform(2));
		for (size_t i = 0; i < len; i++)
			text[i] = (char)('a' + randombytes_uniform(2));
		memcpy(expected, text, sizeof(text));
		for (size_t i = 0; i + secret_len <= len; i++) {
			if (memcmp(text + i, secret, secret_len) == 0)
				memset(expected + i, '*', secret_len);
		}
		CRB_AUTO_SCRUB struct crb_scrub *scrub = scrub_of(
		    secret, secret);
		CRB_AUTO_FREE char *out = run(
		    scrub, text, 1 + randombytes_uniform(40));
		assert_string_equal(out, expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_found_however_it_is_cut),
		cmocka_unit_test(both_base64_alphabets_are_known),
		cmocka_unit_test(basic_credentials_are_covered_whole),
		cmocka_unit_test(secrets_that_overlap_are_covered_to_the_end),
		cmocka_unit_test(false_starts_are_passed),
		cmocka_unit_test(what_has_been_held_back_comes_at_the_end),
		cmocka_unit_test(
		    nothing_is_held_back_that_cannot_be_the_secret),
		cmocka_unit_test(a_secret_too_short_to_look_for_is_refused),
		cmocka_unit_test(a_large_secret_is_found),
		cmocka_unit_test(it_finds_what_a_plain_search_finds),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
