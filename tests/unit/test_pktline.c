#include "broker/gateway/pktline.h"

#include "tests/unit/unit.h"

#define AUTO_BUF CRB_AUTO_BUF struct crb_buf

/* The payloads of a whole response; fails where it is malformed. */
static size_t
last_line(const struct crb_buf *buf, const char **payload)
{
	size_t at = 0, size = 0;

	*payload = NULL;
	while (at < buf->len) {
		char head[5] = { 0 };

		assert_true(buf->len - at >= 4);
		memcpy(head, buf->data + at, 4);
		size = (size_t)strtoul(head, NULL, 16);
		if (size == 0) {
			at += 4;
			continue;
		}
		assert_in_range(size, 5, buf->len - at);
		*payload = buf->data + at + 4;
		at += size;
	}
	return size;
}

static void
add(struct crb_buf *buf, enum crb_band band, const char *text)
{
	crb_pktline_add(buf, band, text, strlen(text));
}

static void
lines_have_their_length(void **state)
{
	AUTO_BUF out = CRB_BUF_INIT(CRB_PKTLINE_MAX * 2);
	static char large[CRB_PKTLINE_MAX];

	(void)state;
	add(&out, CRB_BAND_NONE, "a\n");
	add(&out, CRB_BAND_ERROR, "b");
	crb_pktline_flush(&out);
	assert_string_equal(crb_buf_text(&out), "0006a\n0006\3b0000");
	crb_buf_reset(&out);
	crb_pktline_add(&out, CRB_BAND_NONE, large, sizeof(large) - 4);
	assert_false(out.failed);
	crb_pktline_add(&out, CRB_BAND_NONE, large, sizeof(large) - 3);
	assert_true(out.failed);
}

/* The whole response, cut at every byte, and fed in pieces of every size. */
static void
cut_everywhere(const struct crb_buf *whole, size_t step, bool banded_from_start)
{
	for (size_t at = 0; at <= whole->len; at++) {
		AUTO_BUF seen = CRB_BUF_INIT(CRB_PKTLINE_MAX * 4);
		struct crb_pktline line = CRB_PKTLINE_INIT;
		const char *payload;

		for (size_t i = 0; i < at; i += step)
			crb_pktline_feed(&line, whole->data + i,
			    at - i < step ? at - i : step);
		crb_buf_add(&seen, whole->data, at);
		assert_false(line.lost);
		assert_true(crb_pktline_cut(&line, "credbroker: why", &seen));
		(void)last_line(&seen, &payload);
		assert_non_null(payload);
		if (at == whole->len)
			continue;
		if (payload[0] == CRB_BAND_ERROR)
			payload++;
		else if (!banded_from_start || at == 0)
			payload += strlen("ERR ");
		assert_memory_equal(payload, "credbroker: why\n", 16);
	}
}

static void
cut_response_is_well_formed_and_ends_with_the_message(void **state)
{
	AUTO_BUF whole = CRB_BUF_INIT(1 << 16);

	(void)state;
	add(&whole, CRB_BAND_NONE, "packfile\n");
	add(&whole, CRB_BAND_PROGRESS, "Counting\n");
	for (int i = 0; i < 3; i++)
		add(&whole, CRB_BAND_DATA, "PACK0123456789abcdef0123456789");
	crb_pktline_flush(&whole);
	for (size_t step = 1; step < 40; step += 6)
		cut_everywhere(&whole, step, false);
}

static void
nothing_is_added_to_a_complete_pack(void **state)
{
	AUTO_BUF out = CRB_BUF_INIT(CRB_PKTLINE_MAX);
	struct crb_pktline line = CRB_PKTLINE_INIT;

	(void)state;
	crb_pktline_feed(&line, "0006\1x0000", 10);
	assert_true(crb_pktline_cut(&line, "why", &out));
	assert_int_equal(out.len, 0);
	/* v2 may go on behind a flush. */
	crb_pktline_feed(&line, "0006\1x", 6);
	assert_true(crb_pktline_cut(&line, "why", &out));
	assert_string_equal(crb_buf_text(&out), "0009\3why\n0000");
}

/* A flush behind the service's name is not the end. */
static void
advertisement_is_cut_with_an_error_packet(void **state)
{
	static const char start[] = "001e# service=git-upload-pack\n0000";
	AUTO_BUF out = CRB_BUF_INIT(CRB_PKTLINE_MAX);
	struct crb_pktline line = CRB_PKTLINE_INIT;

	(void)state;
	crb_pktline_feed(&line, start, sizeof(start) - 1);
	assert_true(crb_pktline_cut(&line, "why", &out));
	assert_string_equal(crb_buf_text(&out), "000cERR why\n");
}

static void
what_is_no_pkt_line_cannot_be_cut(void **state)
{
	static const char *const other[] = { "PACK\0\0\0\2", "0003", "fff1",
		"-001", "00 4", "0008NAK\nPACK" };
	AUTO_BUF out = CRB_BUF_INIT(CRB_PKTLINE_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		struct crb_pktline line = CRB_PKTLINE_INIT;

		crb_pktline_feed(&line, other[i], strlen(other[i]));
		assert_true(line.lost);
		assert_false(crb_pktline_cut(&line, "why", &out));
		assert_int_equal(out.len, 0);
	}
}

/* "ffff" is longer than a line may be: the digits sent so far are finished. */
static void
started_length_is_finished_within_bounds(void **state)
{
	static const char *const heads[] = { "f", "ff", "fff", "0", "00", "000",
		"001", "F" };

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		AUTO_BUF seen = CRB_BUF_INIT(CRB_PKTLINE_MAX * 2);
		struct crb_pktline line = CRB_PKTLINE_INIT;
		const char *payload;

		crb_pktline_feed(&line, heads[i], strlen(heads[i]));
		crb_buf_str(&seen, heads[i]);
		assert_true(crb_pktline_cut(&line, "why", &seen));
		(void)last_line(&seen, &payload);
		assert_memory_equal(payload, "ERR why\n", 8);
	}
}

static void
long_message_is_cut(void **state)
{
	AUTO_BUF out = CRB_BUF_INIT(CRB_PKTLINE_MAX);
	struct crb_pktline line = CRB_PKTLINE_INIT;
	static char message[70000];
	const char *payload;

	(void)state;
	memset(message, 'x', sizeof(message) - 1);
	assert_true(crb_pktline_cut(&line, message, &out));
	assert_in_range(last_line(&out, &payload), 1000, CRB_PKTLINE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_their_length),
		cmocka_unit_test(
		    cut_response_is_well_formed_and_ends_with_the_message),
		cmocka_unit_test(nothing_is_added_to_a_complete_pack),
		cmocka_unit_test(advertisement_is_cut_with_an_error_packet),
		cmocka_unit_test(what_is_no_pkt_line_cannot_be_cut),
		cmocka_unit_test(started_length_is_finished_within_bounds),
		cmocka_unit_test(long_message_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
