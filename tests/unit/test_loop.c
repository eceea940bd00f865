#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "tests/unit/unit.h"

/* What a test's callbacks share. */
struct world {
	struct crb_loop *loop;
	int a[2], b[2]; /* socket pairs; [0] is watched */
	unsigned calls, events, turns, signals;
	int last;
	struct crb_timer timer, other;
	char order[16];
};

static int
make_world(void **state)
{
	static struct world world;
	struct crb_err err;

	world = (struct world){ 0 };
	assert_ok(crb_loop_new(&world.loop, &err));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		world.a),
	    0);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		world.b),
	    0);
	*state = &world;
	return 0;
}

static int
free_world(void **state)
{
	struct world *world = *state;

	crb_loop_free(world->loop);
	for (int i = 0; i < 2; i++) {
		crb_fd_cleanup(&world->a[i]);
		crb_fd_cleanup(&world->b[i]);
	}
	return 0;
}

static void
run(struct world *world)
{
	struct crb_err err;

	assert_ok(crb_loop_run(world->loop, &err));
}

static void
note(void *ctx, int fd, unsigned events)
{
	struct world *world = ctx;

	world->calls++;
	world->events = events;
	world->last = fd;
	crb_loop_stop(world->loop);
}

static void
what_can_be_read_is_reported_until_it_is(void **state)
{
	struct world *world = *state;
	struct crb_err err;
	char c;

	assert_ok(crb_loop_watch(
	    world->loop, world->a[0], CRB_READABLE, note, world, &err));
	assert_int_equal(write(world->a[1], "x", 1), 1);
	run(world);
	assert_int_equal(world->last, world->a[0]);
	assert_int_equal(world->events, CRB_READABLE);
	run(world);
	assert_int_equal(world->calls, 2);
	assert_int_equal(read(world->a[0], &c, 1), 1);
	crb_loop_want(world->loop, world->a[0], CRB_READABLE | CRB_WRITABLE);
	run(world);
	assert_int_equal(world->events, CRB_WRITABLE);
}

static void
what_is_not_wanted_is_not_reported_but_a_hangup_is(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(
	    crb_loop_watch(world->loop, world->a[0], 0, note, world, &err));
	assert_ok(crb_loop_watch(
	    world->loop, world->b[0], CRB_READABLE, note, world, &err));
	assert_int_equal(write(world->a[1], "x", 1), 1);
	assert_int_equal(write(world->b[1], "x", 1), 1);
	run(world);
	assert_int_equal(world->calls, 1);
	assert_int_equal(world->last, world->b[0]);
	crb_loop_unwatch(world->loop, world->b[0]);
	assert_int_equal(shutdown(world->a[1], SHUT_WR), 0);
	run(world);
	assert_int_equal(world->last, world->a[0]);
	assert_int_equal(world->events, CRB_HANGUP);
}

static void
watching_again_replaces(void **state)
{
	struct world *world = *state;
	struct world other = { .loop = world->loop };
	struct crb_err err;

	assert_ok(crb_loop_watch(
	    world->loop, world->a[0], CRB_WRITABLE, note, world, &err));
	assert_ok(crb_loop_watch(
	    world->loop, world->a[0], CRB_WRITABLE, note, &other, &err));
	run(world);
	assert_int_equal(world->calls, 0);
	assert_int_equal(other.calls, 1);
}

static void
what_cannot_be_watched_is_an_error(void **state)
{
	struct world *world = *state;
	CRB_AUTO_FD int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct crb_err err;

	assert_fails(
	    crb_loop_watch(world->loop, -1, CRB_READABLE, note, world, &err),
	    CRB_ERR_INVALID);
	assert_fails(
	    crb_loop_watch(world->loop, 999, CRB_READABLE, note, world, &err),
	    CRB_ERR_SYSTEM);
	assert_fails(
	    crb_loop_watch(world->loop, file, CRB_READABLE, note, world, &err),
	    CRB_ERR_SYSTEM);
	/* And these are nothing. */
	crb_loop_want(world->loop, 999, CRB_READABLE);
	crb_loop_unwatch(world->loop, 999);
	crb_loop_unwatch(world->loop, -1);
	crb_loop_unwatch(world->loop, 100000);
}

