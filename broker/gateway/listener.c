#include "broker/gateway/listener.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/gateway.h"

#define ACCEPTS_A_TURN 4
/* Out of descriptors or memory: look again after a while. */
#define PAUSE_MS 100
/* What the process has open besides: bus, log, epoll and so on. */
#define DESCRIPTORS_OWN 10

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

/* The rest is for sessions that are issued, and for streams. */
static bool
is_scarce(const struct crb_gateway *gateway)
{
	rlim_t used = gateway->connection_count + gateway->flow_count +
	    gateway->sessions.count + DESCRIPTORS_OWN;

	return used >= gateway->descriptors - gateway->descriptors / 8;
}

/* False: no more for now. */
static bool
accept_one(struct crb_session *session)
{
	struct crb_gateway *gateway = session->gateway;
	int fd;

	if (is_scarce(gateway)) {
		pause_accepting(session);
		crb_connection_evict(session);
		return false;
	}
	fd = accept4(
	    session->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1)
		return crb_connection_accept(session, fd);
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
