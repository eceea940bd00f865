#include "tests/unit/audit.h"

struct fixture {
	char folder[UNIT_FOLDER_MAX];
	struct crb_audit *audit;
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const struct crb_audit_limits small = { .file_bytes = 3000,
		.checkpoint_lines = 7,
		.checkpoint_ms = 60000,
		.retry_ms = 1000 };
	struct crb_err err;

	unit_folder_make(fixture->folder);
	fixture->audit = unit_audit_open(fixture->folder, NULL);
	crb_audit_set_limits(fixture->audit, &small);
	/* Forty lines of ours, in several files, among the log's own. */
	for (int64_t i = 1; i <= 40; i++) {
		const struct crb_audit_event event = { .event = "test",
			.session = i % 2 == 0 ? "even" : "odd",
			.task = i % 10 == 0 ? "a \"b\" \\ \xc3\xa9" : NULL,
			/* What a filter may be fooled by. */
			.detail = "\"session\":\"even\"",
			.decision = i > 30 ? "deny" : "allow",
			.credential = i == 7 ? "github" : NULL,
			.exchange = i };

		assert_ok(crb_audit_record(fixture->audit, &event, &err));
	}
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	crb_audit_free(fixture->audit);
	unit_folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

/* The exchanges of what is found: "2 4 6 "; -1 for the log's own lines. */
static char *
find(void **state, const struct crb_audit_filter *filter)
{
	static char out[1024];
	const struct fixture *fixture = *state;
	CRB_AUTO_JSON json_t *found = NULL;
	struct crb_err err;
	json_t *line;
	size_t i, len = 0;

	assert_ok(crb_audit_read(fixture->audit, filter, &found, &err));
	out[0] = '\0';
	json_array_foreach(found, i, line)
	{
		const json_t *exchange = json_object_get(line, "exchange");

		assert_null(json_object_get(line, "prev"));
		assert_null(json_object_get(line, "hash"));
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%d ",
		    exchange == NULL ? -1 : (int)json_integer_value(exchange));
	}
	return out;
}

static void
the_first_or_the_last_are_given(void **state)
{
	struct crb_audit_filter filter = { .event = "test", .most = 3 };

	assert_string_equal(find(state, &filter), "1 2 3 ");
	filter.newest = true;
	assert_string_equal(find(state, &filter), "38 39 40 ");
	filter.most = 12;
	assert_string_equal(
	    find(state, &filter), "29 30 31 32 33 34 35 36 37 38 39 40 ");
	filter.most = 0;
	assert_string_equal(find(state, &filter), "");
}

static void
a_filter_is_exact(void **state)
{
	const struct crb_audit_filter filters[] = {
		{ .session = "even", .decision = "deny", .most = 100 },
		{ .session = "eve", .most = 100 },
		{ .session = "even", .most = 2 },
		{ .credential = "github", .most = 9 },
		{ .task = "a \"b\" \\ \xc3\xa9", .most = 9 },
		{ .session = "odd", .newest = true, .most = 2 },
		{ .event = "log.open", .most = 9 },
	};
	static const char *const want[] = { "32 34 36 38 40 ", "", "2 4 ", "7 ",
		"10 20 30 40 ", "37 39 ", "-1 " };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_string_equal(find(state, &filters[i]), want[i]);
}

static void
checkpoints_come_only_when_asked_for(void **state)
{
	struct crb_audit_filter filter = { .most = 1000 };
	char all[1024];

	(void)snprintf(all, sizeof(all), "%s", find(state, &filter));
	filter.event = "checkpoint";
	assert_true(strlen(find(state, &filter)) >= 4 * strlen("-1 "));
	filter.event = "log.next";
	assert_true(unit_count(all, "-1 ") ==
	    unit_count(find(state, &filter), "-1 ") + 1);
}

/* Following the log: after the last number that was seen. */
static void
after_a_number_nothing_is_missed_or_seen_twice(void **state)
{
	const struct fixture *fixture = *state;
	struct crb_audit_filter filter = { .event = "test", .most = 4 };
	int64_t want = 1;

	for (;;) {
		CRB_AUTO_JSON json_t *found = NULL;
		struct crb_err err;
		json_t *line;
		size_t i;

		assert_ok(
		    crb_audit_read(fixture->audit, &filter, &found, &err));
		if (json_array_size(found) == 0)
			break;
		json_array_foreach(found, i, line)
		{
			assert_int_equal(json_integer_value(
					     json_object_get(line, "exchange")),
			    want++);
			filter.after = (uint64_t)json_integer_value(
			    json_object_get(line, "n"));
		}
	}
	assert_int_equal(want, 41);
}

static void
since_is_in_wall_seconds(void **state)
{
	struct crb_audit_filter filter = {
		.event = "test", .most = 2, .since = 1000000000
	};

	assert_string_equal(find(state, &filter), "1 2 ");
	filter.since = 4102444800;
	assert_string_equal(find(state, &filter), "");
}

/* Searched from its end in windows that begin inside a line. */
static void
the_end_of_a_large_file_is_found(void **state)
{
	const struct fixture *fixture = *state;
	const struct crb_audit_limits usual = { .file_bytes = 64 << 20,
		.checkpoint_lines = 1000,
		.checkpoint_ms = 60000,
		.retry_ms = 1000 };
	struct crb_audit_filter filter = { .event = "large", .newest = true };
	static char request[2000];
	struct crb_err err;

	crb_audit_set_limits(fixture->audit, &usual);
	memset(request, 'r', sizeof(request) - 1);
	for (int64_t i = 1; i <= 2000; i++) {
		const struct crb_audit_event event = { .event = "large",
			.credential = i == 3 ? "github" : NULL,
			.request = request,
			.exchange = i };

		assert_ok(crb_audit_record(fixture->audit, &event, &err));
	}
	filter.most = 3;
	assert_string_equal(find(state, &filter), "1998 1999 2000 ");
	filter.credential = "github";
	assert_string_equal(find(state, &filter), "3 ");
	/* Every window boundary in turn: more lines than the first holds. */
	filter.credential = filter.event = NULL;
	for (filter.most = 490; filter.most < 500; filter.most++) {
		CRB_AUTO_JSON json_t *found = NULL;

		assert_ok(
		    crb_audit_read(fixture->audit, &filter, &found, &err));
		assert_int_equal(json_array_size(found), filter.most);
		assert_int_equal(json_integer_value(json_object_get(
				     json_array_get(found, 0), "exchange")),
		    2001 - filter.most);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(the_first_or_the_last_are_given),
		TEST(a_filter_is_exact),
		TEST(checkpoints_come_only_when_asked_for),
		TEST(after_a_number_nothing_is_missed_or_seen_twice),
		TEST(since_is_in_wall_seconds),
		TEST(the_end_of_a_large_file_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
