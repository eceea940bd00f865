#include "policy/glob.h"

#include "policy/pattern.h"
#include "unit.h"

static void
compile(struct crb_glob *out, const char *text, enum crb_glob_style style,
    struct crb_arena *arena)
{
	assert_true(crb_glob_compile(
	    out, text, style, style == CRB_GLOB_TEXT ? ':' : '/', true, arena));
}

static const struct {
	enum crb_glob_style style;
	const char *outer, *inner;
	bool contains, overlaps;
} pairs[] = {
	{ CRB_GLOB_NAMES, "a", "a", true, true },
	{ CRB_GLOB_NAMES, "a", "b", false, false },
	{ CRB_GLOB_NAMES, "a", "A", false, false },
	{ CRB_GLOB_NAMES, "*", "a", true, true },
	{ CRB_GLOB_NAMES, "*", "a/b", false, false },
	{ CRB_GLOB_NAMES, "**", "a", true, true },
	{ CRB_GLOB_NAMES, "**", "a/b/c", true, true },
	{ CRB_GLOB_NAMES, "acme/**", "acme", false, false },
	{ CRB_GLOB_NAMES, "acme/**", "acme/*", true, true },
	{ CRB_GLOB_NAMES, "acme/**", "acme/*/**", true, true },
	{ CRB_GLOB_NAMES, "acme/*/**", "acme/**", false, true },
	{ CRB_GLOB_NAMES, "acme/**/*", "acme/*/**", true, true },
	{ CRB_GLOB_NAMES, "acme/*", "acme/**", false, true },
	{ CRB_GLOB_NAMES, "acme/*", "*/api", false, true },
	{ CRB_GLOB_NAMES, "*/*", "acme/*", true, true },
	{ CRB_GLOB_NAMES, "acme/a*", "acme/*b", false, true },
	{ CRB_GLOB_NAMES, "acme/a*", "acme/b*", false, false },
	{ CRB_GLOB_NAMES, "acme/a*", "acme/api-*", true, true },
	{ CRB_GLOB_NAMES, "acme/*-a*", "acme/x-api-*", true, true },
	{ CRB_GLOB_NAMES, "**/prod", "acme/**", false, true },
	{ CRB_GLOB_NAMES, "**/prod", "acme/**/prod", true, true },
	{ CRB_GLOB_NAMES, "**/prod", "acme/*", false, true },
	{ CRB_GLOB_NAMES, "a/**/b/**/c", "a/x/b/b/y/**/c", true, true },
	{ CRB_GLOB_NAMES, "a/**/b", "**/c", false, false },
	/* What is asked is a pattern even where a name is wanted. */
	{ CRB_GLOB_NAMES, "acme/api", "acme/*", false, true },
	{ CRB_GLOB_NAMES, "acme/api*", "acme/api*", true, true },
	/* Nobody can say what an empty segment is. */
	{ CRB_GLOB_NAMES, "acme/api", "acme//api", false, true },
	{ CRB_GLOB_NAMES, "**", "acme/", false, true },
	{ CRB_GLOB_NAMES, "x", "", false, true },
	{ CRB_GLOB_PATHS, "/repos/*", "/repos/a", true, true },
	{ CRB_GLOB_PATHS, "/repos/*", "/repos/", true, true },
	{ CRB_GLOB_PATHS, "/repos/*", "/repos", false, false },
	{ CRB_GLOB_PATHS, "/repos/**", "/repos/a/b/", true, true },
	{ CRB_GLOB_PATHS, "/repos", "/repos/", false, false },
	{ CRB_GLOB_PATHS, "/**", "/", true, true },
	{ CRB_GLOB_PATHS, "/x", "repos", false, true },
	{ CRB_GLOB_PATHS, "/**", "/a//b", false, true },
	{ CRB_GLOB_LABELS, "*", "", true, true },
	{ CRB_GLOB_LABELS, "a//*", "a//b", true, true },
	{ CRB_GLOB_TEXT, "s3:*", "s3:Get*", true, true },
	{ CRB_GLOB_TEXT, "s3:Get*", "s3:*", false, true },
	{ CRB_GLOB_TEXT, "s3:Get?bject", "s3:GetObject", true, true },
	{ CRB_GLOB_TEXT, "s3:GetObject", "s3:Get?bject", false, true },
	{ CRB_GLOB_TEXT, "s3:?*", "s3:*?", true, true },
	{ CRB_GLOB_TEXT, "s3:?*", "s3:*", false, true },
	{ CRB_GLOB_TEXT, "s3:?*", "s3:", false, false },
	{ CRB_GLOB_TEXT, "*", "iam:x/y", true, true },
	{ CRB_GLOB_TEXT, "a*b", "a*c", false, false },
	{ CRB_GLOB_TEXT, "a*b*c", "axxbyyc", true, true },
	{ CRB_GLOB_TEXT, "arn:a/b", "arn:a/${x}", false, true },
	{ CRB_GLOB_TEXT, "arn:a/*", "arn:a/${x", true, true },
	{ CRB_GLOB_TEXT, "arn:a/b", "arn:$a", false, false },
	{ CRB_GLOB_TEXT, "arn:${x}/b", "arn:a/b", true, true },
	{ CRB_GLOB_TEXT, "arn:${x", "arn:a/b", true, true },
	/* Beginning and end of the outer one meet, or would have to share. */
	{ CRB_GLOB_NAMES, "ab*bc", "abbc", true, true },
	{ CRB_GLOB_NAMES, "ab*bc", "abc", false, false },
	{ CRB_GLOB_NAMES, "a/**/b", "a/b", false, false },
	{ CRB_GLOB_NAMES, "a/**/b", "a/x/b", true, true },
	{ CRB_GLOB_LABELS, "a/**", "a/", true, true },
};

