#include "policy/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const git_choices[] = { "fetch", "push", NULL };

static const struct crb_attribute table[] = {
	{ .name = "repository",
	    .type = CRB_ATTRIBUTE_PATTERN,
	    .separator = '/',
	    .required = true,
	    .strip = ".git",
	    .help = "repositories by path" },
	{ .name = "git",
	    .type = CRB_ATTRIBUTE_CHOICE,
	    .choices = git_choices,
	    .preset = "fetch",
	    .help = "what may be done" },
	{ .name = "ref",
	    .type = CRB_ATTRIBUTE_PATTERN,
	    .separator = '/',
	    .help = "which refs" },
	CRB_ATTRIBUTE_END,
};

static const struct reading {
	const char *text;
	const char *canonical;
} readings[] = {
	{ "repository=acme/api", "repository=acme/api,git=fetch" },
	{ "repository=acme/api.git", "repository=acme/api,git=fetch" },
	{ "repository=.git", "repository=.git,git=fetch" },
	{ "git=push+fetch,repository=acme/web+acme/api",
	    "repository=acme/api+acme/web,git=fetch+push" },
	{ "repository=a%2Bb%2Cc%2525,git=push",
	    "repository=a%2Bb%2Cc%2525,git=push" },
	{ "repository=a%2bb", "repository=a%2Bb,git=fetch" },
	{ "ref=refs/heads/*,repository=x=y:z",
	    "repository=x=y:z,git=fetch,ref=refs/heads/*" },
};

static void
scopes_have_one_canonical_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(readings) / sizeof(*readings); i++) {
		CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
		CRB_AUTO_SCOPE struct crb_scope again = { 0 };
		struct crb_err err = { 0 };
		char *text, *second;

		if (crb_scope_parse(readings[i].text, table, &scope, &err) !=
		    CRB_OK)
			fail_msg("%s: %s", readings[i].text, err.msg);
		text = crb_scope_text(&scope);
		assert_string_equal(text, readings[i].canonical);
		assert_int_equal(
		    crb_scope_parse(text, table, &again, &err), CRB_OK);
		second = crb_scope_text(&again);
		assert_string_equal(second, text);
		free(text);
		free(second);
	}
}

static const struct refusal {
	const char *text;
	const char *says;
} refusals[] = {
	{ "", "repository=" },
	{ "git=fetch", "repository=" },
	{ "repository=", "repository: an empty value" },
	{ "repository=a+", "repository: an empty value" },
	{ "repository=a,", "attribute=value" },
	{ ",repository=a", "attribute=value" },
	{ "repository", "attribute=value" },
	{ "=a", "no scope \"\"" },
	{ "repo=acme/api", "no scope \"repo\"; did you mean \"repository\"?" },
	{ "branches=a", "no scope \"branches\"; known: repository, git, ref" },
	{ "repositry=a", "did you mean \"repository\"?" },
	{ "Repository=a", "did you mean \"repository\"?" },
	{ "repository=a,repository=b", "repository is there twice" },
	{ "repository=a+a", "repository: the same value twice" },
	{ "repository=a.git.git", "twice at the end" },
	{ "repository=a+a.git", "repository: the same value twice" },
	{ "repository=a,git=pull", "\"pull\" is not one of fetch, push" },
	{ "repository=a,git=fetch+fetch", "git: the same value twice" },
	{ "repository=/a", "repository: a pattern" },
	{ "repository=a//b", "repository: a pattern" },
	{ "repository=a b", "repository: a pattern" },
	{ "repository=a**", "\"**\" must be a whole segment" },
	{ "repository=%2", "%25" },
	{ "repository=%", "%25" },
	{ "repository=%2F", "%25" },
	{ "re\033[31m=a", "\\x1b" },
};

static void
what_is_wrong_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct crb_scope scope = { 0 };
		struct crb_scope zero = { 0 };
		struct crb_err err = { 0 };

		if (crb_scope_parse(refusals[i].text, table, &scope, &err) ==
		    CRB_OK)
			fail_msg("accepted: %s", refusals[i].text);
		if (strstr(err.msg, refusals[i].says) == NULL)
			fail_msg("%s: %s", refusals[i].text, err.msg);
		assert_null(strchr(err.msg, '\033'));
		assert_memory_equal(&scope, &zero, sizeof(scope));
	}
}

static void
values_and_their_length_are_bounded(void **state)
{
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	char text[4096] = "repository=r0";
	struct crb_err err = { 0 };
	size_t len;

	(void)state;
	for (int i = 1; i < CRB_SCOPE_VALUES_MAX; i++) {
		len = strlen(text);
		(void)snprintf(&text[len], sizeof(text) - len, "+r%d", i);
	}
	assert_int_equal(crb_scope_parse(text, table, &scope, &err), CRB_OK);
	crb_scope_clear(&scope);
	strcat(text, "+more");
	assert_int_equal(
	    crb_scope_parse(text, table, &scope, &err), CRB_ERR_LIMIT);

	memset(text, 'a', 1000);
	memcpy(text, "repository=", strlen("repository="));
	text[1000] = '\0';
	assert_int_equal(
	    crb_scope_parse(text, table, &scope, &err), CRB_ERR_TOO_LARGE);
}

