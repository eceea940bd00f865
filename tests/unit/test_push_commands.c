#include "broker/bus/push_commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/unit/unit.h"

#define OID "0123456789012345678901234567890123456789"
#define OID2 "abcdef6789012345678901234567890123456789"
#define ZERO "0000000000000000000000000000000000000000"
#define CAPS " report-status-v2 side-band-64k object-format=sha1 agent=git/2"
#define OID256 OID "012345678901234567890123"
#define CERT_HEAD                                            \
	"certificate version 0.1\n|pusher key <a@b> 1 +0\n|" \
	"pushee http://x/r\n|nonce 1-2\n|\n|"
#define SIGNED_END                                                            \
	"-----BEGIN PGP SIGNATURE-----\n|\n|"                                 \
	"iQEzBAABCAAdFiEEiQEzBAABCAAdFiEEiQEzBAABCAAdFiEEiQEzBAABCAAdFiEE\n|" \
	"-----END PGP SIGNATURE-----\n|push-cert-end\n"

static void
line(struct crb_buf *out, const char *payload, size_t len)
{
	crb_buf_printf(out, "%04zx", len + 4);
	crb_buf_add(out, payload, len);
}

/* Lines are parted by "|", a flush is "-"; "!" stands for NUL. */
static void
write_lines(struct crb_buf *out, const char *script)
{
	struct crb_slice rest = CRB_SLICE(script), piece;

	while (crb_slice_cut(&rest, '|', &piece)) {
		size_t start = out->len + 4;

		if (crb_slice_is(piece, "-")) {
			crb_buf_str(out, "0000");
			continue;
		}
		line(out, piece.p, piece.len);
		for (size_t i = start; i < out->len; i++) {
			if (out->data[i] == '!')
				out->data[i] = '\0';
		}
	}
}

static enum crb_status
parse(const char *script, struct crb_buf *text, struct crb_push_commands *out)
{
	struct crb_err err = { .status = CRB_OK };

	crb_buf_reset(text);
	write_lines(text, script);
	return crb_push_commands_parse(
	    (struct crb_slice){ text->data, text->len }, out, &err);
}

static void
assert_refused(const char *script)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(1u << 20);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands commands = {
		.count = 0
	};

	if (parse(script, &text, &commands) == CRB_OK)
		fail_msg("accepted: %s", script);
	assert_null(commands.command);
}

static void
assert_command(const struct crb_push_commands *commands, size_t i,
    enum crb_change change, const char *old_id, const char *new_id,
    const char *ref)
{
	const struct crb_push_command *command = &commands->command[i];

	assert_true(i < commands->count);
	assert_int_equal(command->change, change);
	assert_true(crb_slice_is(command->old_id, old_id));
	assert_true(crb_slice_is(command->new_id, new_id));
	assert_true(crb_slice_is(command->ref, ref));
}

static void
every_change_is_told_apart(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = { .count = 0 };

	(void)state;
	assert_int_equal(
	    parse("shallow " OID "|" ZERO " " OID " refs/heads/new!" CAPS
		  "|" OID " " OID2 " refs/heads/main\n|" OID " " ZERO
		  " refs/tags/v1|" ZERO " " ZERO " refs/x/y|-",
		&text, &got),
	    CRB_OK);
	assert_int_equal(got.count, 4);
	assert_command(&got, 0, CRB_CHANGE_CREATE, ZERO, OID, "refs/heads/new");
	assert_command(
	    &got, 1, CRB_CHANGE_UPDATE, OID, OID2, "refs/heads/main");
	assert_command(&got, 2, CRB_CHANGE_DELETE, OID, ZERO, "refs/tags/v1");
	assert_command(&got, 3, CRB_CHANGE_DELETE, ZERO, ZERO, "refs/x/y");
	assert_true(got.report_status && got.side_band && !got.is_signed);
	assert_int_equal(got.option_count, 0);
	assert_string_equal(crb_changes[CRB_CHANGE_DELETE], "delete");
}

