#include "broker/core/map.h"

#include "tests/unit/unit.h"

struct thing {
	char key[16];
};

static void
what_was_put_is_found(void **state)
{
	struct crb_map map = { 0 };
	struct thing thing = { "one" };
	struct crb_err err;

	(void)state;
	assert_null(crb_map_text(&map, "one"));
	assert_ok(crb_map_put(&map, thing.key, 3, &thing, &err));
	assert_ptr_equal(crb_map_text(&map, "one"), &thing);
	assert_null(crb_map_text(&map, "on"));
	assert_null(crb_map_text(&map, "one "));
	crb_map_clear(&map);
	assert_null(crb_map_text(&map, "one"));
}

static void
a_key_is_there_once(void **state)
{
	struct thing first = { "same" }, second = { "same" };
	struct crb_map map = { 0 };
	struct crb_err err;

	(void)state;
	assert_ok(crb_map_put(&map, first.key, 4, &first, &err));
	assert_fails(
	    crb_map_put(&map, second.key, 4, &second, &err), CRB_ERR_EXISTS);
	assert_ptr_equal(crb_map_text(&map, "same"), &first);
	assert_int_equal(map.count, 1);
	crb_map_clear(&map);
}

/* Taking one out must not hide those that had to move on because of it. */
static void
many_come_and_go(void **state)
{
	enum { COUNT = 5000 };
	struct thing *things = calloc(COUNT, sizeof(*things));
	struct crb_map map = { 0 };
	struct crb_err err;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(
		    things[i].key, sizeof(things[i].key), "key-%d", i);
		assert_ok(crb_map_put(&map, things[i].key,
		    strlen(things[i].key), &things[i], &err));
	}
	for (int i = 0; i < COUNT; i += 3)
		assert_ptr_equal(
		    crb_map_take(&map, things[i].key, strlen(things[i].key)),
		    &things[i]);
	for (int i = 0; i < COUNT; i++)
		assert_ptr_equal(crb_map_text(&map, things[i].key),
		    i % 3 == 0 ? NULL : &things[i]);
	assert_null(crb_map_take(&map, "key-0", 5));
	assert_int_equal(map.count, COUNT - (COUNT + 2) / 3);
	crb_map_clear(&map);
	free(things);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found),
		cmocka_unit_test(a_key_is_there_once),
		cmocka_unit_test(many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
