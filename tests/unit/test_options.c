#include "base/options.h"

#include "base/cleanup.h"
#include "tests/unit/unit.h"

struct values {
	bool help, json;
	const char *task, *format;
	struct crb_list grants, hosts;
	int64_t pid, ttl, size, nice;
};

static const char *const formats[] = { "shell", "json", "docker", NULL };

#define AT(member) offsetof(struct values, member)
static const struct crb_option table[] = { { .name = "help",
					       .letter = 'h',
					       .type = CRB_OPTION_FLAG,
					       .offset = AT(help),
					       .help = "show this" },
	{ .name = "json",
	    .type = CRB_OPTION_FLAG,
	    .offset = AT(json),
	    .help = "JSON output" },
	{ .name = "task",
	    .letter = 't',
	    .type = CRB_OPTION_TEXT,
	    .offset = AT(task),
	    .required = true,
	    .value = "ID",
	    .help = "what the work is called" },
	{ .name = "format",
	    .type = CRB_OPTION_CHOICE,
	    .offset = AT(format),
	    .preset = "shell",
	    .choices = formats,
	    .value = "NAME",
	    .help = "how to print it" },
	{ .name = "grant",
	    .type = CRB_OPTION_REPEAT,
	    .offset = AT(grants),
	    .value = "GRANT",
	    .help = "a grant" },
	{ .name = "hosts",
	    .type = CRB_OPTION_LIST,
	    .offset = AT(hosts),
	    .preset = "a.example,b.example",
	    .value = "HOST,...",
	    .help = "where to" },
	{ .name = "bind-pid",
	    .type = CRB_OPTION_NUMBER,
	    .offset = AT(pid),
	    .min = 1,
	    .max = 4194304,
	    .value = "PID",
	    .help = "ends with it" },
	{ .name = "ttl",
	    .type = CRB_OPTION_DURATION,
	    .offset = AT(ttl),
	    .min = 60,
	    .max = 86400,
	    .preset = "8h",
	    .value = "DURATION",
	    .help = "how long" },
	{ .name = "body-size-that-is-the-limit",
	    .type = CRB_OPTION_SIZE,
	    .offset = AT(size),
	    .min = 1024,
	    .max = 1 << 20,
	    .value = "SIZE",
	    .help = "how large" },
	{ .name = "nice", .type = CRB_OPTION_NUMBER, .offset = AT(nice) },
	CRB_OPTION_END };

/* A command line of a few words. */
struct line {
	int argc;
	char *argv[32];
	struct values values;
	struct crb_operands operands;
	struct crb_err err;
};

static void
line_clear(struct line *line)
{
	crb_options_clear(table, &line->values);
	for (int i = 0; i < line->argc; i++)
		free(line->argv[i]);
}
#define AUTO_LINE __attribute__((cleanup(line_clear)))

static void
line_split(struct line *line, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;

	while ((word = strsep(&rest, " ")) != NULL)
		line->argv[line->argc++] = strdup(word);
	free(copy);
}

static enum crb_status
parse(struct line *line, const char *text)
{
	line_split(line, text);
	/* Whatever was in it must not matter. */
	memset(&line->values, 0x55, sizeof(line->values));
	return crb_options_argv(table, line->argc, line->argv, 1, false,
	    &line->values, &line->operands, &line->err);
}

#define assert_parses(line, text)                                   \
	do {                                                        \
		if (parse(&(line), (text)) != CRB_OK)               \
			fail_msg("%s: %s", (text), (line).err.msg); \
	} while (0)

static void
every_type_lands_in_its_field(void **state)
{
	AUTO_LINE struct line line = { 0 };
	const struct values *got = &line.values;

	(void)state;
	assert_parses(line,
	    "x --json -t fix-1 --format=docker --grant a:b,c "
	    "--grant=d --hosts h1,h2 --hosts h3 "
	    "--bind-pid 42 --ttl=1h30m "
	    "--body-size-that-is-the-limit 64KiB");
	assert_true(got->json);
	assert_false(got->help);
	assert_string_equal(got->task, "fix-1");
	assert_string_equal(got->format, "docker");
	assert_int_equal(got->grants.count, 2);
	assert_string_equal(got->grants.item[0], "a:b,c");
	assert_string_equal(got->grants.item[1], "d");
	assert_int_equal(got->hosts.count, 3);
	assert_string_equal(got->hosts.item[1], "h2");
	assert_string_equal(got->hosts.item[2], "h3");
	assert_int_equal(got->pid, 42);
	assert_int_equal(got->ttl, 5400);
	assert_int_equal(got->size, 65536);
	assert_int_equal(line.operands.count, 0);
}

