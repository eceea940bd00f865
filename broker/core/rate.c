#include "broker/core/rate.h"

bool
crb_rate_take(
    struct crb_rate *rate, int64_t now_ms, int64_t each_us, int64_t burst)
{
	int64_t now = now_ms * 1000;
	int64_t spent = rate->spent_us > now ? rate->spent_us : now;

	if (spent + each_us > now + burst * each_us)
		return false;
	rate->spent_us = spent + each_us;
	return true;
}

void
crb_rate_spend(
    struct crb_rate *rate, int64_t now_ms, int64_t each_us, int64_t times)
{
	int64_t now = now_ms * 1000;

	if (rate->spent_us < now)
		rate->spent_us = now;
	rate->spent_us += times * each_us;
}

int64_t
crb_rate_wait(
    const struct crb_rate *rate, int64_t now_ms, int64_t each_us, int64_t burst)
{
	int64_t wait = rate->spent_us + each_us - burst * each_us -
	    now_ms * 1000;

	return wait > 0 ? (wait + 999) / 1000 : 0;
}
