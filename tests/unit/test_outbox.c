#include "broker/core/outbox.h"

#include "tests/unit/unit.h"

static const struct crb_audit_mark mark = { 57, { 0xab } };
static const char lines[] = "{\"seq\":3,\"time\":\"x\"}\n"
			    "{\"seq\":9,\"time\":\"y\"}\n";

static void
what_was_encoded_is_decoded(void **state)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT(4096);
	struct crb_outbox box;
	struct crb_err err;

	(void)state;
	crb_outbox_encode(&buf, &mark, CRB_SLICE(lines));
	assert_ok(crb_outbox_decode(buf.data, buf.len, &box, &err));
	assert_int_equal(box.mark.n, 57);
	assert_memory_equal(box.mark.hash, mark.hash, sizeof(mark.hash));
	assert_true(crb_slice_is(box.lines, lines));
	assert_int_equal(box.first, 3);
	crb_buf_reset(&buf);
	crb_outbox_encode(&buf, &mark, CRB_SLICE(""));
	assert_ok(crb_outbox_decode(buf.data, buf.len, &box, &err));
	assert_int_equal(box.lines.len, 0);
	assert_int_equal(box.first, 0);
}

static void
anything_else_is_refused(void **state)
{
#define HEX "ab00000000000000000000000000000000000000000000000000000000000000"
	static const char *const bad[] = {
		"",
		"outbox 1 57 " HEX,
		"outbox 2 57 " HEX "\n",
		"outbox 1 x " HEX "\n",
		"outbox 1 57 " HEX "00\n",
		"outbox 1 57\n",
		"outbox 1 57 " HEX "\n{}\n",
		"outbox 1 57 " HEX "\n\n",
		"outbox 1 57 " HEX "\n{\"seq\":3,\"time\":\"x\"}",
		/* not ascending */
		"outbox 1 57 " HEX "\n{\"seq\":3,\"time\":\"x\"}\n"
		"{\"seq\":3,\"time\":\"x\"}\n",
	};
	struct crb_outbox box;
	struct crb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(
		    crb_outbox_decode(bad[i], strlen(bad[i]), &box, &err),
		    CRB_ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_is_decoded),
		cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