/* A backend's own text: its check writes the one form that it has. */
static enum crb_status
lower_case(const char *text, struct crb_buf *out, struct crb_err *err)
{
	assert_true(*text != '\0');
	for (; *text != '\0'; text++) {
		if (*text == '!')
			return crb_err_set(
			    err, CRB_ERR_INVALID, "no \"!\" here");
		crb_buf_char(out,
		    *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a')
						 : *text);
	}
	return CRB_OK;
}

static const struct crb_attribute texts[] = {
	{ .name = "actions",
	    .type = CRB_ATTRIBUTE_TEXT,
	    .check = lower_case,
	    .help = "what may be done" },
	CRB_ATTRIBUTE_END,
};

static void
a_text_is_what_its_check_makes_of_it(void **state)
{
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	struct crb_err err = { 0 };
	char *text;

	(void)state;
	assert_int_equal(crb_scope_parse("actions=S3:Put Object+a%2BB%2C=:/**",
			     texts, &scope, &err),
	    CRB_OK);
	text = crb_scope_text(&scope);
	assert_string_equal(text, "actions=a%2Bb%2C=:/**+s3:put object");
	free(text);
	crb_scope_clear(&scope);
	assert_int_equal(crb_scope_parse("actions=a+A", texts, &scope, &err),
	    CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "actions: the same value twice"));
	assert_int_equal(crb_scope_parse("actions=a!", texts, &scope, &err),
	    CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "actions: no \"!\" here"));
	assert_int_equal(
	    crb_scope_parse("actions=", texts, &scope, &err), CRB_ERR_INVALID);
	assert_non_null(strstr(err.msg, "actions: an empty value"));
}

static void
a_text_is_longer_than_a_pattern_and_bounded(void **state)
{
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	static char text[8 + CRB_SCOPE_TEXT_MAX + 2] = "actions=";
	struct crb_err err = { 0 };

	(void)state;
	memset(&text[8], 'a', CRB_SCOPE_TEXT_MAX);
	assert_int_equal(crb_scope_parse(text, texts, &scope, &err), CRB_OK);
	assert_int_equal(strlen(scope.at[0].value[0]), CRB_SCOPE_TEXT_MAX);
	crb_scope_clear(&scope);
	text[8 + CRB_SCOPE_TEXT_MAX] = 'a';
	assert_int_equal(
	    crb_scope_parse(text, texts, &scope, &err), CRB_ERR_TOO_LARGE);
}

static void
a_backend_without_attributes_takes_no_scope(void **state)
{
	static const struct crb_attribute none[] = { CRB_ATTRIBUTE_END };
	CRB_AUTO_SCOPE struct crb_scope scope = { 0 };
	struct crb_err err = { 0 };
	char *text;

	(void)state;
	assert_int_equal(crb_scope_parse("", none, &scope, &err), CRB_OK);
	text = crb_scope_text(&scope);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(
	    crb_scope_parse("a=b", none, &scope, &err), CRB_ERR_INVALID);
}

static void
a_grant_is_cut_at_its_first_colon(void **state)
{
	static const char *const bad[] = { "", ":", "github:", ":a=b", "Git:a",
		"git hub:a=b", "-x:a=b", "a/b" };
	struct crb_err err = { 0 };
	char *name = NULL, *scope = NULL;

	(void)state;
	assert_int_equal(
	    crb_grant_split("github:repository=a:b", &name, &scope, &err),
	    CRB_OK);
	assert_string_equal(name, "github");
	assert_string_equal(scope, "repository=a:b");
	free(name);
	free(scope);
	assert_int_equal(
	    crb_grant_split("github", &name, &scope, &err), CRB_OK);
	assert_string_equal(name, "github");
	assert_string_equal(scope, "");
	free(name);
	free(scope);
	name = scope = NULL;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (crb_grant_split(bad[i], &name, &scope, &err) !=
		    CRB_ERR_INVALID)
			fail_msg("accepted: %s", bad[i]);
		assert_null(name);
		assert_null(scope);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scopes_have_one_canonical_text),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(values_and_their_length_are_bounded),
		cmocka_unit_test(a_text_is_what_its_check_makes_of_it),
		cmocka_unit_test(a_text_is_longer_than_a_pattern_and_bounded),
		cmocka_unit_test(a_backend_without_attributes_takes_no_scope),
		cmocka_unit_test(a_grant_is_cut_at_its_first_colon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
