#include "broker/gateway/problem.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "tests/unit/unit.h"

static const struct crb_refusal denied = {
	.status = 403,
	.code = "policy_denied",
	.title = "Denied by policy",
	.detail = "push to \"main\" is not granted\ngranted: agent/*",
	.rule = "push-agent",
	.tier = "organization",
	.next = "ask",
};

static void
problem_is_json_with_every_member(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_err err;
	int64_t status;

	(void)state;
	crb_problem_json(&denied, &out);
	assert_ok(crb_json_parse(out.data, out.len, "out", &json, &err));
	assert_int_equal(json_object_size(json), 7);
	assert_ok(crb_json_integer(json, "status", "o", 0, 999, &status, &err));
	assert_int_equal(status, 403);
	assert_string_equal(json_string_value(json_object_get(json, "type")),
	    "urn:credbroker:error:policy_denied");
	assert_string_equal(
	    json_string_value(json_object_get(json, "detail")), denied.detail);
	/* A list, as in the answers that the core writes. */
	assert_int_equal(
	    json_array_size(json_object_get(json, "next_steps")), 1);
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(json, "next_steps"), 0)),
	    "ask");
}

static void
text_that_is_not_utf_8_does_not_spoil_it(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	CRB_AUTO_JSON json_t *json = NULL;
	struct crb_refusal refusal = denied;
	struct crb_err err;

	(void)state;
	(void)snprintf(refusal.detail, sizeof(refusal.detail), "a\xff\xc3(b");
	crb_problem_json(&refusal, &out);
	assert_ok(crb_json_parse(out.data, out.len, "out", &json, &err));
	assert_string_equal(json_string_value(json_object_get(json, "detail")),
	    "a?"
	    "?(b");
}

static void
text_says_what_who_and_what_next(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	struct crb_refusal refusal = denied;

	(void)state;
	crb_problem_text(&denied, &out);
	assert_string_equal(out.data,
	    "credbroker: push to \"main\" is not granted\ngranted: agent/*\n"
	    "(rule push-agent, tier organization)\nask\n");
	crb_buf_reset(&out);
	crb_problem_line(&denied, &out);
	assert_string_equal(out.data,
	    "credbroker: push to \"main\" is not granted granted: agent/* "
	    "(rule push-agent, tier organization)");
	refusal.rule[0] = refusal.tier[0] = refusal.next[0] = '\0';
	refusal.detail[0] = '\0';
	crb_buf_reset(&out);
	crb_problem_text(&refusal, &out);
	assert_string_equal(out.data, "credbroker: Denied by policy\n");
}

static void
control_bytes_do_not_reach_a_terminal(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	struct crb_refusal refusal = { .status = 403 };

	(void)state;
	(void)snprintf(
	    refusal.detail, sizeof(refusal.detail), "a\x1b[31m\r\x7f\a");
	(void)snprintf(refusal.rule, sizeof(refusal.rule), "r\nule");
	crb_problem_text(&refusal, &out);
	assert_string_equal(out.data, "credbroker: a?[31m???\n(rule r ule)\n");
}

/* What the core says becomes a refusal, whatever the status in it. */
static void
verdict_never_becomes_success(void **state)
{
	static const struct {
		uint16_t said, is;
	} statuses[] = { { 403, 403 }, { 599, 599 }, { 200, 500 }, { 0, 500 },
		{ 302, 500 }, { 600, 500 } };
	struct crb_refusal refusal;

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct crb_msg_verdict verdict = {
			.status = statuses[i].said,
			.code = CRB_SLICE("policy_denied"),
			.title = CRB_SLICE("T"),
			.detail = CRB_SLICE("D"),
			.rule = CRB_SLICE("R"),
			.tier = CRB_SLICE("I"),
			.next = CRB_SLICE("N"),
		};

		crb_refusal_from_verdict(&refusal, &verdict);
		assert_int_equal(refusal.status, statuses[i].is);
		assert_string_equal(refusal.code, "policy_denied");
		assert_string_equal(refusal.detail, "D");
		assert_string_equal(refusal.rule, "R");
		assert_string_equal(refusal.next, "N");
	}
}

static void
code_is_one_that_may_be_a_header(void **state)
{
	static const char *const bad[] = { "", "a b", "A", "a\r\nb", "a:b",
		"\xff" };
	struct crb_refusal refusal;

	(void)state;
	crb_refusal_make(&refusal, CRB_PROBLEM_BUSY, "%s", "x");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		crb_refusal_set_code(&refusal, CRB_SLICE(bad[i]));
		assert_string_equal(refusal.code, "limit");
	}
	crb_refusal_set_code(&refusal, CRB_SLICE("session_expired2"));
	assert_string_equal(refusal.code, "session_expired2");
}

static void
every_problem_has_its_words(void **state)
{
	struct crb_refusal refusal;

	(void)state;
	for (unsigned i = 0; i < CRB_PROBLEM_COUNT; i++) {
		crb_refusal_make(&refusal, (enum crb_problem)i, "%d", (int)i);
		assert_in_range(refusal.status, 400, 599);
		assert_true(refusal.code[0] != '\0' &&
		    refusal.title[0] != '\0' && refusal.next[0] != '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problem_is_json_with_every_member),
		cmocka_unit_test(text_that_is_not_utf_8_does_not_spoil_it),
		cmocka_unit_test(text_says_what_who_and_what_next),
		cmocka_unit_test(control_bytes_do_not_reach_a_terminal),
		cmocka_unit_test(verdict_never_becomes_success),
		cmocka_unit_test(code_is_one_that_may_be_a_header),
		cmocka_unit_test(every_problem_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