static void
what_is_not_given_has_its_default(void **state)
{
	AUTO_LINE struct line line = { 0 };
	struct values only;
	struct crb_err err;

	(void)state;
	assert_parses(line, "x --task=");
	assert_string_equal(line.values.task, "");
	assert_string_equal(line.values.format, "shell");
	assert_int_equal(line.values.hosts.count, 2);
	assert_string_equal(line.values.hosts.item[0], "a.example");
	assert_int_equal(line.values.ttl, 28800);
	assert_int_equal(line.values.pid, 0);

	memset(&only, 0x55, sizeof(only));
	assert_ok(crb_options_defaults(table, &only, &err));
	assert_int_equal(only.ttl, 28800);
	assert_null(only.task);
	crb_options_clear(table, &only);
	crb_options_clear(table, &only);
	assert_int_equal(only.hosts.count, 0);
}

static void
a_mistake_is_named_but_not_its_value(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "x --taks=hunter2",
		    "unknown option --taks; did you mean --task?" },
		{ "x --zzzzzz", "unknown option --zzzzzz" },
		{ "x --", "--task is required" },
		{ "x", "--task is required" },
		{ "x -z", "unknown option -z" },
		{ "x -th", "letters cannot be joined" },
		{ "x -\x1b", "unknown option -?" },
		{ "x --t\x1b[0m", "unknown option --t\\x1b[0m" },
		{ "x --task a --task hunter2", "--task is given twice" },
		{ "x --json --json", "--json is given twice" },
		{ "x --json=hunter2", "--json takes no value" },
		{ "x --task", "--task wants a value: ID" },
		{ "x --task --json", "--task wants a value: ID" },
		{ "x --nice", "--nice wants a value" },
		{ "x --format hunter2",
		    "--format must be one of: shell, json, docker" },
		{ "x --hosts a,,hunter2", "--hosts has an empty item" },
		{ "x --hosts=", "--hosts has an empty item" },
		{ "x --grant=", "--grant has an empty item" },
		{ "x --bind-pid hunter2", "--bind-pid is not a whole number" },
		{ "x --bind-pid 0", "--bind-pid must be from 1 to 4194304" },
		{ "x --bind-pid -5", "--bind-pid must be from 1 to 4194304" },
		{ "x --bind-pid 99999999999999999999",
		    "--bind-pid is not a whole number" },
		{ "x --ttl hunter2", "--ttl is not a duration such as" },
		{ "x --ttl 59s", "--ttl must be from 1m to 1d" },
		{ "x --ttl 25h", "--ttl must be from 1m to 1d" },
		{ "x --body-size-that-is-the-limit 2MiB",
		    "must be from 1.0 KiB to 1.0 MiB" },
		{ "x --body-size-that-is-the-limit 99999999999999999999",
		    "is not a size such as" },
		{ "x --body-size-that-is-the-limit 10000000000000000000",
		    "is too large" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO_LINE struct line line = { 0 };

		assert_int_equal(parse(&line, cases[i].text), CRB_ERR_USAGE);
		if (strstr(line.err.msg, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, line.err.msg);
		assert_null(strstr(line.err.msg, "hunter2"));
	}
}

static void
a_long_unknown_name_is_cut(void **state)
{
	AUTO_LINE struct line line = { 0 };
	char text[600] = "x --";

	(void)state;
	memset(text + 4, 'z', sizeof(text) - 5);
	assert_int_equal(parse(&line, text), CRB_ERR_USAGE);
	assert_in_range(strlen(line.err.msg), 40, 100);
}

static void
who_asks_for_help_need_not_give_what_is_required(void **state)
{
	AUTO_LINE struct line line = { 0 };

	(void)state;
	assert_parses(line, "x -h");
	assert_true(line.values.help);
}

static void
operands_come_out_in_order(void **state)
{
	AUTO_LINE struct line line = { 0 };

	(void)state;
	assert_parses(line, "x one -t id two --json - --ttl 2h three");
	assert_int_equal(line.operands.count, 4);
	assert_string_equal(line.operands.at[0], "one");
	assert_string_equal(line.operands.at[1], "two");
	assert_string_equal(line.operands.at[2], "-");
	assert_string_equal(line.operands.at[3], "three");
	assert_string_equal(line.values.task, "id");
	assert_int_equal(line.values.ttl, 7200);
}

