#include "broker/gateway/gather.h"

#include "broker/bus/messages.h"
#include "tests/unit/unit.h"

#define AUTO_BUF CRB_AUTO_BUF struct crb_buf

/* Lines in a band, and the largest there is. */
static void
write_response(struct crb_buf *out)
{
	static char large[CRB_PKTLINE_MAX - 5];

	memset(large, 'x', sizeof(large));
	crb_pktline_add(out, CRB_BAND_NONE, "packfile\n", 9);
	crb_pktline_add(out, CRB_BAND_DATA, "PACK", 4);
	crb_pktline_add(out, CRB_BAND_DATA, large, sizeof(large));
	crb_pktline_add(out, CRB_BAND_PROGRESS, "done", 4);
	crb_pktline_flush(out);
	assert_false(out->failed);
}

static void
take(struct crb_buf *seen, struct crb_pktline *line, struct crb_slice bytes)
{
	crb_buf_add(seen, bytes.p, bytes.len);
	crb_pktline_feed(line, bytes.p, bytes.len);
	assert_int_equal(crb_pktline_under_way(line), 0);
}

static void
only_whole_lines_pass(void **state)
{
	static const size_t steps[] = { 1, 3, 7, 1000, 16384, CRB_BODY_MAX };
	AUTO_BUF whole = CRB_BUF_INIT(1 << 20);

	(void)state;
	write_response(&whole);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		AUTO_BUF seen = CRB_BUF_INIT(1 << 20);
		struct crb_pktline line = CRB_PKTLINE_INIT;
		struct crb_gather gather;

		assert_true(crb_gather_open(&gather));
		for (size_t at = 0; at < whole.len; at += steps[i]) {
			size_t left = whole.len - at;
			struct crb_slice next = { whole.data + at,
				left < steps[i] ? left : steps[i] };

			take(&seen, &line, crb_gather_add(&gather, next));
		}
		assert_int_equal(crb_gather_rest(&gather).len, 0);
		assert_int_equal(seen.len, whole.len);
		assert_memory_equal(seen.data, whole.data, whole.len);
		crb_gather_close(&gather);
	}
}

static void
the_rest_of_a_broken_line_passes_at_the_end(void **state)
{
	struct crb_gather gather;
	struct crb_slice rest;

	(void)state;
	assert_true(crb_gather_open(&gather));
	assert_int_equal(
	    crb_gather_add(&gather, CRB_SLICE("0006a\n0010bc")).len, 6);
	rest = crb_gather_rest(&gather);
	assert_int_equal(rest.len, 6);
	assert_memory_equal(rest.p, "0010bc", 6);
	crb_gather_close(&gather);
}

static void
what_is_no_pkt_line_passes_as_it_comes(void **state)
{
	struct crb_gather gather;
	struct crb_slice out;

	(void)state;
	assert_true(crb_gather_open(&gather));
	assert_int_equal(crb_gather_add(&gather, CRB_SLICE("0")).len, 0);
	out = crb_gather_add(&gather, CRB_SLICE("xyz and more"));
	assert_int_equal(out.len, 13);
	assert_memory_equal(out.p, "0xyz and more", 13);
	assert_int_equal(crb_gather_add(&gather, CRB_SLICE("12")).len, 2);
	crb_gather_close(&gather);
}

/* What a client has of a line is ended with the line's own bytes. */
static void
the_line_under_way_ends_where_it_should(void **state)
{
	static const char text[] = "0008abcd0007xyz";

	(void)state;
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		struct crb_pktline line = CRB_PKTLINE_INIT;
		size_t want = at == 0 || at == 8 ? 0
		    : at < 8                     ? 8 - at
						 : 15 - at;

		crb_pktline_feed(&line, text, at);
		assert_int_equal(
		    crb_pktline_rest(&line, text + at, sizeof(text) - 1 - at),
		    want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_lines_pass),
		cmocka_unit_test(the_rest_of_a_broken_line_passes_at_the_end),
		cmocka_unit_test(what_is_no_pkt_line_passes_as_it_comes),
		cmocka_unit_test(the_line_under_way_ends_where_it_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
