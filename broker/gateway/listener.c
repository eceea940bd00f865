#include "broker/gateway/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/gateway.h"

#define ACCEPTS_A_TURN 4
/* Out of descriptors or memory: look again after a while. */
#define PAUSE_MS 100

static void
pause_accepting(struct crb_session *session)
{
	struct crb_err err;

	crb_loop_want(session->gateway->loop, session->listener, 0);
	session->full = true;
	if (crb_timer_set(session->gateway->loop, &session->pause, PAUSE_MS,
		&err) != CRB_OK)
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

static void
resume_accepting(void *ctx)
{
	struct crb_session *session = ctx;

	session->full = false;
	crb_loop_want(session->gateway->loop, session->listener, CRB_READABLE);
}

/* The lowest number that is free says how many are not. */
static bool
is_scarce(const struct crb_gateway *gateway, int fd)
{
	return (rlim_t)fd >= gateway->descriptors - gateway->descriptors / 8;
}

/* After it was seen once, it is asked before each accept. */
static bool
still_scarce(struct crb_gateway *gateway, int listener)
{
	int fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);

	gateway->scarce = fd == -1 || is_scarce(gateway, fd);
	if (fd != -1)
		(void)close(fd);
	return gateway->scarce;
}

/* False: no more for now. */
static bool
accept_one(struct crb_session *session)
{
	struct crb_gateway *gateway = session->gateway;
	int fd;

	/* The rest is for sessions that are issued, and for streams. */
	if (gateway->scarce && still_scarce(gateway, session->listener)) {
		pause_accepting(session);
		crb_connection_evict(session);
		return false;
	}
	fd = accept4(
	    session->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1) {
		gateway->scarce = is_scarce(gateway, fd);
		return crb_connection_accept(session, fd);
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
	    errno == ENOMEM) {
		pause_accepting(session);
		crb_connection_evict(session);
		return false;
	}
	return errno == ECONNABORTED || errno == EINTR;
}

static void
listener_event(void *ctx, int fd, unsigned events)
{
	struct crb_session *session = ctx;

	if ((events & CRB_READABLE) == 0) {
		/* It cannot be listened on any more, and would report so. */
		crb_loop_unwatch(session->gateway->loop, fd);
		return;
	}
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		if (session->connection_count >= session->connection_max) {
			crb_connection_evict_own(session);
			session->full = true;
			crb_loop_want(session->gateway->loop, fd, 0);
			return;
		}
		if (!accept_one(session))
			return;
	}
}

enum crb_status
crb_listener_open(struct crb_session *session, struct crb_err *err)
{
	crb_timer_init(&session->pause, resume_accepting, session);
	return crb_loop_watch(session->gateway->loop, session->listener,
	    CRB_READABLE, listener_event, session, err);
}

void
crb_listener_close(struct crb_session *session)
{
	if (session->listener == -1)
		return;
	crb_timer_clear(session->gateway->loop, &session->pause);
	crb_loop_unwatch(session->gateway->loop, session->listener);
	(void)close(session->listener);
	session->listener = -1;
}

void
crb_listener_room(struct crb_session *session)
{
	if (!session->full || session->listener == -1)
		return;
	crb_timer_clear(session->gateway->loop, &session->pause);
	resume_accepting(session);
}