static void
probe_has_no_commands(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = { .count = 0 };

	(void)state;
	assert_int_equal(parse("-", &text, &got), CRB_OK);
	assert_int_equal(got.count, 0);
	assert_false(got.report_status);
	assert_int_equal(parse("shallow " OID "|-", &text, &got), CRB_OK);
	assert_int_equal(got.count, 0);
}

static void
push_options_are_counted(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = { .count = 0 };

	(void)state;
	assert_int_equal(parse(ZERO " " OID " refs/heads/a! push-options|-|"
				    "ci.skip|topic=a b|-",
			     &text, &got),
	    CRB_OK);
	assert_int_equal(got.option_count, 2);
	assert_true(crb_slice_is(got.option[1], "topic=a b"));
	assert_refused(ZERO " " OID " refs/heads/a! push-options|-");
	assert_refused(ZERO " " OID " refs/heads/a!" CAPS "|-|ci.skip|-");
	assert_refused(ZERO " " OID " refs/heads/a! push-options|-|a!b|-");
	/* What git reads as push options too. */
	assert_refused(ZERO " " OID " refs/heads/a! push-options=1|-|a|-");
	assert_refused(ZERO " " OID " refs/heads/a! x\tpush-options|-|a|-");
}

static void
signed_push_is_read(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = { .count = 0 };

	(void)state;
	assert_int_equal(parse("push-cert!" CAPS "|" CERT_HEAD ZERO " " OID
			       " refs/heads/a\n|" OID " " ZERO
			       " refs/heads/b\n|" SIGNED_END "|-",
			     &text, &got),
	    CRB_OK);
	assert_true(got.is_signed && got.report_status);
	assert_int_equal(got.count, 2);
	assert_command(&got, 0, CRB_CHANGE_CREATE, ZERO, OID, "refs/heads/a");
	assert_command(&got, 1, CRB_CHANGE_DELETE, OID, ZERO, "refs/heads/b");
}

#define COMMAND ZERO " " OID " refs/heads/a\n|"

static void
certificate_that_could_be_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	/* No command, no end, commands beside it, behind it. */
	assert_refused("push-cert!|" CERT_HEAD SIGNED_END "|-");
	assert_refused("push-cert!|" CERT_HEAD COMMAND "-");
	assert_refused("push-cert!|" CERT_HEAD COMMAND "push-cert-end\n|-");
	assert_refused(COMMAND "push-cert!|" CERT_HEAD COMMAND SIGNED_END "|-");
	assert_refused(
	    "push-cert!|" CERT_HEAD COMMAND SIGNED_END "|" COMMAND "-");
	/* git takes what is before the last signature for commands. */
	assert_refused(
	    "push-cert!|" CERT_HEAD COMMAND
	    "-----BEGIN PGP SIGNATURE-----\n|" COMMAND SIGNED_END "|-");
	assert_refused("push-cert!|" CERT_HEAD COMMAND
		       "-----BEGIN PGP SIGNATURE-----\n|" COMMAND
		       "-----END PGP SIGNATURE-----\n|push-cert-end\n|-");
	assert_refused(
	    "push-cert!|" CERT_HEAD COMMAND
	    "-----BEGIN PGP SIGNATURE-----\n|AAAA\n|" SIGNED_END "|-");
	/* Two lines in one, or one without its end. */
	assert_refused(
	    "push-cert!|" CERT_HEAD ZERO " " OID " refs/heads/a\n" ZERO " " OID
	    " refs/heads/b\n|" SIGNED_END "|-");
	assert_refused("push-cert!|" CERT_HEAD ZERO " " OID
		       " refs/heads/a|" SIGNED_END "|-");
	assert_refused("push-cert!|pusher x\n|\n|" COMMAND SIGNED_END "|-");
}

