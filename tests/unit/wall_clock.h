#ifndef UNIT_WALL_CLOCK_H
#define UNIT_WALL_CLOCK_H

#include <stdint.h>
#include <time.h>

/*
 * A wall clock that tests set: link with -Wl,--wrap=clock_gettime, and include
 * this once.
 */

/* By how much somebody has set it. */
static int64_t set_by;

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = __real_clock_gettime(clock, out);

	if (clock == CLOCK_REALTIME)
		out->tv_sec += set_by;
	return result;
}

#endif /* !UNIT_WALL_CLOCK_H */
