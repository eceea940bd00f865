#include "broker/core/audit_line.h"

#include <sodium.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/core/audit.h"
#include "tests/unit/unit.h"

static const uint8_t prev[CRB_AUDIT_HASH_BYTES] = { 0xab, 1, 2 };

/* The fields of an event, as a JSON object. */
static json_t *
fields_of(const struct crb_audit_event *event)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(CRB_AUDIT_LINE_MAX);
	json_t *json = NULL;
	struct crb_err err;

	crb_buf_char(&buf, '{');
	crb_audit_line_fields(&buf, 1700000000123, event);
	crb_buf_char(&buf, '}');
	assert_ok(crb_buf_check(&buf, "fields", &err));
	for (size_t i = 0; i < buf.len; i++)
		assert_in_range(buf.data[i], 0x20, 0x7e);
	assert_ok(crb_json_parse(buf.data, buf.len, "test", &json, &err));
	return json;
}

static const char *
text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void
what_is_not_said_is_not_there(void **state)
{
	const struct crb_audit_event event = { .event = "session.issue",
		.who = "uid 1000" };
	CRB_AUTO_JSON json_t *json = fields_of(&event);

	(void)state;
	assert_string_equal(text_of(json, "time"), "2023-11-14T22:13:20.123Z");
	assert_string_equal(text_of(json, "event"), "session.issue");
	assert_string_equal(text_of(json, "who"), "uid 1000");
	assert_int_equal(json_object_size(json), 3);
}

static void
every_member_is_written(void **state)
{
	const struct crb_audit_event event = { "a", "b", "c", "d", "e", "f",
		"g", "h", "i", "j", "k", "l", "{}", "[]", 1, 200, 3, 4, true };
	CRB_AUTO_JSON json_t *json = fields_of(&event);

	(void)state;
	assert_int_equal(json_object_size(json), 19);
	assert_string_equal(text_of(json, "detail"), "l");
	assert_int_equal(
	    json_integer_value(json_object_get(json, "status")), 200);
	assert_int_equal(json_integer_value(json_object_get(json, "down")), 4);
}

static void
hostile_text_comes_back_as_it_was_and_breaks_nothing(void **state)
{
	static const char *const texts[] = {
		"\",\"hash\":\"0000",
		"\\",
		"\n{\"n\":1}\n",
		"\x1b[31m\x7f",
		"caf\xc3\xa9",
		"\xe2\x80\xae\xe2\x80\x8b",
		"\xf0\x9f\x94\x91 key",
		"</script>",
		"%s%n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct crb_audit_event event = { .event = "x",
			.request = texts[i] };
		CRB_AUTO_JSON json_t *json = fields_of(&event);

		assert_string_equal(text_of(json, "request"), texts[i]);
	}
}

static void
broken_utf8_is_replaced(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a\xff"
		  "b",
		    "a\xef\xbf\xbd"
		    "b" },
		/* overlong, surrogate, past the end, cut */
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80",
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct crb_audit_event event = { .event = "x",
			.detail = cases[i].in };
		CRB_AUTO_JSON json_t *json = fields_of(&event);

		assert_string_equal(text_of(json, "detail"), cases[i].out);
	}
}