/* What it says it is signed for is what comes. */
static void
certificate_with_other_push_options_is_refused(void **state)
{
#define OPTION_HEAD \
	"certificate version 0.1\n|pusher k 1 +0\n|push-option ci.skip\n|\n|"
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = { .count = 0 };

	(void)state;
	assert_refused("push-cert!|" OPTION_HEAD COMMAND SIGNED_END "|-");
	assert_refused(
	    "push-cert! push-options|" OPTION_HEAD COMMAND SIGNED_END "|-|-");
	assert_refused("push-cert! push-options|" OPTION_HEAD COMMAND SIGNED_END
		       "|-|ci.skip|other|-");
	assert_refused("push-cert! push-options|" CERT_HEAD COMMAND SIGNED_END
		       "|-|ci.skip|-");
	assert_int_equal(
	    parse("push-cert! push-options|" OPTION_HEAD COMMAND SIGNED_END
		  "|-|ci.skip|-",
		&text, &got),
	    CRB_OK);
	assert_int_equal(got.option_count, 1);
}

static void
refs_are_as_git_checks_them(void **state)
{
	static const char *const bad[] = { "main", "HEAD", "refs/", "refs//a",
		"refs/heads/", "refs/heads/.a", "refs/heads/a..b",
		"refs/heads/a.lock", "refs/a.lock/b", "refs/heads/a b",
		"refs/heads/a~1", "refs/heads/a^", "refs/heads/a:b",
		"refs/heads/a?", "refs/heads/*", "refs/heads/[a",
		"refs/heads/a\\b", "refs/heads/a@{1}", "refs/heads/a.",
		"refs/heads/a\x7f", "refs/heads/a\tb", "refs/heads/a\nb",
		"refs/heads/\xff", "" };
	static const char *const good[] = { "refs/heads/a", "refs/for/main",
		"refs/heads/@", "refs/heads/\xc3\xa4", "refs/heads/a{b}",
		"refs/heads/a/b.c-d_e+f", "refs/heads/-x" };
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	char script[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(script, sizeof(script), ZERO " " OID " %s!%s|-",
		    bad[i], CAPS);
		assert_refused(script);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = {
			.count = 0
		};

		(void)snprintf(script, sizeof(script), ZERO " " OID " %s!%s|-",
		    good[i], CAPS);
		assert_int_equal(parse(script, &text, &got), CRB_OK);
		assert_command(&got, 0, CRB_CHANGE_CREATE, ZERO, OID, good[i]);
	}
}

static void
what_git_would_not_send_is_refused(void **state)
{
	(void)state;
	assert_refused(ZERO " " OID " refs/heads/a");
	assert_refused(ZERO " " OID " refs/heads/a|-|-");
	assert_refused(ZERO "  " OID " refs/heads/a|-");
	assert_refused(ZERO " " OID "|-");
	assert_refused(ZERO "|-");
	assert_refused("|-");
	assert_refused("0 " OID " refs/heads/a|-");
	assert_refused(ZERO " " OID "0 refs/heads/a|-");
	assert_refused(ZERO " ABCDEF6789012345678901234567890123456789 "
			    "refs/heads/a|-");
	/* Capabilities behind another than the first command. */
	assert_refused(ZERO " " OID " refs/heads/a|" ZERO " " OID
			    " refs/heads/b! push-options|-");
	assert_refused(ZERO " " OID " refs/heads/a! report-status!x|-");
	/* git takes off one line feed, and that at the line's end only. */
	assert_refused(ZERO " " OID " refs/heads/a\n! report-status|-");
	assert_refused(ZERO " " OID " refs/heads/a\n\n|-");
	assert_refused(ZERO " " OID " refs/heads/a|shallow " OID "|-");
	assert_refused(
	    "shallow " OID "! push-options|" ZERO " " OID " refs/heads/a|-");
	assert_refused("shallow x|-");
}

static void
object_ids_are_of_one_kind(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = { .count = 0 };

	(void)state;
	assert_int_equal(
	    parse(OID256 " " OID256 " refs/heads/a! object-format=sha256|-",
		&text, &got),
	    CRB_OK);
	assert_refused(OID256 " " OID256 " refs/heads/a! report-status|-");
	assert_refused(OID " " OID " refs/heads/a! object-format=sha256|-");
	assert_refused(OID " " OID256 " refs/heads/a|-");
	assert_refused("shallow " OID256 "|" OID " " OID " refs/heads/a! x|-");
	assert_refused(OID " " OID " refs/heads/a! object-format=sha3|-");
}