static void
behind_two_dashes_all_are_operands(void **state)
{
	AUTO_LINE struct line line = { 0 };

	(void)state;
	assert_parses(line, "x one --task id -- --json -- two");
	assert_int_equal(line.operands.count, 4);
	assert_string_equal(line.operands.at[0], "one");
	assert_string_equal(line.operands.at[1], "--json");
	assert_string_equal(line.operands.at[2], "--");
	assert_string_equal(line.operands.at[3], "two");
	assert_false(line.values.json);
}

static void
options_end_at_the_first_operand_where_that_is_asked_for(void **state)
{
	AUTO_LINE struct line line = { 0 };

	(void)state;
	line_split(&line, "x --task id claude --json --task other");
	if (crb_options_argv(table, line.argc, line.argv, 1, true, &line.values,
		&line.operands, &line.err) != CRB_OK)
		fail_msg("%s", line.err.msg);
	assert_int_equal(line.operands.count, 4);
	assert_string_equal(line.operands.at[0], "claude");
	assert_string_equal(line.operands.at[3], "other");
	assert_false(line.values.json);
	assert_string_equal(line.values.task, "id");
}

static void
a_list_has_an_end(void **state)
{
	AUTO_LINE struct line fits = { 0 }, one_more = { 0 };
	char text[512] = "x -t a --hosts h";

	(void)state;
	for (int i = 1; i < CRB_LIST_MAX; i++)
		strcat(text, ",h");
	assert_parses(fits, text);
	assert_int_equal(fits.values.hosts.count, CRB_LIST_MAX);
	strcat(text, " --hosts h");
	assert_int_equal(parse(&one_more, text), CRB_ERR_USAGE);
	assert_non_null(strstr(one_more.err.msg, "more than 64 items"));
}

static void
a_number_without_bounds_has_none(void **state)
{
	AUTO_LINE struct line line = { 0 };

	(void)state;
	assert_parses(line, "x -t a --nice -9223372036854775807");
	assert_true(line.values.nice == -INT64_MAX);
}

static enum crb_status
parse_json(
    const char *text, json_t **json, struct values *out, struct crb_err *err)
{
	memset(out, 0x55, sizeof(*out));
	*json = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(*json);
	return crb_options_json(table, *json, "config.json", out, err);
}

static void
an_object_sets_the_same_fields(void **state)
{
	CRB_AUTO_JSON json_t *json = NULL;
	struct values got;
	struct crb_err err;

	(void)state;
	assert_ok(parse_json("{\"json\": true, \"task\": \"fix\","
			     "\"format\": \"json\","
			     "\"grant\": [\"a,b\", \"c\"], \"hosts\": \"h,i\","
			     "\"bind-pid\": 7, \"ttl\": \"1h\","
			     "\"body-size-that-is-the-limit\": 4096,"
			     "\"nice\": \"-3\"}",
	    &json, &got, &err));
	assert_true(got.json);
	assert_string_equal(got.task, "fix");
	assert_string_equal(got.format, "json");
	assert_int_equal(got.grants.count, 2);
	assert_string_equal(got.grants.item[0], "a,b");
	assert_int_equal(got.hosts.count, 2);
	assert_string_equal(got.hosts.item[1], "i");
	assert_int_equal(got.pid, 7);
	assert_int_equal(got.ttl, 3600);
	assert_int_equal(got.size, 4096);
	assert_int_equal(got.nice, -3);
	crb_options_clear(table, &got);
}

static void
an_array_takes_the_place_of_the_default(void **state)
{
	CRB_AUTO_JSON json_t *json = NULL;
	struct values got;
	struct crb_err err;

	(void)state;
	assert_ok(parse_json("{\"task\": \"a\", \"hosts\": [], \"ttl\": 60}",
	    &json, &got, &err));
	assert_int_equal(got.hosts.count, 0);
	assert_int_equal(got.ttl, 60);
	crb_options_clear(table, &got);
}

