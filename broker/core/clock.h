#ifndef CRB_CORE_CLOCK_H
#define CRB_CORE_CLOCK_H

#include <stdbool.h>

/*
 * A descriptor that is readable once somebody has set the wall clock: the
 * loop's timers run on a clock that nobody sets, so what ends at a time of the
 * wall clock has to be looked at then.  -1, and a line in the log, where the
 * kernel cannot tell.
 */
int crb_clock_open(void);

/* Whether that is why it is readable; asked once for each time. */
bool crb_clock_was_set(int fd);

#endif /* !CRB_CORE_CLOCK_H */