/* The longest that any caller could make of it still fits a line. */
static void
long_text_is_cut_and_the_worst_event_fits(void **state)
{
	static char longest[8192];
	struct crb_audit_event event = { .exchange = INT64_MIN,
		.status = INT64_MIN,
		.up = INT64_MIN,
		.down = INT64_MIN,
		.bytes = true };
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(CRB_AUDIT_LINE_MAX);
	CRB_AUTO_JSON json_t *json = NULL;
	uint8_t hash[CRB_AUDIT_HASH_BYTES];
	const struct crb_audit_made made = { UINT64_MAX, true, UINT64_MAX, prev,
		NULL };
	struct crb_err err;

	(void)state;
	memset(longest, 1, sizeof(longest) - 1);
	event.event = event.who = event.task = event.session = longest;
	event.credential = event.scope = event.request = longest;
	event.decision = event.rule = event.tier = longest;
	event.outcome = event.detail = longest;
	json = fields_of(&event);
	assert_int_equal(strlen(text_of(json, "request")), 2048 + 3);
	assert_string_equal(text_of(json, "request") + 2048, "...");
	assert_true(
	    json_integer_value(json_object_get(json, "up")) == INT64_MIN);
	crb_audit_line_fields(&buf, 0, &event);
	assert_ok(crb_buf_check(&buf, "fields", &err));
	/* With the braces and the number of a rendered one. */
	assert_true(buf.len + 64 < CRB_AUDIT_FIELDS_MAX);
	{
		CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(
		    CRB_AUDIT_LINE_MAX);

		crb_audit_line_make(&line, &made, buf.data, buf.len, hash);
		assert_ok(crb_buf_check(&line, "line", &err));
	}
}

static void
a_cut_is_never_inside_a_character(void **state)
{
	char text[2048 + 8];
	const struct crb_audit_event event = { .event = "x", .request = text };
	CRB_AUTO_JSON json_t *json = NULL;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 2047, "\xc3\xa9", 3);
	json = fields_of(&event);
	assert_int_equal(strlen(text_of(json, "request")), 2047 + 3);
}

struct made {
	struct crb_buf buf;
	uint8_t public[CRB_AUDIT_PUBLIC_BYTES];
	size_t len; /* without the newline */
	uint8_t hash[CRB_AUDIT_HASH_BYTES];
};

static void
make(struct made *out, bool has_seq, bool sign)
{
	const struct crb_audit_event event = { .event = "x",
		.detail = "a \"quote\"" };
	CRB_AUTO_BUF struct crb_buf fields = CRB_BUF_INIT(CRB_AUDIT_LINE_MAX);
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	const struct crb_audit_made made = { 57, has_seq, 12, prev,
		sign ? secret : NULL };

	assert_true(sodium_init() >= 0);
	(void)crypto_sign_keypair(out->public, secret);
	out->buf = (struct crb_buf)CRB_BUF_INIT(CRB_AUDIT_LINE_MAX);
	crb_audit_line_fields(&fields, 1700000000123, &event);
	crb_audit_line_make(
	    &out->buf, &made, fields.data, fields.len, out->hash);
	assert_int_equal(out->buf.data[out->buf.len - 1], '\n');
	out->len = out->buf.len - 1;
}

static void
what_was_made_is_parsed(void **state)
{
	struct crb_audit_frame frame;
	struct crb_err err;

	(void)state;
	for (int i = 0; i < 4; i++) {
		CRB_AUTO_JSON json_t *json = NULL;
		struct made made;

		make(&made, (i & 1) != 0, (i & 2) != 0);
		assert_ok(crb_json_parse(
		    made.buf.data, made.len, "line", &json, &err));
		assert_ok(crb_audit_line_parse(
		    made.buf.data, made.len, &frame, &err));
		assert_int_equal(frame.n, 57);
		assert_int_equal(frame.has_seq, (i & 1) != 0);
		assert_int_equal(frame.seq, (i & 1) != 0 ? 12 : 0);
		assert_memory_equal(frame.prev, prev, sizeof(prev));
		assert_memory_equal(frame.hash, made.hash, sizeof(made.hash));
		assert_int_equal(frame.has_signature, (i & 2) != 0);
		assert_int_equal(
		    crb_audit_line_signed(made.buf.data, &frame, made.public),
		    (i & 2) != 0);
		crb_buf_clear(&made.buf);
	}
}

static void
every_changed_byte_of_a_line_is_seen(void **state)
{
	struct crb_audit_frame frame;
	struct made made;
	struct crb_err err;

	(void)state;
	make(&made, true, true);
	for (size_t i = 0; i < made.len; i++) {
		const char was = made.buf.data[i];

		made.buf.data[i] = was == 'z' ? 'y' : 'z';
		assert_fails(
		    crb_audit_line_parse(made.buf.data, made.len, &frame, &err),
		    CRB_ERR_CORRUPT);
		made.buf.data[i] = was;
	}
	for (size_t len = 0; len < made.len; len++)
		assert_fails(
		    crb_audit_line_parse(made.buf.data, len, &frame, &err),
		    CRB_ERR_CORRUPT);
	crb_buf_clear(&made.buf);
}