static void
sets_are_compared(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT(
		    1u << 20);
		struct crb_glob outer, inner;

		compile(&outer, pairs[i].outer, pairs[i].style, &arena);
		compile(&inner, pairs[i].inner, pairs[i].style, &arena);
		if (crb_glob_contains(&outer, &inner, false) !=
			pairs[i].contains ||
		    crb_glob_overlaps(&outer, &inner, false) !=
			pairs[i].overlaps ||
		    crb_glob_overlaps(&inner, &outer, false) !=
			pairs[i].overlaps)
			fail_msg("%s and %s", pairs[i].outer, pairs[i].inner);
	}
}

static void
letters_fold_when_asked(void **state)
{
	CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT(1u << 20);
	struct crb_glob outer, inner;

	(void)state;
	compile(&outer, "Acme/A*", CRB_GLOB_NAMES, &arena);
	compile(&inner, "aCME/api[", CRB_GLOB_NAMES, &arena);
	assert_false(crb_glob_contains(&outer, &inner, false));
	assert_true(crb_glob_contains(&outer, &inner, true));
	compile(&outer, "**/aPi[", CRB_GLOB_NAMES, &arena);
	assert_false(crb_glob_contains(&outer, &inner, false));
	assert_true(crb_glob_contains(&outer, &inner, true));
	compile(&outer, "acme/api{", CRB_GLOB_NAMES, &arena);
	assert_false(crb_glob_overlaps(&outer, &inner, true));
}

