#include "broker/bus/messages.h"
#include "broker/gateway/git_commands.h"

#include "tests/unit/unit.h"

#define OID "0123456789012345678901234567890123456789"
#define ZERO "0000000000000000000000000000000000000000"

static void
add(struct crb_buf *out, const char *payload, size_t len)
{
	crb_pktline_add(out, CRB_BAND_NONE, payload, len);
}

#define ADD(out, text) add(out, text, sizeof(text) - 1)

/* A push of two branches, as git 2.39 sends it. */
static void
write_push(struct crb_buf *out)
{
	ADD(out, "shallow " OID);
	ADD(out,
	    ZERO " " OID " refs/heads/main\0 report-status-v2 "
		 "side-band-64k object-format=sha1 agent=git/2.39.5");
	ADD(out, OID " " ZERO " refs/heads/old\n");
	crb_pktline_flush(out);
	crb_buf_str(out, "PACK");
}

static void
feed(struct crb_git_commands *commands, const struct crb_buf *buf, size_t step)
{
	crb_git_commands_init(commands);
	for (size_t i = 0; i < buf->len; i += step)
		crb_git_commands_feed(commands, buf->data + i,
		    buf->len - i < step ? buf->len - i : step);
}

static void
command_list_is_read_in_pieces_of_any_size(void **state)
{
	CRB_AUTO_BUF struct crb_buf push = CRB_BUF_INIT(4096);

	(void)state;
	write_push(&push);
	for (size_t step = 1; step < 200; step++) {
		CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;

		feed(&commands, &push, step);
		assert_int_equal(commands.state, CRB_GIT_COMMANDS_DONE);
		assert_int_equal(commands.count, 2);
		assert_int_equal(commands.text.len, push.len - 4);
		assert_true(commands.report_status && commands.side_band);
		assert_int_equal(commands.refs.len, 31);
		assert_memory_equal(
		    commands.refs.data, "refs/heads/main\0refs/heads/old", 31);
	}
}

/* What is not theirs is not taken. */
static void
only_what_belongs_to_the_commands_is_taken(void **state)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
	CRB_AUTO_BUF struct crb_buf push = CRB_BUF_INIT(4096);
	size_t theirs;

	(void)state;
	write_push(&push);
	theirs = push.len - 4;
	crb_git_commands_init(&commands);
	assert_int_equal(crb_git_commands_feed(&commands, push.data, 50), 50);
	assert_int_equal(
	    crb_git_commands_feed(&commands, push.data + 50, push.len - 50),
	    theirs - 50);
	assert_true(commands.end.whole);
	assert_memory_equal(commands.text.data, push.data, theirs);
	assert_int_equal(crb_git_commands_feed(&commands, "PACK", 4), 0);
}

static void
empty_list_is_done_at_once(void **state)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;

	(void)state;
	crb_git_commands_init(&commands);
	assert_int_equal(commands.state, CRB_GIT_COMMANDS_MORE);
	crb_git_commands_feed(&commands, "0000", 4);
	assert_int_equal(commands.state, CRB_GIT_COMMANDS_DONE);
	assert_int_equal(commands.count, 0);
	assert_false(commands.report_status);
}

static const struct {
	const char *text;
	size_t len;
} unclear[] = {
#define LINE(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}
	LINE("push-cert\0"),
	LINE(""),
	LINE(OID " " OID),
	LINE(OID " " OID " "),
	LINE(OID "0 " OID " refs/heads/a"),
	LINE("g123456789012345678901234567890123456789 " OID " a"),
	LINE(OID " " OID " refs/heads/a b"),
	LINE(OID " " OID " refs/heads/a\tb"),
	LINE(OID " " OID " refs/heads/a\x1b[31m"),
	LINE(OID " " OID " \0report-status"),
	LINE(" "),
	LINE("\0"),
};

static void
what_is_no_command_stops_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unclear) / sizeof(unclear[0]); i++) {
		CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
		CRB_AUTO_BUF struct crb_buf push = CRB_BUF_INIT(4096);

		add(&push, unclear[i].text, unclear[i].len);
		crb_pktline_flush(&push);
		feed(&commands, &push, push.len);
		assert_int_equal(commands.state, CRB_GIT_COMMANDS_UNCLEAR);
		assert_int_equal(commands.count, 0);
	}
}

static void
bad_heads_stop_it(void **state)
{
	static const char *const heads[] = { "0001", "0003", "fff1", "zzzz",
		"\xff\xff\xff\xff", "PACK" };

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;

		crb_git_commands_init(&commands);
		crb_git_commands_feed(&commands, heads[i], 4);
		crb_git_commands_feed(&commands, "x", 1);
		assert_int_equal(commands.state, CRB_GIT_COMMANDS_UNCLEAR);
	}
}

/* A list of any length costs a bounded amount of memory, and of reading. */
static void
long_lists_are_bounded(void **state)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(4096);
	unsigned lines = 0;

	(void)state;
	ADD(&line, ZERO " " OID " refs/heads/a-branch-with-a-longer-name");
	crb_git_commands_init(&commands);
	for (; commands.state == CRB_GIT_COMMANDS_MORE; lines++) {
		crb_git_commands_feed(&commands, line.data, line.len);
		assert_int_equal(commands.refs.len, 0);
		assert_true(commands.text.cap <= 2 * CRB_COMMANDS_MAX);
	}
	assert_int_equal(commands.state, CRB_GIT_COMMANDS_UNCLEAR);
	assert_in_range(lines, CRB_COMMANDS_MAX / line.len,
	    CRB_COMMANDS_MAX / line.len + 2);
	assert_int_equal(commands.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_list_is_read_in_pieces_of_any_size),
		cmocka_unit_test(only_what_belongs_to_the_commands_is_taken),
		cmocka_unit_test(empty_list_is_done_at_once),
		cmocka_unit_test(what_is_no_command_stops_it),
		cmocka_unit_test(bad_heads_stop_it),
		cmocka_unit_test(long_lists_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
