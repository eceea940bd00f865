#ifndef CRB_LOOP_H
#define CRB_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * One epoll loop a process: descriptors, timers, signals, and a hook at the
 * end of every turn (where what arrived in it is committed together).  Not
 * thread-safe; other threads wake it through an eventfd that they share.
 */
struct crb_loop;

enum { CRB_READABLE = 1, CRB_WRITABLE = 2, CRB_HANGUP = 4 };

typedef void crb_fd_fn(void *ctx, int fd, unsigned events);
typedef void crb_timer_fn(void *ctx);
typedef void crb_signal_fn(void *ctx, int signal);
typedef void crb_turn_fn(void *ctx);

CRB_NODISCARD enum crb_status crb_loop_new(
    struct crb_loop **out, struct crb_err *err);
void crb_loop_free(struct crb_loop *loop);

/*
 * Watch `fd` (borrowed) for CRB_READABLE and CRB_WRITABLE, level-triggered;
 * CRB_HANGUP (HUP, RDHUP, ERR) is always reported.  Watching one twice
 * replaces; a callback may unwatch any descriptor, its own included, after
 * which no event of this turn reaches it any more, even when the number is
 * used again.
 */
CRB_NODISCARD enum crb_status crb_loop_watch(struct crb_loop *loop, int fd,
    unsigned events, crb_fd_fn *fn, void *ctx, struct crb_err *err);
/* Change what an fd is watched for; it must be watched. */
void crb_loop_want(struct crb_loop *loop, int fd, unsigned events);
void crb_loop_unwatch(struct crb_loop *loop, int fd);

/*
 * Timers run on CLOCK_BOOTTIME, which counts suspend.  Embedded in the
 * caller's struct; setting one that is set moves it.
 */
struct crb_timer {
	crb_timer_fn *fn;
	void *ctx;
	int64_t due;   /* ms on the loop's clock; private */
	uint32_t slot; /* 0 when not set; private */
};
void crb_timer_init(struct crb_timer *timer, crb_timer_fn *fn, void *ctx);
CRB_NODISCARD enum crb_status crb_timer_set(struct crb_loop *loop,
    struct crb_timer *timer, int64_t ms_from_now, struct crb_err *err);
void crb_timer_clear(struct crb_loop *loop, struct crb_timer *timer);
/* It is set, and for then or earlier; in milliseconds of the loop's clock. */
static inline bool
crb_timer_fires_by(const struct crb_timer *timer, int64_t when)
{
	return timer->slot != 0 && timer->due <= when;
}

/* Blocks these signals in the process and reports them from the loop. */
CRB_NODISCARD enum crb_status crb_loop_signals(struct crb_loop *loop,
    const int *signals, unsigned count, crb_signal_fn *fn, void *ctx,
    struct crb_err *err);

/* Called once after the callbacks of each turn. */
void crb_loop_each_turn(struct crb_loop *loop, crb_turn_fn *fn, void *ctx);

/* Until crb_loop_stop(). */
CRB_NODISCARD enum crb_status crb_loop_run(
    struct crb_loop *loop, struct crb_err *err);
void crb_loop_stop(struct crb_loop *loop);

/* Milliseconds of CLOCK_BOOTTIME, read once a turn. */
int64_t crb_loop_now(const struct crb_loop *loop);

#endif /* !CRB_LOOP_H */
