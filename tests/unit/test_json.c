#include "base/json.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/slab.h"
#include "tests/unit/unit.h"

static json_t *
parsed(const char *text)
{
	struct crb_err err;
	json_t *json = NULL;

	assert_ok(crb_json_parse(text, strlen(text), "test", &json, &err));
	return json;
}

static void
an_object_and_an_array_are_read(void **state)
{
	CRB_AUTO_JSON json_t *object = parsed("{\"a\": [1, \"x\", null]}\n");
	CRB_AUTO_JSON json_t *array = parsed(" [] ");

	(void)state;
	assert_true(json_is_object(object));
	assert_true(json_is_array(array));
}

static void
what_is_not_strict_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "c.json:1:" },
		{ "{", "ends too early" },
		{ "{} {}", "something behind" },
		{ "{}x", "something behind" },
		{ "\"text\"", "not valid" },
		{ "5", "not valid" },
		{ "{\"a\":1,\"a\":2}", "was there already" },
		{ "{\"a\":\"\\u0000\"}", "a NUL in a string" },
		{ "{\"a\\u0000\":1}", "a NUL in a key" },
		{ "{\"a\":\"\xff\"}", "not UTF-8" },
		{ "{\"a\":\"\xc0\x80\"}", "not UTF-8" },
		{ "{\"a\":9223372036854775808}", "number that is too large" },
		{ "{\"a\":1e999}", "number that is too large" },
		{ "{\"a\":NaN}", "not valid" },
		{ "{\"a\":01}", "not valid" },
		{ "{a:1}", "not valid" },
		{ "{\"a\":1,}", "not valid" },
		{ "{\n\"a\":\n  oops}", "c.json:3:" },
	};
	struct crb_err err;
	json_t *json = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_fails(crb_json_parse(cases[i].text,
				 strlen(cases[i].text), "c.json", &json, &err),
		    CRB_ERR_INVALID);
		assert_says(cases[i].says);
		assert_null(json);
	}
	assert_fails(
	    crb_json_parse("{}\0", 3, "c.json", &json, &err), CRB_ERR_INVALID);
}

static void
an_error_never_shows_the_text(void **state)
{
	const char text[] = "{\"password\": hunter2}";
	struct crb_err err;
	json_t *json = NULL;

	(void)state;
	assert_fails(crb_json_parse(text, strlen(text), "request", &json, &err),
	    CRB_ERR_INVALID);
	assert_null(strstr(err.msg, "hunter2"));
	assert_null(strstr(err.msg, "password"));
}

/* `levels` arrays in each other. */
static enum crb_status
parse_nested(unsigned levels, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1 << 20);
	CRB_AUTO_JSON json_t *json = NULL;

	for (unsigned i = 0; i < levels; i++)
		crb_buf_char(&text, '[');
	crb_buf_str(&text, "\"[[{{\\\"[\"");
	for (unsigned i = 0; i < levels; i++)
		crb_buf_char(&text, ']');
	return crb_json_parse(text.data, text.len, "deep", &json, err);
}

static void
thirty_two_levels_are_deep_enough(void **state)
{
	struct crb_err err;

	(void)state;
	assert_ok(parse_nested(32, &err));
	assert_fails(parse_nested(33, &err), CRB_ERR_INVALID);
	assert_says("deep:1:33: over 32 levels");
	assert_fails(parse_nested(100000, &err), CRB_ERR_INVALID);
}

static const char document[] = "{\n"
			       "  \"egress\": {\n"
			       "    \"proxy\":\n"
			       "      \"http://x\", \"a,]}\\\"\": 1\n"
			       "  },\n"
			       "  \"rules\": [\n"
			       "    { \"scope\": [1, 2] },\n"
			       "    [ [], {} ],\n"
			       "    {\n"
			       "      \"scope\": true,\n"
			       "      \"a.b\": {\n"
			       "        \"c\": null } }\n"
			       "  ],\n"
			       "  \"rule\": -1.5e3\n"
			       "}\n";

static void
the_line_of_a_value_is_found(void **state)
{
	static const struct {
		const char *path;
		unsigned line;
	} cases[] = { { "", 1 }, { "egress", 2 }, { "egress.proxy", 4 },
		{ "rules", 6 }, { "rules[0]", 7 }, { "rules[0].scope[1]", 7 },
		{ "rules[1]", 8 }, { "rules[1][1]", 8 }, { "rules[2]", 9 },
		{ "rules[2].scope", 10 }, { "rules[2].a.b", 11 },
		{ "rules[2].a.b.c", 12 }, { "rule", 14 },
		/* Not there. */
		{ "nothing", 0 }, { "egress.nothing", 0 }, { "rules[3]", 0 },
		{ "rules[1][0][0]", 0 }, { "rules.scope", 0 },
		{ "egress[0]", 0 }, { "egress.proxy.x", 0 }, { "[0]", 0 },
		{ "rules[", 0 }, { "rules[]", 0 }, { "rules[0", 0 },
		{ "rules[99999999999999999999]", 0 }, { ".", 0 },
		{ "egressx", 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    crb_json_line(document, strlen(document), cases[i].path),
		    cases[i].line);
}

static void
a_line_is_not_looked_for_behind_the_end(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(document); len++) {
		char *exact = malloc(len + 1);

		memcpy(exact, document, len);
		(void)crb_json_line(exact, len, "rules[2].a.b.c");
		(void)crb_json_line(exact, len, "rule");
		free(exact);
	}
}