/* Both are ready in one turn; whoever comes first silences the other. */
static void
silence_the_other(void *ctx, int fd, unsigned events)
{
	struct world *world = ctx;

	(void)events;
	world->calls++;
	crb_loop_want(
	    world->loop, fd == world->a[0] ? world->b[0] : world->a[0], 0);
	crb_loop_stop(world->loop);
}

static void
what_is_not_wanted_any_more_is_not_reported_in_this_turn(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_int_equal(write(world->a[1], "x", 1), 1);
	assert_int_equal(write(world->b[1], "x", 1), 1);
	assert_ok(crb_loop_watch(world->loop, world->a[0], CRB_READABLE,
	    silence_the_other, world, &err));
	assert_ok(crb_loop_watch(world->loop, world->b[0], CRB_READABLE,
	    silence_the_other, world, &err));
	run(world);
	assert_int_equal(world->calls, 1);
}

/* Both are ready in one turn; whoever comes first closes the other. */
static void
end_the_other(void *ctx, int fd, unsigned events)
{
	struct world *world = ctx;
	int *other = fd == world->a[0] ? &world->b[0] : &world->a[0];

	(void)events;
	world->calls++;
	crb_loop_unwatch(world->loop, *other);
	crb_loop_stop(world->loop);
}

static void
an_unwatched_descriptor_gets_no_event_of_this_turn(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(crb_loop_watch(world->loop, world->a[0], CRB_WRITABLE,
	    end_the_other, world, &err));
	assert_ok(crb_loop_watch(world->loop, world->b[0], CRB_WRITABLE,
	    end_the_other, world, &err));
	run(world);
	assert_int_equal(world->calls, 1);
}

/* ... and the number is used again at once, for something that is not ready. */
static void
reuse_the_other(void *ctx, int fd, unsigned events)
{
	struct world *world = ctx;
	int *other = fd == world->a[0] ? &world->b[0] : &world->a[0];
	struct crb_err err;
	int again;

	end_the_other(ctx, fd, events);
	assert_int_equal(close(*other), 0);
	again = fcntl(fd, F_DUPFD_CLOEXEC, *other);
	assert_int_equal(again, *other);
	assert_ok(crb_loop_watch(
	    world->loop, again, CRB_READABLE, note, world, &err));
}

static void
a_number_that_is_used_again_gets_no_event_of_before(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_int_equal(write(world->a[1], "x", 1), 1);
	assert_int_equal(write(world->b[1], "x", 1), 1);
	assert_ok(crb_loop_watch(world->loop, world->a[0], CRB_READABLE,
	    reuse_the_other, world, &err));
	assert_ok(crb_loop_watch(world->loop, world->b[0], CRB_READABLE,
	    reuse_the_other, world, &err));
	run(world);
	/* note() would have counted too. */
	assert_int_equal(world->calls, 1);
}

static void
a_number_that_was_closed_unasked_can_be_watched_again(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(crb_loop_watch(
	    world->loop, world->a[0], CRB_READABLE, note, world, &err));
	assert_int_equal(close(world->a[0]), 0);
	assert_int_equal(
	    fcntl(world->b[0], F_DUPFD_CLOEXEC, world->a[0]), world->a[0]);
	assert_ok(crb_loop_watch(
	    world->loop, world->a[0], CRB_WRITABLE, note, world, &err));
	run(world);
	assert_int_equal(world->events, CRB_WRITABLE);
}

static void
many_descriptors_are_kept_apart(void **state)
{
	struct world *world = *state;
	struct crb_err err;
	int fds[100];

	for (size_t i = 0; i < 100; i++) {
		fds[i] = fcntl(world->a[0], F_DUPFD_CLOEXEC, 60);
		assert_ok(crb_loop_watch(world->loop, fds[i],
		    i == 77 ? CRB_WRITABLE : CRB_READABLE, note, world, &err));
	}
	run(world);
	assert_int_equal(world->calls, 1);
	assert_int_equal(world->last, fds[77]);
	for (size_t i = 0; i < 100; i++) {
		crb_loop_unwatch(world->loop, fds[i]);
		(void)close(fds[i]);
	}
}