static void
end_is_found_in_pieces_of_any_size(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);
	struct crb_err err;
	size_t len;

	(void)state;
	write_lines(&text,
	    "shallow " OID "|" ZERO " " OID " refs/heads/a! push-options|" ZERO
	    " " OID " refs/heads/b|-|ci.skip|-");
	len = text.len;
	crb_buf_str(&text, "PACKzzzz0000");
	for (size_t step = 1; step < 200; step++) {
		struct crb_push_end end = { .len = 0 };
		size_t at = 0;

		while (!end.whole) {
			assert_true(at < text.len);
			at = at + step < text.len ? at + step : text.len;
			assert_int_equal(
			    crb_push_commands_end(&end,
				(struct crb_slice){ text.data, at }, len, &err),
			    CRB_OK);
			assert_true(end.whole || at < len);
		}
		assert_int_equal(end.len, len);
	}
}

static void
end_of_a_probe_is_its_flush(void **state)
{
	struct crb_push_end end = { .len = 0 };
	struct crb_err err;

	(void)state;
	assert_int_equal(
	    crb_push_commands_end(&end, CRB_SLICE("0000PACK"), 100, &err),
	    CRB_OK);
	assert_true(end.whole);
	assert_int_equal(end.len, 4);
}

static enum crb_status
look(const char *text, size_t most)
{
	struct crb_push_end end = { .len = 0 };
	struct crb_err err = { .status = CRB_OK };

	return crb_push_commands_end(&end, CRB_SLICE(text), most, &err);
}

static void
what_has_no_end_is_refused(void **state)
{
	(void)state;
	assert_int_equal(look("PACK", 100), CRB_ERR_INVALID);
	assert_int_equal(look("0001", 100), CRB_ERR_INVALID);
	assert_int_equal(look("0003", 100), CRB_ERR_INVALID);
	assert_int_equal(look("fff1", 100), CRB_ERR_INVALID);
	assert_int_equal(look("-001", 100), CRB_ERR_INVALID);
	assert_int_equal(look("0009hello0000", 13), CRB_OK);
	assert_int_equal(look("0009hello0000", 12), CRB_ERR_TOO_LARGE);
	assert_int_equal(look("0020hello", 8), CRB_ERR_TOO_LARGE);
	assert_int_equal(look("0020hello", 9), CRB_OK);
}

static void
number_of_refs_is_bounded(void **state)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(2u << 20);
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands got = { .count = 0 };
	char command[128];
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < CRB_PUSH_REFS_MAX; i++) {
		int len = snprintf(command, sizeof(command),
		    ZERO " " OID " refs/heads/%zu", i);

		line(&text, command, (size_t)len);
	}
	crb_buf_str(&text, "0000");
	assert_int_equal(
	    crb_push_commands_parse(
		(struct crb_slice){ text.data, text.len }, &got, &err),
	    CRB_OK);
	assert_int_equal(got.count, CRB_PUSH_REFS_MAX);
	text.len -= 4;
	line(&text, COMMAND, strlen(COMMAND) - 1);
	crb_buf_str(&text, "0000");
	assert_int_equal(
	    crb_push_commands_parse(
		(struct crb_slice){ text.data, text.len }, &got, &err),
	    CRB_ERR_TOO_LARGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_change_is_told_apart),
		cmocka_unit_test(probe_has_no_commands),
		cmocka_unit_test(push_options_are_counted),
		cmocka_unit_test(signed_push_is_read),
		cmocka_unit_test(
		    certificate_that_could_be_read_in_two_ways_is_refused),
		cmocka_unit_test(
		    certificate_with_other_push_options_is_refused),
		cmocka_unit_test(refs_are_as_git_checks_them),
		cmocka_unit_test(what_git_would_not_send_is_refused),
		cmocka_unit_test(object_ids_are_of_one_kind),
		cmocka_unit_test(end_is_found_in_pieces_of_any_size),
		cmocka_unit_test(end_of_a_probe_is_its_flush),
		cmocka_unit_test(what_has_no_end_is_refused),
		cmocka_unit_test(number_of_refs_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
