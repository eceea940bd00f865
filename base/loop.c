#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/process.h"

#define EVENTS_A_TURN 64
#define SIGNALS 65 /* 1 to 64 */

/*
 * epoll hands back the descriptor and the generation it was watched in, so
 * that an event that was fetched before the number was used again is dropped.
 */
struct watch {
	crb_fd_fn *fn; /* NULL: not watched */
	void *ctx;
	unsigned events;
	uint32_t generation;
};

struct crb_loop {
	int epoll, clock, signals;
	bool running, stopping;
	int64_t now;
	int64_t armed; /* what `clock` is set to; 0: nothing */
	uint32_t generation;

	struct watch *watches; /* by descriptor */
	size_t watch_count;

	/* A heap, from 1, so that slot 0 says "not set". */
	struct crb_timer **timers;
	uint32_t timer_count, timer_cap;

	sigset_t mask;
	struct {
		crb_signal_fn *fn;
		void *ctx;
	} on_signal[SIGNALS];

	crb_turn_fn *each_turn;
	void *each_turn_ctx;
};

static void
free_loop(struct crb_loop **loop)
{
	crb_loop_free(*loop);
}

/* The loop's own descriptors are watched like any other. */
static void
clock_rang(void *ctx, int fd, unsigned events)
{
	struct crb_loop *loop = ctx;
	uint64_t expirations;

	(void)events;
	if (read(fd, &expirations, sizeof(expirations)) > 0)
		loop->armed = 0;
}

