#ifndef CRB_RATE_H
#define CRB_RATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How often something may happen: `burst` times at once, and once in every
 * `each_us` microseconds in the long run (the generic cell rate algorithm).
 * Zeroed, it is unused.  Not for changing `burst` or `each_us` in between.
 */
struct crb_rate {
	int64_t spent_us; /* the loop's clock: when all is given back */
};

/* True when it may, which is then counted.  `now_ms` is the loop's clock. */
bool crb_rate_take(
    struct crb_rate *rate, int64_t now_ms, int64_t each_us, int64_t burst);
/* It happens in any case, so many times: what comes after it waits. */
void crb_rate_spend(
    struct crb_rate *rate, int64_t now_ms, int64_t each_us, int64_t times);
/* In how many milliseconds it may again; 0: now. */
int64_t crb_rate_wait(const struct crb_rate *rate, int64_t now_ms,
    int64_t each_us, int64_t burst);

#endif /* !CRB_RATE_H */
