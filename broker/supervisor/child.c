#include "broker/supervisor/child.h"

#include <sys/wait.h>

#include "base/log.h"

void
crb_child_log_end(const char *name, pid_t pid, int status, bool expected)
{
	crb_log(expected ? CRB_LOG_INFO : CRB_LOG_WARN, "child ended",
	    CRB_LOG_PROCESS, name, CRB_LOG_PID, (int64_t)pid,
	    WIFSIGNALED(status) ? CRB_LOG_SIGNAL : CRB_LOG_STATUS,
	    (int64_t)(WIFSIGNALED(status) ? WTERMSIG(status)
					  : WEXITSTATUS(status)),
	    CRB_LOG_END);
}

int64_t
crb_restart_delay(int64_t last_delay_ms, int64_t was_up_ms)
{
	if (last_delay_ms == 0 || was_up_ms >= CRB_RESTART_RESET_MS)
		return CRB_RESTART_FIRST_MS;
	if (last_delay_ms >= CRB_RESTART_MOST_MS / 2)
		return CRB_RESTART_MOST_MS;
	return 2 * last_delay_ms;
}