static void
ring(void *ctx)
{
	struct world *world = ctx;

	world->calls++;
	crb_loop_stop(world->loop);
}

static void
a_timer_rings_when_it_is_due_and_once(void **state)
{
	struct world *world = *state;
	int64_t start = crb_loop_now(world->loop);
	struct crb_err err;

	crb_timer_init(&world->timer, ring, world);
	assert_ok(crb_timer_set(world->loop, &world->timer, 20, &err));
	run(world);
	assert_int_equal(world->calls, 1);
	assert_true(crb_loop_now(world->loop) - start >= 20);
	assert_int_equal(world->timer.slot, 0);

	/* The one that rang does not ring with the next. */
	crb_timer_init(&world->other, ring, world);
	assert_ok(crb_timer_set(world->loop, &world->other, 5, &err));
	run(world);
	assert_int_equal(world->calls, 2);
}

struct numbered {
	struct crb_timer timer;
	struct world *world;
	unsigned number;
	unsigned *log;
};

static void
write_down(void *ctx)
{
	struct numbered *numbered = ctx;

	numbered->log[numbered->world->calls++] = numbered->number;
	if (numbered->world->calls == 50)
		crb_loop_stop(numbered->world->loop);
}

static void
timers_ring_in_order_whatever_order_they_were_set_in(void **state)
{
	static struct numbered timers[100];
	struct world *world = *state;
	unsigned log[100];
	struct crb_err err;

	for (unsigned i = 0; i < 100; i++) {
		unsigned number = (i * 37) % 100;

		timers[i] = (struct numbered){
			.world = world, .number = number, .log = log
		};
		crb_timer_init(&timers[i].timer, write_down, &timers[i]);
		assert_ok(crb_timer_set(
		    world->loop, &timers[i].timer, 1000 + number, &err));
	}
	/* Half of them earlier, the others not at all. */
	for (unsigned i = 0; i < 100; i++) {
		if (timers[i].number % 2 == 0)
			assert_ok(crb_timer_set(world->loop, &timers[i].timer,
			    timers[i].number / 10, &err));
		else
			crb_timer_clear(world->loop, &timers[i].timer);
	}
	run(world);
	assert_int_equal(world->calls, 50);
	for (unsigned i = 0; i + 1 < 50; i++)
		assert_true(log[i] / 10 <= log[i + 1] / 10);
}

static void
a_cleared_timer_does_not_ring(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	crb_timer_init(&world->timer, ring, world);
	crb_timer_init(&world->other, ring, world);
	assert_ok(crb_timer_set(world->loop, &world->timer, 1, &err));
	assert_ok(crb_timer_set(world->loop, &world->other, 10, &err));
	crb_timer_clear(world->loop, &world->timer);
	crb_timer_clear(world->loop, &world->timer);
	run(world);
	assert_int_equal(world->calls, 1);
	assert_int_equal(world->other.slot, 0);
}

static void
ring_again_now(void *ctx)
{
	struct world *world = ctx;
	struct crb_err err;

	world->calls++;
	assert_ok(crb_timer_set(world->loop, &world->timer, -5, &err));
}

static void
count_turn(void *ctx)
{
	struct world *world = ctx;

	if (++world->turns == 5)
		crb_loop_stop(world->loop);
}

static void
a_timer_that_sets_itself_to_now_does_not_hold_the_turn(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	crb_timer_init(&world->timer, ring_again_now, world);
	assert_ok(crb_timer_set(world->loop, &world->timer, 0, &err));
	crb_loop_each_turn(world->loop, count_turn, world);
	run(world);
	assert_int_equal(world->turns, 5);
	assert_int_equal(world->calls, 5);
}

static void
a_timer_for_ever_does_not_wrap_around(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	crb_timer_init(&world->timer, ring, world);
	crb_timer_init(&world->other, ring, world);
	assert_ok(crb_timer_set(world->loop, &world->timer, INT64_MAX, &err));
	assert_ok(crb_timer_set(world->loop, &world->other, 1, &err));
	run(world);
	assert_int_equal(world->other.slot, 0);
	assert_int_not_equal(world->timer.slot, 0);
	crb_timer_clear(world->loop, &world->timer);
}

