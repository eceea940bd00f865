#include "policy/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct matching {
	const char *pattern;
	const char *name;
	char separator;
	bool matches;
} matchings[] = {
	{ "acme/api", "acme/api", '/', true },
	{ "acme/api", "acme/apis", '/', false },
	{ "acme/api", "xacme/api", '/', false },
	{ "acme/api", "acme", '/', false },
	{ "acme/api", "acme/api/", '/', false },
	{ "acme/api", "Acme/API", '/', false },
	{ "acme/*", "acme/api", '/', true },
	{ "acme/*", "acme/a/b", '/', false },
	{ "acme/*", "acme-evil/a", '/', false },
	{ "acme/*", "acme/", '/', false },
	{ "acme/*", "acme", '/', false },
	{ "acme/*", "/acme/a", '/', false },
	{ "acme*", "acme-evil/a", '/', false },
	{ "acme*", "acme", '/', true },
	{ "*", "acme", '/', true },
	{ "*", "", '/', false },
	{ "*", "acme/api", '/', false },
	{ "*/api", "acme/api", '/', true },
	{ "*/*", "acme/api", '/', true },
	{ "acme/api-*-x", "acme/api--x", '/', true },
	{ "acme/api-*-x", "acme/api-y-x", '/', true },
	{ "acme/api-*-x", "acme/api-y-xy", '/', false },
	{ "acme/*a*b*", "acme/xxaxxbxx", '/', true },
	{ "acme/*a*b*", "acme/bbba", '/', false },
	{ "**", "acme", '/', true },
	{ "**", "acme/a/b/c", '/', true },
	{ "**", "", '/', false },
	{ "acme/**", "acme", '/', false },
	{ "acme/**", "acme/", '/', false },
	{ "acme/**", "acme/a", '/', true },
	{ "acme/**", "acme/a/b", '/', true },
	{ "acme/**", "acme//b", '/', false },
	{ "acme/**", "acme-evil/b", '/', false },
	{ "**/api", "acme/api", '/', true },
	{ "**/api", "api", '/', false },
	{ "**/a/**", "x/a/a/y", '/', true },
	{ "**/a/**", "x/y/a", '/', false },
	{ "**/**", "x", '/', false },
	{ "**/a/b", "a/b/a/b", '/', true },
	{ "acme/*", "acme/*", '/', false },
	{ "acme/**", "acme/a*", '/', false },
	{ "*.example.com", "api.example.com", '.', true },
	{ "*.example.com", "a.b.example.com", '.', false },
	{ "*.example.com", ".example.com", '.', false },
	{ "*.example.com", "example.com", '.', false },
	{ "*.example.com", "evilexample.com", '.', false },
	{ "refs/heads/agent/*", "refs/heads/agent/x", '/', true },
};

static void
patterns_match_as_their_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(matchings) / sizeof(*matchings); i++) {
		const struct matching *m = &matchings[i];
		struct crb_err err;

		assert_int_equal(
		    crb_pattern_check(m->pattern, m->separator, &err), CRB_OK);
		if (crb_pattern_match(m->pattern, m->name, m->separator) !=
		    m->matches)
			fail_msg("%s and %s", m->pattern, m->name);
	}
}

static void
check_refuses_what_could_surprise(void **state)
{
	static const char *const bad[] = { "", "/", "/acme", "acme/", "a//b",
		"a**", "**a", "a/b**", "***", "a/***/b", "acme/a b", "acme\n",
		"acm\xc3\xa9", "a\x7f" };
	char longest[CRB_PATTERN_MAX + 2];
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (crb_pattern_check(bad[i], '/', &err) != CRB_ERR_INVALID)
			fail_msg("accepted: %s", bad[i]);
	}
	memset(longest, 'a', sizeof(longest));
	longest[CRB_PATTERN_MAX + 1] = '\0';
	assert_int_equal(
	    crb_pattern_check(longest, '/', &err), CRB_ERR_TOO_LARGE);
	longest[CRB_PATTERN_MAX] = '\0';
	assert_int_equal(crb_pattern_check(longest, '/', &err), CRB_OK);
}

/* What a pattern means, said in the most direct way: by recursion. */
static bool
means_segment(const char *p, size_t p_len, const char *n, size_t n_len)
{
	if (p_len == 0)
		return n_len == 0;
	if (*p == '*')
		return means_segment(p + 1, p_len - 1, n, n_len) ||
		    (n_len > 0 && means_segment(p, p_len, n + 1, n_len - 1));
	return n_len > 0 && *p == *n &&
	    means_segment(p + 1, p_len - 1, n + 1, n_len - 1);
}

static bool
means(const char *p, const char *n)
{
	size_t p_len, n_len;

	if (p == NULL || n == NULL)
		return p == NULL && n == NULL;
	p_len = strcspn(p, "/");
	n_len = strcspn(n, "/");
	const char *p_next = p[p_len] == '/' ? p + p_len + 1 : NULL;
	const char *n_next = n[n_len] == '/' ? n + n_len + 1 : NULL;

	if (n_len == 0)
		return false;
	if (p_len == 2 && strncmp(p, "**", 2) == 0)
		return means(p_next, n_next) ||
		    (n_next != NULL && means(p, n_next));
	return means_segment(p, p_len, n, n_len) && means(p_next, n_next);
}

static void
random_text(char *out, size_t most, const char *alphabet)
{
	size_t len = 1 + (size_t)rand() % most;

	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[(size_t)rand() % strlen(alphabet)];
	out[len] = '\0';
}

static void
the_matcher_agrees_with_the_meaning(void **state)
{
	unsigned matched = 0;
	struct crb_err err;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		char pattern[16], name[16];
		bool expected;

		random_text(pattern, 9, "ab**/");
		random_text(name, 9, "aab/");
		if (crb_pattern_check(pattern, '/', &err) != CRB_OK)
			continue;
		expected = means(pattern, name);
		/* An empty segment anywhere is matched by nothing. */
		if (strstr(name, "//") != NULL || name[strlen(name) - 1] == '/')
			expected = false;
		if (crb_pattern_match(pattern, name, '/') != expected)
			fail_msg("%s and %s", pattern, name);
		matched += expected;
	}
	assert_true(matched > 1000);
}

/* Exponential matchers would not come back from this one. */
static void
stars_do_not_blow_up(void **state)
{
	char pattern[CRB_PATTERN_MAX + 1] = "";
	char *name = malloc(8193);

	(void)state;
	assert_non_null(name);
	while (strlen(pattern) + 3 < sizeof(pattern))
		strcat(pattern, "*a");
	strcat(pattern, "b");
	memset(name, 'a', 8192);
	name[8192] = '\0';
	assert_false(crb_pattern_match(pattern, name, '/'));

	pattern[0] = '\0';
	while (strlen(pattern) + 6 < sizeof(pattern))
		strcat(pattern, "**/a/");
	strcat(pattern, "b");
	for (size_t i = 1; i < 8192; i += 2)
		name[i] = '/';
	name[8191] = '\0';
	assert_false(crb_pattern_match(pattern, name, '/'));
	free(name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_their_table_says),
		cmocka_unit_test(check_refuses_what_could_surprise),
		cmocka_unit_test(the_matcher_agrees_with_the_meaning),
		cmocka_unit_test(stars_do_not_blow_up),
	};
	unsigned seed = (unsigned)time(NULL);

	printf("seed %u\n", seed);
	srand(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
