#include "base/json.h"
#include "base/slab.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "tests/unit/unit.h"

#define ARENA (256u << 10)

static void
before_it_is_open_blocks_are_unlocked_and_counted(void **state)
{
	char *p = crb_slab_alloc(100);

	(void)state;
	assert_non_null(p);
	assert_int_equal(crb_slab_stats().arena, 0);
	assert_int_equal(crb_slab_stats().spilled, 100);
	p = crb_slab_realloc(p, 200);
	assert_int_equal(crb_slab_stats().spilled, 200);
	crb_slab_free(p);
	assert_int_equal(crb_slab_stats().spilled, 0);
}

static void
it_is_opened_once(void **state)
{
	struct crb_err err;

	(void)state;
	assert_fails(crb_slab_open(SIZE_MAX / 2, &err), CRB_ERR_TOO_LARGE);
	assert_ok(crb_slab_open(ARENA - 1, &err));
	assert_int_equal(crb_slab_stats().arena, ARENA);
	assert_fails(crb_slab_open(ARENA, &err), CRB_ERR_EXISTS);
	/* All or nothing; the limit decides. */
	if (crb_slab_stats().locked != 0)
		assert_int_equal(crb_slab_stats().locked, ARENA);
}

static void
a_block_is_zeroed_aligned_and_counted(void **state)
{
	const char zero[1000] = { 0 };
	size_t used = crb_slab_stats().used;
	char *p = crb_slab_alloc(1000);

	(void)state;
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % 16, 0);
	assert_memory_equal(p, zero, sizeof(zero));
	assert_int_equal(crb_slab_stats().used, used + 1024);
	assert_true(crb_slab_stats().peak >= used + 1024);
	crb_slab_free(p);
	assert_int_equal(crb_slab_stats().used, used);
}

static void
a_freed_block_is_wiped(void **state)
{
	const char zero[64] = { 0 };
	char *p = crb_slab_alloc(64), *q;

	(void)state;
	memset(p, 's', 64);
	crb_slab_free(p);
	/* The list gives back what came last. */
	q = crb_slab_alloc(64);
	assert_ptr_equal(q, p);
	assert_memory_equal(q, zero, sizeof(zero));
	crb_slab_free(q);
}

static void
realloc_copies_and_wipes_the_old_block(void **state)
{
	const char zero[64] = { 0 };
	char *p = crb_slab_strdup("secret"), *q, *r;

	(void)state;
	q = crb_slab_realloc(p, 500);
	assert_ptr_not_equal(p, q);
	assert_string_equal(q, "secret");
	r = crb_slab_alloc(7);
	assert_ptr_equal(r, p);
	assert_memory_equal(r, zero, 7);
	crb_slab_free(r);
	q = crb_slab_realloc(q, 3);
	assert_memory_equal(q, "sec", 3);
	crb_slab_free(q);
	r = crb_slab_realloc(NULL, 5);
	assert_non_null(r);
	crb_slab_free(r);
	crb_slab_free(NULL);
}

static void
blocks_join_again_when_freed(void **state)
{
	size_t used = crb_slab_stats().used;
	char *p[512];
	char *whole;

	(void)state;
	for (size_t i = 0; i < 512; i++)
		assert_non_null(p[i] = crb_slab_alloc(i));
	for (size_t i = 0; i < 512; i += 2)
		crb_slab_free(p[i]);
	for (size_t i = 1; i < 512; i += 2)
		crb_slab_free(p[i]);
	assert_int_equal(crb_slab_stats().used, used);
	whole = crb_slab_alloc(ARENA);
	assert_int_equal(crb_slab_stats().used, used + ARENA);
	assert_int_equal(crb_slab_stats().spilled, 0);
	crb_slab_free(whole);
}

static void
blocks_do_not_overlap(void **state)
{
	unsigned char *p[200] = { NULL };
	size_t len[200] = { 0 };
	unsigned seed = 42;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t i = (seed = seed * 1103515245u + 12345u) >> 8;

		i %= 200;
		for (size_t k = 0; p[i] != NULL && k < len[i]; k++)
			assert_int_equal(p[i][k], i);
		crb_slab_free(p[i]);
		len[i] = (seed >> 4) % 3000;
		assert_non_null(p[i] = crb_slab_alloc(len[i]));
		memset(p[i], (int)i, len[i]);
	}
	for (size_t i = 0; i < 200; i++)
		crb_slab_free(p[i]);
	assert_int_equal(crb_slab_stats().used, 0);
	assert_int_equal(crb_slab_stats().spilled, 0);
}