static void
hook_notes(void *ctx)
{
	struct world *world = ctx;

	strcat(world->order, "h");
	crb_loop_stop(world->loop);
}

static void
fd_notes(void *ctx, int fd, unsigned events)
{
	struct world *world = ctx;

	(void)fd;
	(void)events;
	strcat(world->order, "f");
}

static void
timer_notes(void *ctx)
{
	struct world *world = ctx;

	strcat(world->order, "t");
}

static void
the_hook_runs_after_the_callbacks_of_a_turn(void **state)
{
	struct world *world = *state;
	struct crb_err err;

	assert_ok(crb_loop_watch(
	    world->loop, world->a[0], CRB_WRITABLE, fd_notes, world, &err));
	assert_ok(crb_loop_watch(
	    world->loop, world->b[0], CRB_WRITABLE, fd_notes, world, &err));
	crb_timer_init(&world->timer, timer_notes, world);
	assert_ok(crb_timer_set(world->loop, &world->timer, 0, &err));
	crb_loop_each_turn(world->loop, hook_notes, world);
	run(world);
	assert_string_equal(world->order, "ffth");
}

static void
signal_notes(void *ctx, int signal)
{
	struct world *world = ctx;

	world->signals |= 1u << signal;
	crb_loop_stop(world->loop);
}

static void
signals_come_from_the_loop(void **state)
{
	static const int first[] = { SIGUSR1 }, second[] = { SIGUSR2, SIGHUP };
	static const int none[] = { 65 };
	struct world *world = *state;
	struct world other = { .loop = world->loop };
	struct crb_err err;

	assert_ok(
	    crb_loop_signals(world->loop, first, 1, signal_notes, world, &err));
	assert_ok(crb_loop_signals(
	    world->loop, second, 2, signal_notes, &other, &err));
	assert_fails(
	    crb_loop_signals(world->loop, none, 1, signal_notes, world, &err),
	    CRB_ERR_INVALID);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(raise(SIGHUP), 0);
	run(world);
	assert_int_equal(world->signals, 1u << SIGUSR1);
	assert_int_equal(other.signals, 1u << SIGHUP);
}

static void
a_stop_that_came_first_holds(void **state)
{
	struct world *world = *state;

	crb_loop_stop(world->loop);
	run(world);
	assert_int_equal(world->turns, 0);
}

static void
freeing_leaves_timers_unset(void **state)
{
	struct crb_timer timer;
	struct crb_loop *loop;
	struct crb_err err;

	(void)state;
	assert_ok(crb_loop_new(&loop, &err));
	crb_timer_init(&timer, ring, NULL);
	assert_ok(crb_timer_set(loop, &timer, 1000, &err));
	crb_loop_free(loop);
	crb_loop_free(NULL);
	assert_int_equal(timer.slot, 0);
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, make_world, free_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(what_can_be_read_is_reported_until_it_is),
		IN_WORLD(what_is_not_wanted_is_not_reported_but_a_hangup_is),
		IN_WORLD(
		    what_is_not_wanted_any_more_is_not_reported_in_this_turn),
		IN_WORLD(watching_again_replaces),
		IN_WORLD(what_cannot_be_watched_is_an_error),
		IN_WORLD(an_unwatched_descriptor_gets_no_event_of_this_turn),
		IN_WORLD(a_number_that_is_used_again_gets_no_event_of_before),
		IN_WORLD(a_number_that_was_closed_unasked_can_be_watched_again),
		IN_WORLD(many_descriptors_are_kept_apart),
		IN_WORLD(a_timer_rings_when_it_is_due_and_once),
		IN_WORLD(timers_ring_in_order_whatever_order_they_were_set_in),
		IN_WORLD(a_cleared_timer_does_not_ring),
		IN_WORLD(
		    a_timer_that_sets_itself_to_now_does_not_hold_the_turn),
		IN_WORLD(a_timer_for_ever_does_not_wrap_around),
		IN_WORLD(the_hook_runs_after_the_callbacks_of_a_turn),
		IN_WORLD(signals_come_from_the_loop),
		IN_WORLD(a_stop_that_came_first_holds),
		cmocka_unit_test(freeing_leaves_timers_unset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
