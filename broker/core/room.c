#include "broker/core/room.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/core/session.h"
#include "broker/core/session_end.h"

/* For what goes on while a session is issued: files, streams, admins. */
#define SPARE 32

size_t
crb_room_most(const struct crb_core *core)
{
	size_t most = (size_t)core->config.sessions_max;
	size_t fit = core->limits.descriptors > 0
	    ? (size_t)core->limits.descriptors / 4 * 3
	    : most;

	return most < fit ? most : fit;
}

static bool
bury_oldest(struct crb_core *core)
{
	struct crb_session *session;

	TAILQ_FOREACH(session, &core->list, link)
	{
		if (session->state == CRB_SESSION_OPENING ||
		    session->state == CRB_SESSION_LIVE)
			continue;
		crb_session_bury(session);
		return true;
	}
	return false;
}

/* The lowest number that is free says how many are not. */
static enum crb_status
check_descriptors(struct crb_err *err)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (fd >= 0)
		(void)close(fd);
	if (fd >= 0 && (rlim_t)fd + SPARE < limit.rlim_cur)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_LIMIT,
	    "the core has no descriptors left for another session (of %llu open files)",
	    (unsigned long long)limit.rlim_cur);
}

enum crb_status
crb_room_make(struct crb_core *core, struct crb_err *err)
{
	size_t most = crb_room_most(core);

	while (core->sessions.count >= most && bury_oldest(core))
		continue;
	if (core->sessions.count >= most)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%zu sessions are open, which is the limit (%s)",
		    core->sessions.count,
		    most < (size_t)core->config.sessions_max
			? "of open files, of which a session needs some"
			: "sessions_max in the config file");
	return check_descriptors(err);
}
