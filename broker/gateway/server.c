#include "broker/gateway/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <microhttpd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "broker/gateway/connection.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/gateway.h"

/*
 * A connection's memory: the largest head that is accepted, with a word for
 * each of its lines, and that of its answer; a body gets what is left.
 * libmicrohttpd clears all of it behind each request, and its reading half once
 * more, so that more of it costs a small request time, and an idle connection
 * memory.
 */
#define POOL_BYTES (40u << 10)
/* A transfer in which nothing moves for so long is over. */
#define STALL_SECONDS 120
/* At most this many rounds a turn, so that the bus gets its share. */
#define ROUNDS 4
/*
 * A buffer full of what is no body (an endless chunk extension) leaves
 * libmicrohttpd with a connection that it can neither read nor serve, and that
 * is always ready: so after so many rounds of nothing, it rests.
 */
#define IDLE_ROUNDS 32
#define REST_MS 50

struct crb_server {
	struct crb_gateway *gateway;
	struct MHD_Daemon *daemon;
	int epoll;
	bool due;             /* run in this turn */
	unsigned idle_rounds; /* in a row */
	struct crb_timer timer;
	int64_t timer_at; /* on the loop's clock; 0: not set */
};

/* What it says is about single requests, and a sandbox could fill a disk. */
static void CRB_PRINTF(2, 0) log_line(void *ctx, const char *fmt, va_list ap)
{
	(void)ctx;
	(void)fmt;
	(void)ap;
}

/* Nothing is decoded: what is judged is what was sent. */
static size_t
keep_escapes(void *ctx, struct MHD_Connection *mhd, char *text)
{
	(void)ctx;
	(void)mhd;
	return strlen(text);
}

static void
epoll_event(void *ctx, int fd, unsigned events)
{
	struct crb_server *server = ctx;

	(void)fd;
	(void)events;
	server->due = true;
}

static void
timer_event(void *ctx)
{
	struct crb_server *server = ctx;

	server->timer_at = 0;
	server->due = true;
}

/* Moved only when that makes it earlier: a wake-up too many is cheap. */
static void
set_timer(struct crb_server *server, int64_t ms)
{
	int64_t at = crb_loop_now(server->gateway->loop) + ms;
	struct crb_err err;

	if (server->timer_at != 0 && server->timer_at <= at)
		return;
	if (crb_timer_set(server->gateway->loop, &server->timer, ms, &err) !=
	    CRB_OK) {
		crb_log(CRB_LOG_ERROR, "no timer", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
		return;
	}
	server->timer_at = at;
}

static void
run(struct crb_server *server)
{
	unsigned long calls = server->gateway->calls;

	server->due = false;
	server->gateway->wall = crb_wall_seconds();
	(void)MHD_run(server->daemon);
	server->idle_rounds = calls == server->gateway->calls
	    ? server->idle_rounds + 1
	    : 0;
}

static void
each_turn(void *ctx)
{
	struct crb_server *server = ctx;
	MHD_UNSIGNED_LONG_LONG ms = 0;
	bool waits = false, rests = false;

	for (int round = 0; server->due && round < ROUNDS; round++) {
		run(server);
		waits = MHD_get_timeout(server->daemon, &ms) == MHD_YES;
		rests = waits && ms == 0 && server->idle_rounds >= IDLE_ROUNDS;
		if (waits && ms == 0 && !rests)
			server->due = true;
	}
	if (rests)
		set_timer(server, REST_MS);
	else if (server->due)
		set_timer(server, 0);
	else if (waits)
		set_timer(server, ms < INT32_MAX ? (int64_t)ms : INT32_MAX);
}

/* As many as there may be descriptors. */
static unsigned
connection_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	return limit.rlim_cur < INT32_MAX ? (unsigned)limit.rlim_cur
					  : INT32_MAX;
}

static struct MHD_Daemon *
start(struct crb_server *server)
{
	struct MHD_OptionItem options[] = {
		/* First, so that it also hears of the others. */
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_line, server },
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connection_limit(),
		    NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)POOL_BYTES,
		    NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, STALL_SECONDS, NULL },
		/* What it would refuse is refused by us, with one answer. */
		{ MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes,
		    server },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)crb_exchange_target,
		    server->gateway },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)crb_connection_notify,
		    server->gateway },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)crb_exchange_completed,
		    server->gateway },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, crb_exchange_access, server->gateway,
	    MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static void
free_server(struct crb_server **server)
{
	crb_server_free(*server);
}

enum crb_status
crb_server_new(
    struct crb_gateway *gateway, struct crb_server **out, struct crb_err *err)
{
	__attribute__((cleanup(free_server))) struct crb_server *server = NULL;
	const union MHD_DaemonInfo *info;

	if ((server = calloc(1, sizeof(*server))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	server->gateway = gateway;
	server->epoll = -1;
	crb_timer_init(&server->timer, timer_event, server);
	if ((server->daemon = start(server)) == NULL ||
	    (info = MHD_get_daemon_info(
		 server->daemon, MHD_DAEMON_INFO_EPOLL_FD)) == NULL)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "the HTTP server does not start");
	server->epoll = info->epoll_fd;
	if (crb_loop_watch(gateway->loop, server->epoll, CRB_READABLE,
		epoll_event, server, err) != CRB_OK)
		return err->status;
	crb_loop_each_turn(gateway->loop, each_turn, server);
	*out = CRB_STEAL(server);
	return CRB_OK;
}

void
crb_server_free(struct crb_server *server)
{
	if (server == NULL)
		return;
	crb_loop_each_turn(server->gateway->loop, NULL, NULL);
	crb_timer_clear(server->gateway->loop, &server->timer);
	if (server->epoll != -1)
		crb_loop_unwatch(server->gateway->loop, server->epoll);
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon);
	free(server);
}

bool
crb_server_add(struct crb_server *server, int fd)
{
	/* It only asks for the family: there is no name worth giving. */
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (MHD_add_connection(server->daemon, fd,
		(const struct sockaddr *)&addr,
		sizeof(addr.sun_family)) != MHD_YES)
		return false;
	server->due = true;
	return true;
}

void
crb_server_wake(struct crb_server *server)
{
	server->due = true;
}
