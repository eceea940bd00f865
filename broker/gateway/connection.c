#include "broker/gateway/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/listener.h"
#include "broker/gateway/server.h"

#define HEAD_MS 5000
/*
 * Clients that ask in a row are not watched for requests between them; for a
 * hang-up they still are, since to begin and to end that costs two calls.
 */
#define QUIET_MS 1000
#define IDLE_MS 30000
#define REQUESTS_MAX 10000
#define HEADS_LOOKED_AT 64

static void
set_timer(struct crb_connection *connection, int64_t ms)
{
	struct crb_err err;

	if (crb_timer_set(connection->gateway->loop, &connection->timer, ms,
		&err) != CRB_OK)
		crb_connection_shut(connection);
}

/* Those that wait for their client can be ended without harm. */
static struct crb_connections *
list_of(struct crb_gateway *gateway, enum crb_connection_state state)
{
	if (state == CRB_CONNECTION_IDLE)
		return &gateway->idle;
	return state == CRB_CONNECTION_HEAD ? &gateway->heads : NULL;
}

static void
set_state(struct crb_connection *connection, enum crb_connection_state state)
{
	struct crb_connections *list;

	if ((list = list_of(connection->gateway, connection->state)) != NULL)
		TAILQ_REMOVE(list, connection, waiting);
	if ((list = list_of(connection->gateway, state)) != NULL)
		TAILQ_INSERT_TAIL(list, connection, waiting);
	connection->state = state;
}

static void
unwatch(struct crb_connection *connection)
{
	if (connection->watched)
		crb_loop_unwatch(connection->gateway->loop, connection->fd);
	connection->watched = false;
}

/*
 * Something came on an idle connection: its head is due soon.  On a suspended
 * one only a hang-up is heard of; behind a forwarder that is a half-close,
 * which no client does that still wants its answer.
 */
static void
fd_event(void *ctx, int fd, unsigned events)
{
	struct crb_connection *connection = ctx;

	(void)fd;
	(void)events;
	unwatch(connection);
	if (connection->state == CRB_CONNECTION_IDLE) {
		set_state(connection, CRB_CONNECTION_HEAD);
		set_timer(connection, HEAD_MS);
	} else if (connection->exchange != NULL) {
		crb_exchange_client_gone(connection->exchange);
	}
}

static void
watch(struct crb_connection *connection, unsigned events)
{
	struct crb_err err;

	if (crb_loop_watch(connection->gateway->loop, connection->fd, events,
		fd_event, connection, &err) != CRB_OK) {
		crb_connection_shut(connection);
		return;
	}
	connection->watched = true;
}

/*
 * One that is busy has no deadline of ours, and one that asks in a row moves
 * its own with each answer: the timer stays set, and is asked when it fires.
 */
static void
timer_event(void *ctx)
{
	struct crb_connection *connection = ctx;
	int64_t left = connection->quiet_until -
	    crb_loop_now(connection->gateway->loop);

	if (connection->state == CRB_CONNECTION_BUSY)
		return;
	if (connection->state != CRB_CONNECTION_QUIET) {
		crb_connection_shut(connection);
		return;
	}
	if (left > 0) {
		set_timer(connection, left);
		return;
	}
	set_state(connection, CRB_CONNECTION_IDLE);
	set_timer(connection, IDLE_MS);
	watch(connection, CRB_READABLE);
	crb_listener_room(connection->session);
}

/* The table by descriptor says which session a connection belongs to. */
static bool
enter(struct crb_gateway *gateway, struct crb_connection *connection)
{
	size_t room = gateway->connection_room > 0 ? gateway->connection_room
						   : 64;
	size_t at = (size_t)connection->fd;
	struct crb_connection **table;

	while (room <= at)
		room *= 2;
	if (room > gateway->connection_room) {
		table = reallocarray(gateway->connections, room,
		    sizeof(struct crb_connection *));
		if (table == NULL)
			return false;
		memset(table + gateway->connection_room, 0,
		    (room - gateway->connection_room) *
			sizeof(struct crb_connection *));
		gateway->connections = table;
		gateway->connection_room = room;
	}
	gateway->connections[at] = connection;
	return true;
}

static struct crb_connection *
new_connection(struct crb_session *session, int fd)
{
	struct crb_connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	*connection = (struct crb_connection){ .gateway = session->gateway,
		.session = session,
		.fd = fd,
		.state = CRB_CONNECTION_BUSY };
	crb_timer_init(&connection->timer, timer_event, connection);
	if (!enter(session->gateway, connection)) {
		free(connection);
		return NULL;
	}
	connection->next = session->connections;
	if (connection->next != NULL)
		connection->next->prev = connection;
	session->connections = connection;
	session->connection_count++;
	session->gateway->connection_count++;
	set_state(connection, CRB_CONNECTION_HEAD);
	return connection;
}