static void
long_patterns_are_broken_and_bounded(void **state)
{
	CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT(4u << 20);
	char text[CRB_GLOB_MAX + 1];
	struct crb_glob a, b;

	(void)state;
	memset(text, 'x', CRB_GLOB_MAX);
	text[CRB_GLOB_MAX] = '\0';
	compile(&a, text, CRB_GLOB_NAMES, &arena);
	assert_true(a.broken);
	/* As many segments, gaps and stars as can be. */
	for (size_t i = 0; i < CRB_GLOB_MAX; i++)
		text[i] = "**/a/"[i % 5];
	text[CRB_GLOB_MAX - 1] = '\0';
	compile(&a, text, CRB_GLOB_NAMES, &arena);
	compile(&b, text + 3, CRB_GLOB_NAMES, &arena);
	assert_false(a.broken);
	assert_true(crb_glob_contains(&a, &a, true));
	assert_true(crb_glob_overlaps(&a, &b, true));
	memset(text, '/', CRB_GLOB_MAX - 1);
	compile(&a, text + 1, CRB_GLOB_LABELS, &arena);
	text[0] = '*';
	compile(&b, text, CRB_GLOB_LABELS, &arena);
	assert_true(crb_glob_overlaps(&a, &b, true));
	for (size_t i = 0; i < CRB_GLOB_MAX - 1; i++)
		text[i] = "*a"[i % 2];
	compile(&a, text, CRB_GLOB_TEXT, &arena);
	text[0] = '?';
	compile(&b, text, CRB_GLOB_TEXT, &arena);
	assert_true(crb_glob_overlaps(&a, &b, true));
	assert_true(crb_glob_contains(&a, &b, true));
	assert_false(crb_glob_contains(&b, &a, true));
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
make_text(char *out, size_t most, const char *alphabet, uint64_t *seed)
{
	size_t len = 1 + next_random(seed) % most;

	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[next_random(seed) % strlen(alphabet)];
	out[len] = '\0';
}

/* All names of up to five characters. */
#define NAMES_MAX 1400
struct names {
	size_t count;
	char text[NAMES_MAX][6];
	struct crb_glob glob[NAMES_MAX];
};

static void
make_names(struct names *names, const char *alphabet, enum crb_glob_style style,
    struct crb_arena *arena)
{
	size_t letters = strlen(alphabet), total = 1;

	names->count = 0;
	for (size_t len = 1; len <= 5; len++) {
		total *= letters;
		for (size_t n = 0; n < total; n++) {
			size_t rest = n;
			char *text = names->text[names->count];

			for (size_t i = 0; i < len; i++, rest /= letters)
				text[i] = alphabet[rest % letters];
			text[len] = '\0';
			compile(&names->glob[names->count], text, style, arena);
			if (!names->glob[names->count].broken)
				names->count++;
		}
	}
}

static void
check_pair(const struct names *names, const struct crb_glob *a,
    const struct crb_glob *b)
{
	bool contains = crb_glob_contains(a, b, false);
	bool overlaps = crb_glob_overlaps(a, b, false);

	for (size_t i = 0; i < names->count; i++) {
		bool in_a = crb_glob_contains(a, &names->glob[i], false);
		bool in_b = crb_glob_contains(b, &names->glob[i], false);

		if ((contains && in_b && !in_a) || (!overlaps && in_a && in_b))
			fail_msg("%s and %s: %s", a->text, b->text,
			    names->glob[i].text);
	}
	if (contains && !overlaps)
		fail_msg("%s contains %s", a->text, b->text);
}

static struct names names;

static void
comparing_is_sound(
    enum crb_glob_style style, const char *letters, const char *alphabet)
{
	CRB_AUTO_ARENA struct crb_arena fixed = CRB_ARENA_INIT(1u << 20);
	uint64_t seed = 0x5eed5eed5eedull;
	size_t checked = 0;

	make_names(&names, letters, style, &fixed);
	while (checked < 4000) {
		CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT(
		    1u << 16);
		char a_text[8], b_text[8];
		struct crb_glob a, b;

		make_text(a_text, 7, alphabet, &seed);
		make_text(b_text, 7, alphabet, &seed);
		compile(&a, a_text, style, &arena);
		compile(&b, b_text, style, &arena);
		if (a.broken || b.broken)
			continue;
		check_pair(&names, &a, &b);
		checked++;
	}
}

static void
no_name_says_otherwise(void **state)
{
	(void)state;
	comparing_is_sound(CRB_GLOB_NAMES, "ab/x", "ab/*//**");
	comparing_is_sound(CRB_GLOB_TEXT, "abx", "ab*?");
}

/* The same patterns mean the same to a session's grants. */
static void
names_match_as_grants_do(void **state)
{
	CRB_AUTO_ARENA struct crb_arena fixed = CRB_ARENA_INIT(1u << 20);
	uint64_t seed = 0xfeedfacefeedull;
	struct crb_err err;

	(void)state;
	make_names(&names, "ab/", CRB_GLOB_NAMES, &fixed);
	for (unsigned checked = 0; checked < 2000;) {
		CRB_AUTO_ARENA struct crb_arena arena = CRB_ARENA_INIT(
		    1u << 16);
		char text[10];
		struct crb_glob glob;

		make_text(text, 9, "ab/*//**", &seed);
		if (crb_pattern_check(text, '/', &err) != CRB_OK)
			continue;
		compile(&glob, text, CRB_GLOB_NAMES, &arena);
		assert_false(glob.broken);
		for (size_t i = 0; i < names.count; i++) {
			if (crb_glob_contains(&glob, &names.glob[i], false) !=
			    crb_pattern_match(text, names.text[i], '/'))
				fail_msg("%s, %s", text, names.text[i]);
		}
		checked++;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_compared),
		cmocka_unit_test(letters_fold_when_asked),
		cmocka_unit_test(long_patterns_are_broken_and_bounded),
		cmocka_unit_test(no_name_says_otherwise),
		cmocka_unit_test(names_match_as_grants_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
