#ifndef CRB_CONNECTION_H
#define CRB_CONNECTION_H

#include <stdbool.h>
#include <sys/queue.h>

#include <microhttpd.h>

#include "base/loop.h"

struct crb_exchange;
struct crb_gateway;
struct crb_session;

/*
 * A connection of a sandbox to its endpoint.  Which listening socket it came
 * from says which session it belongs to.  libmicrohttpd owns the descriptor;
 * its own time-out starts again with each byte, so the deadlines for a head
 * and for idleness are kept here.
 */
enum crb_connection_state {
	CRB_CONNECTION_HEAD,  /* a request's head is due */
	CRB_CONNECTION_QUIET, /* has just been answered */
	CRB_CONNECTION_IDLE,  /* nothing has come for a while */
	CRB_CONNECTION_BUSY,  /* in an exchange */
};

struct crb_connection {
	struct crb_gateway *gateway;
	struct crb_session *session;
	struct MHD_Connection *mhd;
	struct crb_exchange *exchange; /* NULL between requests */
	int fd;
	enum crb_connection_state state;
	struct crb_timer timer;
	int64_t quiet_until; /* on the loop's clock */
	unsigned requests;
	bool watched;
	struct crb_connection *next, *prev;  /* of the session */
	TAILQ_ENTRY(crb_connection) waiting; /* by its state, oldest first */
};

/* Takes `fd`.  False: it was closed. */
bool crb_connection_accept(struct crb_session *session, int fd);

/* libmicrohttpd's MHD_OPTION_NOTIFY_CONNECTION; `ctx` is the gateway. */
void crb_connection_notify(void *ctx, struct MHD_Connection *mhd,
    void **socket_context, enum MHD_ConnectionNotificationCode code);

struct crb_connection *crb_connection_of(struct MHD_Connection *mhd);

/* The head has come; its answer has gone. */
void crb_connection_busy(struct crb_connection *connection);
void crb_connection_quiet(struct crb_connection *connection);

/* The request is suspended: say if the client leaves. */
void crb_connection_watch(struct crb_connection *connection);

/* End it: libmicrohttpd closes it when it next looks. */
void crb_connection_shut(struct crb_connection *connection);

/*
 * Make room by closing one that nobody will miss: an idle one of this session;
 * or, for this session, one of any that has been idle for longest or keeps us
 * waiting for a head while its session has more.
 */
void crb_connection_evict_own(struct crb_session *session);
void crb_connection_evict(const struct crb_session *session);

/* The last answer of a connection says so. */
bool crb_connection_is_last(const struct crb_connection *connection);

#endif /* !CRB_CONNECTION_H */
