#include "broker/gateway/git_reply.h"

#include "tests/unit/unit.h"

#define OID "0123456789012345678901234567890123456789"

static const struct crb_refusal denied = {
	.status = 403,
	.code = "policy_denied",
	.title = "Denied by policy",
	.detail = "not granted",
	.next = "ask",
};

static void
operations_are_told_by_method_and_suffix(void **state)
{
	static const struct {
		const char *method, *target;
		enum crb_git_operation operation;
	} cases[] = {
		{ "GET", "/git/h/r/info/refs?service=git-upload-pack",
		    CRB_GIT_DISCOVER_FETCH },
		{ "POST", "/git/h/r/git-upload-pack", CRB_GIT_FETCH },
		{ "POST", "/git/h/r/git-receive-pack", CRB_GIT_PUSH },
		{ "POST", "/git/h/r/git-receive-pack?x", CRB_GIT_PUSH },
		{ "GET", "/git/h/r/git-receive-pack", CRB_GIT_NONE },
		{ "POST", "/git/h/r/info/refs", CRB_GIT_NONE },
		{ "GET", "/git/h/r?a=/info/refs", CRB_GIT_NONE },
		{ "GET", "/git/h/r/HEAD", CRB_GIT_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    crb_git_operation_of(cases[i].method, cases[i].target),
		    cases[i].operation);
}

static void
discovery_is_refused_in_text_and_never_with_401(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	struct crb_refusal refusal = denied;
	struct crb_git_reply reply;

	(void)state;
	refusal.status = 401;
	reply = crb_git_reply(
	    &refusal, CRB_GIT_DISCOVER_PUSH, NULL, NULL, &out);
	assert_int_equal(reply.status, 403);
	assert_string_equal(reply.type, "text/plain; charset=utf-8");
	assert_string_equal(out.data, "credbroker: not granted\nask\n");
}

static void
fetch_is_refused_with_an_error_packet(void **state)
{
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	struct crb_git_reply reply;

	(void)state;
	reply = crb_git_reply(&denied, CRB_GIT_FETCH, NULL, NULL, &out);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.type, "application/x-git-upload-pack-result");
	assert_string_equal(out.data, "0020ERR credbroker: not granted\n");
}

static void
feed_push(
    struct crb_git_commands *commands, const char *capabilities, unsigned count)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(4096);
	CRB_AUTO_BUF struct crb_buf packet = CRB_BUF_INIT(4096);

	crb_git_commands_init(commands);
	for (unsigned i = 0; i < count; i++) {
		crb_buf_reset(&line);
		crb_buf_reset(&packet);
		crb_buf_printf(&line, OID " " OID " refs/heads/branch-%u", i);
		if (i == 0)
			crb_buf_add(&line, "", 1);
		if (i == 0)
			crb_buf_str(&line, capabilities);
		crb_pktline_add(&packet, CRB_BAND_NONE, line.data, line.len);
		crb_git_commands_feed(commands, packet.data, packet.len);
	}
	crb_git_commands_feed(commands, "0000", 4);
}

static void
push_is_refused_with_a_report(void **state)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);
	struct crb_git_reply reply;

	(void)state;
	feed_push(&commands, "report-status ofs-delta", 1);
	reply = crb_git_reply(&denied, CRB_GIT_PUSH, &commands, NULL, &out);
	assert_int_equal(reply.status, 200);
	assert_string_equal(
	    reply.type, "application/x-git-receive-pack-result");
	assert_string_equal(out.data,
	    "000eunpack ok\n"
	    "0033ng refs/heads/branch-0 credbroker: not granted\n"
	    "0000");
}

/* What is to be read is said once, and not again with each ref. */
static void
report_goes_into_the_side_band_that_was_asked_for(void **state)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);

	(void)state;
	feed_push(&commands, "report-status-v2 side-band-64k", 1);
	(void)crb_git_reply(&denied, CRB_GIT_PUSH, &commands, NULL, &out);
	assert_string_equal(out.data,
	    "0021\2credbroker: not granted\nask\n"
	    "005e\1"
	    "000eunpack ok\n"
	    "0047ng refs/heads/branch-0 credbroker: Denied by policy, as "
	    "said above\n"
	    "0000"
	    "0000");
}

/* However many there are, the report has a bound, and it ends. */
static void
report_of_many_is_bounded(void **state)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(256 << 10);

	(void)state;
	feed_push(&commands, "report-status side-band-64k", 5000);
	assert_int_equal(commands.state, CRB_GIT_COMMANDS_DONE);
	assert_int_equal(commands.count, 5000);
	(void)crb_git_reply(&denied, CRB_GIT_PUSH, &commands, NULL, &out);
	assert_false(out.failed);
	assert_in_range(out.len, 150000, 200 << 10);
	assert_memory_equal(out.data + 0x1d + 4, "fff0\1", 5);
	assert_memory_equal(out.data + 0x1d + 4 + 0xfff0, "fff0\1", 5);
	assert_string_equal(out.data + out.len - 8, "00000000");
}

static void
push_that_cannot_be_reported_is_refused_in_text(void **state)
{
	CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
	CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);

	(void)state;
	assert_int_equal(
	    crb_git_reply(&denied, CRB_GIT_PUSH, NULL, NULL, &out).status, 403);
	feed_push(&commands, "side-band-64k", 1);
	assert_int_equal(
	    crb_git_reply(&denied, CRB_GIT_PUSH, &commands, NULL, &out).status,
	    403);
	crb_git_commands_clear(&commands);
	crb_git_commands_init(&commands);
	assert_int_equal(
	    crb_git_reply(&denied, CRB_GIT_PUSH, &commands, NULL, &out).status,
	    403);
}

/* Ref by ref, whatever their order; a name is not the start of another. */
static void
each_ref_has_its_own_reason(void **state)
{
	static const char *const orders[] = {
		"refs/heads/branch-1 not you\n"
		"refs/heads/branch-2 bad\x1b[0m\x7f\n",
		"refs/heads/branch-2 bad\x1b[0m\x7f\n"
		"refs/heads/branch-1 not you",
		"refs/heads/branch not this\nrefs/heads/branch-10 nor this\n"
		"refs/heads/branch-1 not you\nno line\n\n"
		"refs/heads/branch-2 bad\x1b[0m\x7f\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		CRB_AUTO_GIT_COMMANDS struct crb_git_commands commands;
		CRB_AUTO_BUF struct crb_buf out = CRB_BUF_INIT(8192);

		feed_push(&commands, "report-status", 3);
		(void)crb_git_reply(
		    &denied, CRB_GIT_PUSH, &commands, orders[i], &out);
		assert_string_equal(out.data,
		    "000eunpack ok\n"
		    "003fng refs/heads/branch-0 "
		    "not pushed: another ref was refused\n"
		    "0023ng refs/heads/branch-1 not you\n"
		    "0024ng refs/heads/branch-2 bad?[0m?\n"
		    "0000");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_are_told_by_method_and_suffix),
		cmocka_unit_test(
		    discovery_is_refused_in_text_and_never_with_401),
		cmocka_unit_test(fetch_is_refused_with_an_error_packet),
		cmocka_unit_test(push_is_refused_with_a_report),
		cmocka_unit_test(
		    report_goes_into_the_side_band_that_was_asked_for),
		cmocka_unit_test(report_of_many_is_bounded),
		cmocka_unit_test(each_ref_has_its_own_reason),
		cmocka_unit_test(
		    push_that_cannot_be_reported_is_refused_in_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