enum crb_status
crb_loop_new(struct crb_loop **out, struct crb_err *err)
{
	__attribute__((cleanup(free_loop))) struct crb_loop *loop = NULL;

	if ((loop = calloc(1, sizeof(*loop))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	loop->epoll = loop->clock = loop->signals = -1;
	loop->now = crb_clock_ms(CLOCK_BOOTTIME);
	(void)sigemptyset(&loop->mask);
	if ((loop->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1 ||
	    (loop->clock = timerfd_create(
		 CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) == -1)
		return crb_err_errno(err, "event loop");
	if (crb_loop_watch(loop, loop->clock, CRB_READABLE, clock_rang, loop,
		err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(loop);
	return CRB_OK;
}

void
crb_loop_free(struct crb_loop *loop)
{
	if (loop == NULL)
		return;
	for (uint32_t i = 1; i <= loop->timer_count; i++)
		loop->timers[i]->slot = 0;
	crb_fd_cleanup(&loop->epoll);
	crb_fd_cleanup(&loop->clock);
	crb_fd_cleanup(&loop->signals);
	free(loop->watches);
	free(loop->timers);
	free(loop);
}

static struct watch *
watch_of(const struct crb_loop *loop, int fd)
{
	if (fd < 0 || (size_t)fd >= loop->watch_count)
		return NULL;
	return loop->watches[fd].fn != NULL ? &loop->watches[fd] : NULL;
}

static enum crb_status
make_room(struct crb_loop *loop, int fd, struct crb_err *err)
{
	size_t count = loop->watch_count > 0 ? loop->watch_count : 64;
	struct watch *watches;

	if ((size_t)fd < loop->watch_count)
		return CRB_OK;
	while (count <= (size_t)fd)
		count *= 2;
	if ((watches = realloc(loop->watches, count * sizeof(*watches))) ==
	    NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	memset(watches + loop->watch_count, 0,
	    (count - loop->watch_count) * sizeof(*watches));
	loop->watches = watches;
	loop->watch_count = count;
	return CRB_OK;
}

static int
tell_epoll(struct crb_loop *loop, int fd, int op, const struct watch *watch)
{
	struct epoll_event event = { .events = EPOLLRDHUP };

	if ((watch->events & CRB_READABLE) != 0)
		event.events |= EPOLLIN;
	if ((watch->events & CRB_WRITABLE) != 0)
		event.events |= EPOLLOUT;
	event.data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)fd;
	return epoll_ctl(loop->epoll, op, fd, &event);
}

enum crb_status
crb_loop_watch(struct crb_loop *loop, int fd, unsigned events, crb_fd_fn *fn,
    void *ctx, struct crb_err *err)
{
	struct watch watch = { fn, ctx, events, ++loop->generation };
	int status;

	if (fd < 0)
		return crb_err_set(err, CRB_ERR_INVALID, "not a descriptor");
	if (make_room(loop, fd, err) != CRB_OK)
		return err->status;
	/* It may be there from before, or may have left by a close(). */
	status = tell_epoll(loop, fd, EPOLL_CTL_ADD, &watch);
	if (status != 0 && errno == EEXIST)
		status = tell_epoll(loop, fd, EPOLL_CTL_MOD, &watch);
	if (status != 0)
		return crb_err_errno(err, "watching a descriptor");
	loop->watches[fd] = watch;
	return CRB_OK;
}

void
crb_loop_want(struct crb_loop *loop, int fd, unsigned events)
{
	struct watch *watch = watch_of(loop, fd);

	if (watch == NULL || watch->events == events)
		return;
	watch->events = events;
	(void)tell_epoll(loop, fd, EPOLL_CTL_MOD, watch);
}

void
crb_loop_unwatch(struct crb_loop *loop, int fd)
{
	struct watch *watch = watch_of(loop, fd);

	if (watch == NULL)
		return;
	watch->fn = NULL;
	/* It fails when `fd` was closed first, which is as good. */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void
crb_timer_init(struct crb_timer *timer, crb_timer_fn *fn, void *ctx)
{
	*timer = (struct crb_timer){ .fn = fn, .ctx = ctx };
}

static void
heap_put(struct crb_loop *loop, uint32_t slot, struct crb_timer *timer)
{
	loop->timers[slot] = timer;
	timer->slot = slot;
}

/* Find the place of `timer`, starting at a slot that is free. */
static void
heap_settle(struct crb_loop *loop, uint32_t slot, struct crb_timer *timer)
{
	uint32_t child;

	for (; slot > 1 && loop->timers[slot / 2]->due > timer->due; slot /= 2)
		heap_put(loop, slot, loop->timers[slot / 2]);
	while ((child = slot * 2) <= loop->timer_count) {
		if (child < loop->timer_count &&
		    loop->timers[child + 1]->due < loop->timers[child]->due)
			child++;
		if (loop->timers[child]->due >= timer->due)
			break;
		heap_put(loop, slot, loop->timers[child]);
		slot = child;
	}
	heap_put(loop, slot, timer);
}

static enum crb_status
heap_grow(struct crb_loop *loop, struct crb_err *err)
{
	uint32_t cap = loop->timer_cap > 0 ? loop->timer_cap * 2 : 16;
	struct crb_timer **timers;

	if (loop->timer_count + 1 < loop->timer_cap)
		return CRB_OK;
	if ((timers = reallocarray(loop->timers, cap, sizeof(*timers))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	loop->timers = timers;
	loop->timer_cap = cap;
	return CRB_OK;
}

enum crb_status
crb_timer_set(struct crb_loop *loop, struct crb_timer *timer,
    int64_t ms_from_now, struct crb_err *err)
{
	uint32_t slot = timer->slot;

	/* Before the first turn nobody has read the clock. */
	if (!loop->running)
		loop->now = crb_clock_ms(CLOCK_BOOTTIME);
	if (slot == 0) {
		if (heap_grow(loop, err) != CRB_OK)
			return err->status;
		slot = ++loop->timer_count;
	}
	ms_from_now = ms_from_now > 0 ? ms_from_now : 0;
	timer->due = ms_from_now > INT64_MAX - loop->now
	    ? INT64_MAX
	    : loop->now + ms_from_now;
	heap_settle(loop, slot, timer);
	return CRB_OK;
}

void
crb_timer_clear(struct crb_loop *loop, struct crb_timer *timer)
{
	uint32_t slot = timer->slot;
	struct crb_timer *last;

	if (slot == 0)
		return;
	last = loop->timers[loop->timer_count--];
	timer->slot = 0;
	if (last != timer)
		heap_settle(loop, slot, last);
}

static void
signal_came(void *ctx, int fd, unsigned events)
{
	struct crb_loop *loop = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo < SIGNALS &&
		    loop->on_signal[info.ssi_signo].fn != NULL)
			loop->on_signal[info.ssi_signo].fn(
			    loop->on_signal[info.ssi_signo].ctx,
			    (int)info.ssi_signo);
	}
}

enum crb_status
crb_loop_signals(struct crb_loop *loop, const int *signals, unsigned count,
    crb_signal_fn *fn, void *ctx, struct crb_err *err)
{
	int fd;

	for (unsigned i = 0; i < count; i++) {
		if (signals[i] <= 0 || signals[i] >= SIGNALS)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "no signal is %d", signals[i]);
		(void)sigaddset(&loop->mask, signals[i]);
		loop->on_signal[signals[i]].fn = fn;
		loop->on_signal[signals[i]].ctx = ctx;
	}
	if ((errno = pthread_sigmask(SIG_BLOCK, &loop->mask, NULL)) != 0)
		return crb_err_errno(err, "blocking signals");
	if ((fd = signalfd(
		 loop->signals, &loop->mask, SFD_CLOEXEC | SFD_NONBLOCK)) == -1)
		return crb_err_errno(err, "signalfd");
	loop->signals = fd;
	return crb_loop_watch(loop, fd, CRB_READABLE, signal_came, loop, err);
}

void
crb_loop_each_turn(struct crb_loop *loop, crb_turn_fn *fn, void *ctx)
{
	loop->each_turn = fn;
	loop->each_turn_ctx = ctx;
}

/*
 * The timerfd, unlike epoll_wait()'s timeout, counts suspend too.  Returns
 * that timeout: 0 when a timer is due by now.
 */
static enum crb_status
arm(struct crb_loop *loop, int *timeout, struct crb_err *err)
{
	int64_t due = loop->timer_count > 0 ? loop->timers[1]->due : 0;
	struct itimerspec at = { 0 };

	*timeout = loop->timer_count > 0 && due <= crb_clock_ms(CLOCK_BOOTTIME)
	    ? 0
	    : -1;
	if (*timeout == 0 || due == loop->armed)
		return CRB_OK;
	at.it_value.tv_sec = (time_t)(due / 1000);
	at.it_value.tv_nsec = (long)(due % 1000) * 1000000;
	if (timerfd_settime(loop->clock, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		return crb_err_errno(err, "setting the clock");
	loop->armed = due;
	return CRB_OK;
}

static unsigned
events_of(const struct watch *watch, uint32_t bits)
{
	unsigned events = 0;

	/* What was wanted when epoll looked may not be any more. */
	if ((bits & EPOLLIN) != 0)
		events |= watch->events & CRB_READABLE;
	if ((bits & EPOLLOUT) != 0)
		events |= watch->events & CRB_WRITABLE;
	if ((bits & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0)
		events |= CRB_HANGUP;
	return events;
}

static void
dispatch(struct crb_loop *loop, const struct epoll_event *event)
{
	int fd = (int)(uint32_t)event->data.u64;
	const struct watch *watch = watch_of(loop, fd);
	unsigned events;

	if (watch == NULL ||
	    watch->generation != (uint32_t)(event->data.u64 >> 32))
		return;
	if ((events = events_of(watch, event->events)) != 0)
		watch->fn(watch->ctx, fd, events);
}

static void
run_timers(struct crb_loop *loop)
{
	/* At most as many as there were: one may set itself to now again. */
	uint32_t left = loop->timer_count;
	struct crb_timer *timer;

	for (; left > 0 && loop->timer_count > 0; left--) {
		timer = loop->timers[1];
		if (timer->due > loop->now)
			return;
		crb_timer_clear(loop, timer);
		timer->fn(timer->ctx);
	}
}

static enum crb_status
turn(struct crb_loop *loop, struct crb_err *err)
{
	struct epoll_event events[EVENTS_A_TURN];
	int timeout, count;

	if (arm(loop, &timeout, err) != CRB_OK)
		return err->status;
	count = epoll_wait(loop->epoll, events, EVENTS_A_TURN, timeout);
	if (count == -1 && errno != EINTR)
		return crb_err_errno(err, "epoll_wait");
	loop->now = crb_clock_ms(CLOCK_BOOTTIME);
	for (int i = 0; i < count; i++)
		dispatch(loop, &events[i]);
	run_timers(loop);
	if (loop->each_turn != NULL)
		loop->each_turn(loop->each_turn_ctx);
	return CRB_OK;
}

enum crb_status
crb_loop_run(struct crb_loop *loop, struct crb_err *err)
{
	enum crb_status status = CRB_OK;

	loop->running = true;
	while (status == CRB_OK && !loop->stopping)
		status = turn(loop, err);
	loop->running = false;
	loop->stopping = false;
	return status;
}

void
crb_loop_stop(struct crb_loop *loop)
{
	loop->stopping = true;
}

int64_t
crb_loop_now(const struct crb_loop *loop)
{
	return loop->now;
}