static void
text_is_one_line(void **state)
{
	CRB_AUTO_JSON json_t *json = parsed("{\"a\": [1,\n\"x\\ny\"]}");
	char *text = crb_json_text(json);

	(void)state;
	assert_string_equal(text, "{\"a\":[1,\"x\\ny\"]}");
	crb_json_text_free(text);
	crb_json_text_free(NULL);
}

static void
text_goes_back_to_where_it_came_from(void **state)
{
	size_t before = crb_slab_stats().spilled;
	json_t *json;
	char *text;

	(void)state;
	crb_json_use_slab();
	json = json_object();
	assert_non_null(text = crb_json_text(json));
	crb_json_text_free(text);
	json_decref(json);
	assert_int_equal(crb_slab_stats().spilled, before);
	json_set_alloc_funcs(malloc, free);
}

static void
members_have_the_type_that_is_asked_for(void **state)
{
	CRB_AUTO_JSON json_t *json = parsed(
	    "{\"s\": \"x\", \"n\": 5, \"o\": {}, \"a\": [], \"r\": 5.0}");
	const char *string = NULL;
	int64_t number = 0;
	json_t *value = NULL;
	struct crb_err err;

	(void)state;
	assert_ok(crb_json_string(json, "s", "w", &string, &err));
	assert_string_equal(string, "x");
	assert_ok(crb_json_integer(json, "n", "w", 5, 5, &number, &err));
	assert_int_equal(number, 5);
	assert_ok(crb_json_object(json, "o", "w", &value, &err));
	assert_true(json_is_object(value));
	assert_ok(crb_json_array(json, "a", "w", &value, &err));
	assert_true(json_is_array(value));

	assert_fails(
	    crb_json_string(json, "n", "w", &string, &err), CRB_ERR_INVALID);
	assert_string_equal(err.msg, "w: \"n\" must be text");
	assert_fails(
	    crb_json_string(json, "zz", "w", &string, &err), CRB_ERR_INVALID);
	assert_string_equal(err.msg, "w: \"zz\" is missing");
	assert_fails(crb_json_integer(json, "r", "w", 0, 9, &number, &err),
	    CRB_ERR_INVALID);
	assert_fails(crb_json_integer(json, "n", "w", 6, 9, &number, &err),
	    CRB_ERR_INVALID);
	assert_says("from 6 to 9");
	assert_fails(crb_json_integer(json, "n", "w", 0, 4, &number, &err),
	    CRB_ERR_INVALID);
	assert_fails(
	    crb_json_object(json, "a", "w", &value, &err), CRB_ERR_INVALID);
	assert_fails(
	    crb_json_array(json, "o", "w", &value, &err), CRB_ERR_INVALID);
}

static void
members_of_what_is_no_object_are_missing(void **state)
{
	CRB_AUTO_JSON json_t *json = parsed("[]");
	const char *string = NULL;
	struct crb_err err;

	(void)state;
	assert_fails(
	    crb_json_string(json, "s", "w", &string, &err), CRB_ERR_INVALID);
	assert_fails(
	    crb_json_string(NULL, "s", "w", &string, &err), CRB_ERR_INVALID);
}

static void
unknown_members_are_refused(void **state)
{
	static const char *const keys[] = { "task", "ttl", NULL };
	CRB_AUTO_JSON json_t *good = parsed("{\"ttl\": 1, \"task\": 2}");
	CRB_AUTO_JSON json_t *near = parsed("{\"taks\": 1}");
	CRB_AUTO_JSON json_t *far = parsed("{\"\\u001b[0m\": 1}");
	struct crb_err err;

	(void)state;
	assert_ok(crb_json_only(good, keys, "w", &err));
	assert_fails(crb_json_only(near, keys, "w", &err), CRB_ERR_INVALID);
	assert_string_equal(
	    err.msg, "w: unknown key \"taks\"; did you mean \"task\"?");
	assert_fails(crb_json_only(far, keys, "w", &err), CRB_ERR_INVALID);
	assert_string_equal(err.msg, "w: unknown key \"\\x1b[0m\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_and_an_array_are_read),
		cmocka_unit_test(what_is_not_strict_is_refused),
		cmocka_unit_test(an_error_never_shows_the_text),
		cmocka_unit_test(thirty_two_levels_are_deep_enough),
		cmocka_unit_test(the_line_of_a_value_is_found),
		cmocka_unit_test(a_line_is_not_looked_for_behind_the_end),
		cmocka_unit_test(text_is_one_line),
		cmocka_unit_test(text_goes_back_to_where_it_came_from),
		cmocka_unit_test(members_have_the_type_that_is_asked_for),
		cmocka_unit_test(members_of_what_is_no_object_are_missing),
		cmocka_unit_test(unknown_members_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