static void
a_mistake_in_an_object_names_file_and_key(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "{}", "config.json: \"task\" is missing" },
		{ "null", "config.json: \"task\" is missing" },
		{ "[]", "config.json: must be an object" },
		{ "{\"tll\": 1}",
		    "config.json: unknown key \"tll\"; did you "
		    "mean \"ttl\"?" },
		{ "{\"zzzzzz\": 1}", "config.json: unknown key \"zzzzzz\"" },
		{ "{\"task\": 1}", "config.json: \"task\" must be text" },
		{ "{\"task\": null}", "\"task\" must be text" },
		{ "{\"json\": \"true\"}", "\"json\" must be true or false" },
		{ "{\"json\": 1}", "\"json\" must be true or false" },
		{ "{\"format\": \"hunter2\"}", "\"format\" must be one of" },
		{ "{\"hosts\": [1]}", "\"hosts\" must be an array of text" },
		{ "{\"hosts\": 1}", "\"hosts\" must be an array of text" },
		{ "{\"hosts\": [\"\"]}", "\"hosts\" has an empty item" },
		{ "{\"bind-pid\": 0}", "\"bind-pid\" must be from 1 to" },
		{ "{\"bind-pid\": 1.5}", "\"bind-pid\" must be a whole" },
		{ "{\"ttl\": true}", "\"ttl\" must be a duration" },
		{ "{\"ttl\": \"hunter2\"}", "\"ttl\" is not a duration" },
		{ "{\"ttl\": 5}", "\"ttl\" must be from 1m to 1d" },
		{ "{\"body-size-that-is-the-limit\": []}", "must be a size" },
	};
	struct values got;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CRB_AUTO_JSON json_t *json = NULL;

		assert_fails(parse_json(cases[i].text, &json, &got, &err),
		    CRB_ERR_INVALID);
		if (strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_null(strstr(err.msg, "hunter2"));
	}
}

static void
no_object_is_an_empty_one(void **state)
{
	static const struct crb_option easy[] = {
		{ .name = "ttl",
		    .type = CRB_OPTION_DURATION,
		    .offset = AT(ttl),
		    .preset = "1m" },
		CRB_OPTION_END
	};
	struct values got;
	struct crb_err err;

	(void)state;
	assert_ok(crb_options_json(easy, NULL, "w", &got, &err));
	assert_int_equal(got.ttl, 60);
}

static void
a_table_with_a_bad_default_or_too_many_options_is_an_error(void **state)
{
	static const struct crb_option bad[] = { { .name = "hosts",
						     .type = CRB_OPTION_LIST,
						     .offset = AT(hosts),
						     .preset = "a,b" },
		{ .name = "ttl",
		    .type = CRB_OPTION_DURATION,
		    .offset = AT(ttl),
		    .preset = "soon" },
		CRB_OPTION_END };
	struct crb_option many[200] = { 0 };
	struct values got;
	struct crb_err err;

	(void)state;
	assert_fails(crb_options_defaults(bad, &got, &err), CRB_ERR_USAGE);
	assert_fails(
	    crb_options_json(bad, NULL, "w", &got, &err), CRB_ERR_INVALID);
	for (size_t i = 0; i < 199; i++)
		many[i] = (struct crb_option){ .name = "x",
			.type = CRB_OPTION_LIST,
			.offset = AT(hosts) };
	assert_fails(crb_options_defaults(many, &got, &err), CRB_ERR_SYSTEM);
}

static void
help_is_aligned_and_shows_defaults(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	crb_options_help(table, to);
	assert_int_equal(fclose(to), 0);
	assert_non_null(strstr(text, "  -h, --help        show this\n"));
	assert_non_null(strstr(text, "  --json            JSON output\n"));
	assert_non_null(
	    strstr(text, "  --ttl DURATION    how long (default 8h)\n"));
	assert_non_null(strstr(text,
	    "  --body-size-that-is-the-limit SIZE\n"
	    "                    how large\n"));
	free(text);
}

static void
an_option_is_found_by_its_whole_name(void **state)
{
	(void)state;
	assert_ptr_equal(crb_options_find(table, "json"), &table[1]);
	assert_null(crb_options_find(table, "jso"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_lands_in_its_field),
		cmocka_unit_test(what_is_not_given_has_its_default),
		cmocka_unit_test(a_mistake_is_named_but_not_its_value),
		cmocka_unit_test(a_long_unknown_name_is_cut),
		cmocka_unit_test(
		    who_asks_for_help_need_not_give_what_is_required),
		cmocka_unit_test(operands_come_out_in_order),
		cmocka_unit_test(behind_two_dashes_all_are_operands),
		cmocka_unit_test(
		    options_end_at_the_first_operand_where_that_is_asked_for),
		cmocka_unit_test(a_list_has_an_end),
		cmocka_unit_test(a_number_without_bounds_has_none),
		cmocka_unit_test(an_object_sets_the_same_fields),
		cmocka_unit_test(an_array_takes_the_place_of_the_default),
		cmocka_unit_test(a_mistake_in_an_object_names_file_and_key),
		cmocka_unit_test(no_object_is_an_empty_one),
		cmocka_unit_test(
		    a_table_with_a_bad_default_or_too_many_options_is_an_error),
		cmocka_unit_test(help_is_aligned_and_shows_defaults),
		cmocka_unit_test(an_option_is_found_by_its_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