static void
free_connection(struct crb_connection *connection)
{
	struct crb_gateway *gateway = connection->gateway;
	struct crb_session *session = connection->session;

	unwatch(connection);
	set_state(connection, CRB_CONNECTION_BUSY);
	crb_timer_clear(gateway->loop, &connection->timer);
	gateway->connections[connection->fd] = NULL;
	if (connection->next != NULL)
		connection->next->prev = connection->prev;
	if (connection->prev != NULL)
		connection->prev->next = connection->next;
	else
		session->connections = connection->next;
	session->connection_count--;
	gateway->connection_count--;
	free(connection);
	crb_session_connection_gone(session);
}

bool
crb_connection_accept(struct crb_session *session, int fd)
{
	struct crb_gateway *gateway = session->gateway;
	struct crb_connection *connection = new_connection(session, fd);

	if (connection == NULL) {
		(void)close(fd);
		return false;
	}
	if (crb_server_add(gateway->server, fd)) {
		set_timer(connection, HEAD_MS);
		return true;
	}
	/* It may have been started and closed again. */
	if (gateway->connections[fd] == connection)
		free_connection(connection);
	return false;
}

void
crb_connection_notify(void *ctx, struct MHD_Connection *mhd,
    void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	struct crb_gateway *gateway = ctx;
	struct crb_connection *connection = *socket_context;
	const union MHD_ConnectionInfo *info;

	gateway->calls++;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (connection != NULL)
			free_connection(connection);
		*socket_context = NULL;
		return;
	}
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL || info->connect_fd < 0 ||
	    (size_t)info->connect_fd >= gateway->connection_room)
		return;
	connection = gateway->connections[info->connect_fd];
	connection->mhd = mhd;
	*socket_context = connection;
}

struct crb_connection *
crb_connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

void
crb_connection_busy(struct crb_connection *connection)
{
	if (connection->state == CRB_CONNECTION_IDLE)
		unwatch(connection);
	set_state(connection, CRB_CONNECTION_BUSY);
	connection->requests++;
}

void
crb_connection_quiet(struct crb_connection *connection)
{
	const int64_t until = crb_loop_now(connection->gateway->loop) +
	    QUIET_MS;

	connection->exchange = NULL;
	set_state(connection, CRB_CONNECTION_QUIET);
	connection->quiet_until = until;
	if (!crb_timer_fires_by(&connection->timer, until))
		set_timer(connection, QUIET_MS);
}

void
crb_connection_watch(struct crb_connection *connection)
{
	if (!connection->watched)
		watch(connection, 0);
}

void
crb_connection_shut(struct crb_connection *connection)
{
	(void)shutdown(connection->fd, SHUT_RDWR);
	if (connection->exchange != NULL)
		crb_exchange_client_gone(connection->exchange);
}

static void
evict(struct crb_connection *connection)
{
	set_state(connection, CRB_CONNECTION_BUSY);
	unwatch(connection);
	crb_connection_shut(connection);
}

/*
 * Not one that was answered just now: its next request may be on its way, and
 * a post is not sent again.
 */
void
crb_connection_evict_own(struct crb_session *session)
{
	struct crb_connection *connection = session->connections;

	while (connection != NULL && connection->state != CRB_CONNECTION_IDLE)
		connection = connection->next;
	if (connection != NULL)
		evict(connection);
}

/*
 * A client that has something to say says it at once: the one whose head is
 * awaited for longest, of a session that has more of them than the one that
 * waits, holds its place for nothing.
 */
void
crb_connection_evict(const struct crb_session *session)
{
	struct crb_gateway *gateway = session->gateway;
	struct crb_connection *connection = TAILQ_FIRST(&gateway->idle);
	unsigned looked_at = 0;

	if (connection != NULL) {
		evict(connection);
		return;
	}
	TAILQ_FOREACH(connection, &gateway->heads, waiting)
	{
		if (connection->session->connection_count >
		    session->connection_count + 1) {
			evict(connection);
			return;
		}
		if (++looked_at == HEADS_LOOKED_AT)
			return;
	}
}

bool
crb_connection_is_last(const struct crb_connection *connection)
{
	return connection->requests >= REQUESTS_MAX;
}
