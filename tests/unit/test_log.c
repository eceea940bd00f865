#include "base/log.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "tests/unit/unit.h"

/* Standard error of the test's own, put back at the end. */
static int saved = -1, pipe_end = -1;

static void
capture(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true((saved = dup(STDERR_FILENO)) >= 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(fds[1]);
	pipe_end = fds[0];
}

static void
captured(char *out, size_t len)
{
	ssize_t n;

	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	n = read(pipe_end, out, len - 1);
	(void)close(pipe_end);
	out[n > 0 ? n : 0] = '\0';
}

static void
an_event_is_one_line_of_known_keys(void **state)
{
	char line[4200];

	(void)state;
	crb_log_open("core", CRB_LOG_INFO);
	capture();
	crb_log(CRB_LOG_WARN, "session opened", CRB_LOG_SESSION, "s1",
	    CRB_LOG_COUNT, (int64_t)-3, CRB_LOG_PATH, "/run/x", CRB_LOG_END);
	captured(line, sizeof(line));
	assert_non_null(strchr(line, ' '));
	assert_int_equal(line[10], 'T');
	assert_string_equal(line + 20,
	    " warn core session opened session=s1 count=-3 path=/run/x\n");
}

static void
what_is_less_than_asked_for_is_not_said(void **state)
{
	char line[4200];

	(void)state;
	crb_log_open("core", CRB_LOG_WARN);
	capture();
	crb_log(CRB_LOG_INFO, "quiet", CRB_LOG_END);
	crb_log(CRB_LOG_DEBUG, "quiet", CRB_LOG_END);
	captured(line, sizeof(line));
	assert_string_equal(line, "");
	crb_log_open("core", CRB_LOG_DEBUG);
	capture();
	crb_log(CRB_LOG_DEBUG, "loud", CRB_LOG_END);
	captured(line, sizeof(line));
	assert_non_null(strstr(line, " debug core loud\n"));
}

static void
a_value_can_forge_neither_a_line_nor_a_pair(void **state)
{
	char line[4200];

	(void)state;
	capture();
	crb_log(CRB_LOG_ERROR, "refused", CRB_LOG_TASK,
	    "a\n2026 \" pid=1 \x1b[0m\\", CRB_LOG_REASON, "", CRB_LOG_HOST,
	    (const char *)NULL, CRB_LOG_END);
	captured(line, sizeof(line));
	assert_non_null(strstr(line,
	    " task=\"a\\x0a2026 \\x22 pid=1 \\x1b[0m\\\\\" reason=\"\""
	    " host=\"\"\n"));
}

static void
a_long_value_is_cut(void **state)
{
	char line[4200], text[1000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture();
	crb_log(CRB_LOG_ERROR, "long", CRB_LOG_TASK, text, CRB_LOG_PID,
	    (int64_t)1, CRB_LOG_END);
	captured(line, sizeof(line));
	assert_non_null(strstr(line, "aaa...\" pid=1\n"));
	assert_in_range(strlen(line), 256, 320);
}

static void
a_line_has_an_end_whatever_is_in_it(void **state)
{
	/* Each byte comes out as four; one of these fills the line exactly. */
	static const char *const events[] = { "f", "fu", "ful", "full" };
	char line[8192], text[257];
	size_t len;

	(void)state;
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < 4; i++) {
		capture();
		crb_log(CRB_LOG_ERROR, events[i], CRB_LOG_TASK, text,
		    CRB_LOG_TASK, text, CRB_LOG_TASK, text, CRB_LOG_TASK, text,
		    CRB_LOG_TASK, text, CRB_LOG_END);
		captured(line, sizeof(line));
		len = strlen(line);
		assert_in_range(len, 3000, 4097);
		assert_int_equal(line[len - 1], '\n');
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
	}
}

static void
logging_leaves_errno_alone(void **state)
{
	char line[4200];

	(void)state;
	capture();
	(void)close(STDERR_FILENO);
	errno = ENOENT;
	crb_log(CRB_LOG_ERROR, "nowhere", CRB_LOG_END);
	assert_int_equal(errno, ENOENT);
	captured(line, sizeof(line));
	assert_string_equal(line, "");
}

static void
a_key_that_is_not_on_the_list_ends_the_line(void **state)
{
	char line[4200];

	(void)state;
	capture();
	crb_log(CRB_LOG_ERROR, "odd", 4711, "hunter2", CRB_LOG_END);
	captured(line, sizeof(line));
	assert_null(strstr(line, "hunter2"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_one_line_of_known_keys),
		cmocka_unit_test(what_is_less_than_asked_for_is_not_said),
		cmocka_unit_test(a_value_can_forge_neither_a_line_nor_a_pair),
		cmocka_unit_test(a_long_value_is_cut),
		cmocka_unit_test(a_line_has_an_end_whatever_is_in_it),
		cmocka_unit_test(logging_leaves_errno_alone),
		cmocka_unit_test(a_key_that_is_not_on_the_list_ends_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