static void
another_keys_signature_does_not_fit(void **state)
{
	struct crb_audit_frame frame;
	struct made made;
	struct crb_err err;

	(void)state;
	make(&made, true, true);
	assert_ok(crb_audit_line_parse(made.buf.data, made.len, &frame, &err));
	made.public[0] ^= 1;
	assert_false(crb_audit_line_signed(made.buf.data, &frame, made.public));
	made.public[0] ^= 1;
	frame.signature[5] ^= 1;
	assert_false(crb_audit_line_signed(made.buf.data, &frame, made.public));
	crb_buf_clear(&made.buf);
}

/* With a hash that fits, but of a shape that we do not write. */
static void
other_shapes_are_refused(void **state)
{
	static const char *const starts[] = {
		"{\"n\":057,\"time\":\"",
		"{\"n\":,\"time\":\"",
		"{\"n\":-1,\"time\":\"",
		"{\"n\":99999999999999999999,\"time\":\"",
		"{ \"n\":57,\"time\":\"",
		"{\"n\":57,\"seq\":x,\"time\":\"",
		"{\"n\":57,\"event\":\"",
		"{\"n\":57,\"time\":\"\x01",
		"{\"n\":57,\"time\":\"\xc3\xa9",
	};
	struct crb_audit_frame frame;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(
		    CRB_AUDIT_LINE_MAX);
		uint8_t hash[CRB_AUDIT_HASH_BYTES];

		crb_buf_printf(&buf, "%sx\",\"prev\":\"", starts[i]);
		crb_text_hex(&buf, prev, sizeof(prev));
		crb_buf_char(&buf, '"');
		(void)crypto_generichash(hash, sizeof(hash),
		    (const unsigned char *)buf.data, buf.len, NULL, 0);
		crb_buf_str(&buf, ",\"hash\":\"");
		crb_text_hex(&buf, hash, sizeof(hash));
		crb_buf_str(&buf, "\"}");
		assert_fails(
		    crb_audit_line_parse(buf.data, buf.len, &frame, &err),
		    CRB_ERR_CORRUPT);
		assert_says("not a line of credbroker's");
	}
}

static void
only_rendered_lines_are_rendered_lines(void **state)
{
	static const char *const bad[] = { "", "{}",
		"{\"seq\":0,\"time\":\"x\"}", "{\"seq\":01,\"time\":\"x\"}",
		"{\"seq\":1,\"tim\":\"x\"}", "{\"seq\":1,\"time\":\"x\"",
		"{\"seq\":1,\"time\":\"\n\"}", "{\"n\":1,\"time\":\"x\"}" };
	const char *fields = NULL;
	uint64_t seq = 0;

	(void)state;
	assert_true(crb_audit_rendered(
	    "{\"seq\":7,\"time\":\"x\"}", 20, &seq, &fields));
	assert_int_equal(seq, 7);
	assert_string_equal(fields, "\"time\":\"x\"}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(
		    crb_audit_rendered(bad[i], strlen(bad[i]), &seq, &fields));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_is_not_there),
		cmocka_unit_test(every_member_is_written),
		cmocka_unit_test(
		    hostile_text_comes_back_as_it_was_and_breaks_nothing),
		cmocka_unit_test(broken_utf8_is_replaced),
		cmocka_unit_test(long_text_is_cut_and_the_worst_event_fits),
		cmocka_unit_test(a_cut_is_never_inside_a_character),
		cmocka_unit_test(what_was_made_is_parsed),
		cmocka_unit_test(every_changed_byte_of_a_line_is_seen),
		cmocka_unit_test(another_keys_signature_does_not_fit),
		cmocka_unit_test(other_shapes_are_refused),
		cmocka_unit_test(only_rendered_lines_are_rendered_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
