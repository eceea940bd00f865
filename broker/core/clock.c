#include "broker/core/clock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

/* In the year 2242; the kernel counts up to 2262. */
#define NEVER_S 8589934592

int
crb_clock_open(void)
{
	const struct itimerspec never = { .it_value.tv_sec = NEVER_S };
	CRB_AUTO_FD int fd = timerfd_create(
	    CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	struct crb_err err;

	if (fd != -1 &&
	    timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
		&never, NULL) == 0)
		return CRB_STEAL_FD(fd);
	(void)crb_err_errno(&err, "a timer");
	crb_log(CRB_LOG_WARN, "a clock that is set is seen late",
	    CRB_LOG_REASON, err.msg, CRB_LOG_END);
	return -1;
}

bool
crb_clock_was_set(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == -1 && errno == ECANCELED;
}