static void
what_does_not_fit_is_unlocked_and_counted(void **state)
{
	char *big = crb_slab_alloc(ARENA + 1), *all, *more;

	(void)state;
	assert_int_equal(crb_slab_stats().spilled, ARENA + 1);
	all = crb_slab_alloc(ARENA);
	more = crb_slab_alloc(10);
	assert_int_equal(crb_slab_stats().spilled, ARENA + 11);
	assert_int_equal(crb_slab_stats().used, ARENA);
	more = crb_slab_realloc(more, 20);
	assert_int_equal(crb_slab_stats().spilled, ARENA + 21);
	crb_slab_free(big);
	crb_slab_free(all);
	crb_slab_free(more);
	assert_int_equal(crb_slab_stats().spilled, 0);
	assert_null(crb_slab_alloc(SIZE_MAX));
}

static void
a_forked_child_does_not_see_what_is_in_it(void **state)
{
	char *p = crb_slab_strdup("hunter2");
	int status;
	pid_t pid;

	(void)state;
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0)
		_exit(memcmp(p, "hunter2", 7) == 0 ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0);
	assert_string_equal(p, "hunter2");
	crb_slab_free(p);
}

/* In /proc/self/smaps: "dd" is left out of core files, "wf" wiped on fork. */
static void
it_is_left_out_of_core_files(void **state)
{
	CRB_AUTO_FILE FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at;
	bool inside = false, found = false;
	char line[512], *p = crb_slab_alloc(1);

	(void)state;
	at = (unsigned long)(uintptr_t)p;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = at >= start && at < end;
		if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			found = true;
			assert_non_null(strstr(line, " dd"));
			assert_non_null(strstr(line, " wf"));
		}
	}
	crb_slab_free(p);
	assert_true(found);
}

static void
a_block_that_is_freed_twice_stops_the_process(void **state)
{
	char *p = crb_slab_alloc(64);
	int status;
	pid_t pid;

	(void)state;
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		(void)close(STDERR_FILENO);
		crb_slab_free(p);
		crb_slab_free(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	crb_slab_free(p);
}

static void *
work(void *ctx)
{
	char *p;

	for (unsigned i = 0; i < 2000; i++) {
		p = crb_slab_alloc(i % 700 + 1);
		memset(p, *(const char *)ctx, i % 700 + 1);
		p = crb_slab_realloc(p, 900);
		if (p[i % 700] != *(const char *)ctx)
			return ctx;
		crb_slab_free(p);
	}
	return NULL;
}

static void
threads_share_it(void **state)
{
	pthread_t threads[4];
	char names[] = "abcd";
	void *bad;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, work, &names[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	assert_int_equal(crb_slab_stats().used, 0);
	assert_int_equal(crb_slab_stats().spilled, 0);
}

static void
jansson_draws_from_it(void **state)
{
	json_t *json;

	(void)state;
	crb_json_use_slab();
	assert_non_null(json = json_pack("{s:s}", "password", "hunter2"));
	assert_true(crb_slab_stats().used > 0);
	json_decref(json);
	assert_int_equal(crb_slab_stats().used, 0);
}

int
main(void)
{
	/* In this order: the first runs before it is open. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    before_it_is_open_blocks_are_unlocked_and_counted),
		cmocka_unit_test(it_is_opened_once),
		cmocka_unit_test(a_block_is_zeroed_aligned_and_counted),
		cmocka_unit_test(a_freed_block_is_wiped),
		cmocka_unit_test(realloc_copies_and_wipes_the_old_block),
		cmocka_unit_test(blocks_join_again_when_freed),
		cmocka_unit_test(blocks_do_not_overlap),
		cmocka_unit_test(what_does_not_fit_is_unlocked_and_counted),
		cmocka_unit_test(a_forked_child_does_not_see_what_is_in_it),
		cmocka_unit_test(it_is_left_out_of_core_files),
		cmocka_unit_test(a_block_that_is_freed_twice_stops_the_process),
		cmocka_unit_test(threads_share_it),
		cmocka_unit_test(jansson_draws_from_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
