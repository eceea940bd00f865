#include "broker/vault/index.h"

#include "tests/unit/vault.h"

#define RECORDS 64
#define ROUNDS 20000

/* Ids of which many collide, so that there are long runs to close up. */
static struct crb_record_id
id_of(unsigned i)
{
	struct crb_record_id id = { { 0 } };

	/* The two halves are taken together, and so the same for a third. */
	id.bytes[0] = (uint8_t)i;
	id.bytes[8] = (uint8_t)(i ^ i % 3);
	if (i % 2 == 0)
		id.bytes[1] = (uint8_t)(i * 37);
	return id;
}

static void
it_agrees_with_a_plain_array(void **state)
{
	uint64_t plain[RECORDS] = { 0 };
	struct crb_index index = { 0 };
	size_t count = 0;
	struct crb_err err;

	(void)state;
	for (unsigned round = 1; round <= ROUNDS; round++) {
		const unsigned i = randombytes_uniform(RECORDS);
		const struct crb_record_id id = id_of(i);

		if (randombytes_uniform(2) == 0) {
			assert_ok(crb_index_reserve(&index, 1, &err));
			crb_index_set(&index, CRB_KIND_SESSION, &id, round);
			count += plain[i] == 0;
			plain[i] = round;
		} else {
			crb_index_remove(&index, CRB_KIND_SESSION, &id);
			count -= plain[i] != 0;
			plain[i] = 0;
		}
		assert_int_equal(index.count, count);
		for (unsigned k = 0; k < RECORDS; k++) {
			const struct crb_record_id other = id_of(k);
			const uint64_t *found = crb_index_find(
			    &index, CRB_KIND_SESSION, &other);

			assert_int_equal(found == NULL ? 0 : *found, plain[k]);
		}
	}
	crb_index_clear(&index);
}

static void
the_kind_is_part_of_the_key(void **state)
{
	const struct crb_record_id id = { { 1 } };
	struct crb_index index = { 0 };
	struct crb_err err;

	(void)state;
	assert_null(crb_index_find(&index, CRB_KIND_SESSION, &id));
	crb_index_remove(&index, CRB_KIND_SESSION, &id);
	assert_ok(crb_index_reserve(&index, 2, &err));
	crb_index_set(&index, CRB_KIND_SESSION, &id, 5);
	assert_null(crb_index_find(&index, CRB_KIND_PROFILE, &id));
	crb_index_set(&index, CRB_KIND_PROFILE, &id, 6);
	assert_int_equal(*crb_index_find(&index, CRB_KIND_SESSION, &id), 5);
	assert_int_equal(*crb_index_find(&index, CRB_KIND_PROFILE, &id), 6);
	crb_index_clear(&index);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_agrees_with_a_plain_array),
		cmocka_unit_test(the_kind_is_part_of_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
