#include "broker/core/outbox_queue.h"

#include "broker/core/outbox.h"
#include "tests/unit/audit.h"

struct fixture {
	char folder[UNIT_FOLDER_MAX];
	struct crb_vault *vault;
	struct crb_audit *audit;
	struct crb_outbox_queue queue;
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	unit_folder_make(fixture->folder);
	unit_vault_make(fixture->folder);
	fixture->vault = unit_vault_open(fixture->folder);
	fixture->audit = unit_audit_open(
	    unit_path(fixture->folder, "state"), NULL);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	crb_outbox_queue_clear(&fixture->queue);
	crb_audit_free(fixture->audit);
	crb_vault_free(fixture->vault);
	unit_folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

static void
add(struct fixture *fixture, unsigned count)
{
	const struct crb_audit_event event = { .event = "test" };
	struct crb_err err;

	while (count-- > 0) {
		struct crb_buf lines = CRB_BUF_INIT(4096);
		CRB_AUTO_FREE char *line = NULL;
		struct crb_record_id id;

		crb_record_id_random(&id);
		assert_ok(
		    crb_audit_render(fixture->audit, &event, &line, &err));
		crb_buf_printf(&lines, "%s\n", line);
		assert_ok(crb_outbox_queue_reserve(&fixture->queue, &err));
		crb_outbox_queue_add(&fixture->queue, &id, &lines);
	}
}

/* Delete what is durable up to `n`, with this outcome. */
static void
settle(struct fixture *fixture, uint64_t n, bool ok)
{
	CRB_AUTO_TXN struct crb_txn *txn = NULL;
	struct crb_err err;

	assert_ok(crb_txn_new(fixture->vault, &txn, &err));
	assert_ok(crb_outbox_queue_delete(&fixture->queue, txn, n, &err));
	crb_outbox_queue_deleted(&fixture->queue, ok);
}

static void
an_entry_stays_until_its_deletion_is_committed(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, 20);
	settle(fixture, UINT64_MAX, true);
	assert_int_equal(fixture->queue.count, 20);
	crb_outbox_queue_append(&fixture->queue, fixture->audit);
	/* The log's first line is its own. */
	assert_int_equal(crb_audit_last(fixture->audit), 21);
	settle(fixture, 1, true);
	assert_int_equal(fixture->queue.count, 20);
	settle(fixture, 6, false);
	assert_int_equal(fixture->queue.count, 20);
	settle(fixture, 6, true);
	assert_int_equal(fixture->queue.count, 15);
	settle(fixture, 21, true);
	assert_int_equal(fixture->queue.count, 0);
}

static void
replay_refuses_what_is_no_outbox_record(void **state)
{
	struct fixture *fixture = *state;
	struct crb_record_id id;
	struct crb_err err;

	crb_record_id_random(&id);
	unit_vault_put(
	    fixture->vault, CRB_KIND_OUTBOX, &id, "outbox 9 something");
	assert_fails(crb_outbox_queue_replay(
			 &fixture->queue, fixture->vault, fixture->audit, &err),
	    CRB_ERR_CORRUPT);
	assert_says("of a format that this program does not read");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(an_entry_stays_until_its_deletion_is_committed),
		TEST(replay_refuses_what_is_no_outbox_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
