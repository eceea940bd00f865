#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/cleanup.h"
#include "shim/connect.h"
#include "shim/flow.h"
#include "shim/forward.h"
#include "shim/listen.h"
#include "shim/peer.h"
#include "shim/say.h"

#define LINKS_MAX 512
#define EVENTS_A_TURN 64
/* How long a client that was answered in our own words may still send. */
#define LINGER_MS 2000
/* How long one that nobody can serve may keep us waiting for its request. */
#define SILENCE_MS 10000
/* How long a link waits at least for a broker that has long been away. */
#define AWAY_MS 1000
/* Out of descriptors or memory: how long to accept nothing. */
#define PAUSE_MS 100

#define REFUSAL_TEXT                                                        \
	"credbroker: the broker does not answer: it is not running, it is " \
	"locked, or this session has ended\n"
static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\n"
			      "Content-Type: text/plain\r\n"
			      "Content-Length: 99\r\n"
			      "Credbroker-Error: unreachable\r\n"
			      "Cache-Control: no-store\r\n"
			      "Connection: close\r\n"
			      "\r\n" REFUSAL_TEXT;
_Static_assert(sizeof(REFUSAL_TEXT) - 1 == 99, "Content-Length above");

/* One of the two descriptors of a link, as epoll knows it. */
struct end {
	struct link *link;
	int fd;
	uint32_t events;
	bool watched;
	bool hung_up;
};

enum link_state {
	LINK_CONNECTING, /* the broker is tried; the client waits, unread */
	LINK_RELAYING,
	LINK_REFUSING,  /* the client's first bytes are awaited */
	LINK_LINGERING, /* all is said; the client's rest is thrown away */
	LINK_DEAD,      /* closed; freed when this turn's events are done */
};

struct link {
	enum link_state state;
	struct link *previous;
	struct link *next;
	struct end client;
	struct end broker;
	long long due; /* when the state's time is over; 0: it has none */
	long long since;
	unsigned attempts;
	struct crb_flow up;   /* client to broker */
	struct crb_flow down; /* broker to client */
};

struct forwarder {
	const char *socket;
	int retry_ms;
	int epoll;
	struct end listener;
	bool strangers; /* others than ours can reach the listener */
	struct link *links;
	struct link *dead;
	size_t link_count;
	size_t due_count;
	long long paused_until; /* 0: not paused */
	bool away;              /* the last attempt to connect failed */
	long long away_since;
	long long away_seen;
};

/*
 * Have epoll report `events`.  Errors and hang-ups are reported unasked, so an
 * end that hung up and has nothing to do must leave, or it would spin.
 */
static bool
watch(struct forwarder *forwarder, struct end *end, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = end };
	bool wanted = events != 0 || !end->hung_up;
	int op = EPOLL_CTL_MOD;

	if (!wanted && !end->watched)
		return true;
	if (wanted && end->watched && end->events == events)
		return true;
	if (!wanted)
		op = EPOLL_CTL_DEL;
	else if (!end->watched)
		op = EPOLL_CTL_ADD;
	end->watched = wanted;
	end->events = events;
	return epoll_ctl(forwarder->epoll, op, end->fd, &event) == 0;
}

static void
set_due(struct forwarder *forwarder, struct link *link, long long due)
{
	forwarder->due_count += due != 0;
	forwarder->due_count -= link->due != 0;
	link->due = due;
}

static void
link_close(struct forwarder *forwarder, struct link *link)
{
	set_due(forwarder, link, 0);
	(void)close(link->client.fd);
	if (link->broker.fd != -1)
		(void)close(link->broker.fd);
	if (link->previous != NULL)
		link->previous->next = link->next;
	else
		forwarder->links = link->next;
	if (link->next != NULL)
		link->next->previous = link->previous;
	link->state = LINK_DEAD;
	link->next = forwarder->dead;
	forwarder->dead = link;
	forwarder->link_count--;
}

/* This turn's events may still have named them. */
static void
free_dead(struct forwarder *forwarder)
{
	while (forwarder->dead != NULL) {
		struct link *link = forwarder->dead;

		forwarder->dead = link->next;
		free(link);
	}
}

static uint32_t
interest(const struct crb_flow *in, const struct crb_flow *out)
{
	return (crb_flow_wants(in) ? EPOLLIN : 0U) |
	    (out->len > 0 ? EPOLLOUT : 0U);
}

/* Decide, after anything moved, what the link waits for next. */
static void
link_settle(struct forwarder *forwarder, struct link *link)
{
	const struct crb_flow *up = &link->up;
	bool over = up->closed || (up->broken && up->ended);
	bool unasked = link->state == LINK_REFUSING && up->ended && !up->begun;

	if (up->failed || unasked || link->down.broken ||
	    (link->down.closed && over)) {
		link_close(forwarder, link);
		return;
	}
	/*
	 * The client has its answer, and nobody reads what it still sends.
	 * Closing now would reset the connection and could take the answer
	 * with it.
	 */
	if (link->down.closed && up->broken && link->state != LINK_LINGERING) {
		link->state = LINK_LINGERING;
		set_due(forwarder, link, crb_connect_now() + LINGER_MS);
	}
	if (!watch(
		forwarder, &link->client, interest(&link->up, &link->down)) ||
	    (link->broker.fd != -1 &&
		!watch(forwarder, &link->broker,
		    interest(&link->down, &link->up))))
		link_close(forwarder, link);
}

static void
link_move(struct forwarder *forwarder, struct link *link, bool client_readable,
    bool broker_readable)
{
	crb_flow_move(
	    &link->up, link->client.fd, link->broker.fd, client_readable);
	if (link->state == LINK_REFUSING && link->up.begun && !link->down.ended)
		crb_flow_finish_with(&link->down, refusal, sizeof(refusal) - 1);
	crb_flow_move(
	    &link->down, link->broker.fd, link->client.fd, broker_readable);
	if (link->down.failed)
		crb_flow_break(&link->up);
	link_settle(forwarder, link);
}

/* Nobody will serve this client: wait for its request, then say so. */
static void
link_refuse(struct forwarder *forwarder, struct link *link)
{
	link->state = LINK_REFUSING;
	set_due(forwarder, link, crb_connect_now() + SILENCE_MS);
	crb_flow_break(&link->up);
	link_move(forwarder, link, true, false);
}

/*
 * How long this link may go on trying.  One that comes when the broker has
 * been away for as long as we would wait gets a little of that only, or a
 * tool that asks ten times would wait ten times.
 */
static long long
give_up_at(const struct forwarder *forwarder, const struct link *link)
{
	int least = forwarder->retry_ms < AWAY_MS ? forwarder->retry_ms
						  : AWAY_MS;
	long long a = forwarder->away_since + forwarder->retry_ms;
	long long b = link->since + least;

	return a > b ? a : b;
}

static void
note_away(struct forwarder *forwarder, long long now)
{
	if (!forwarder->away ||
	    now - forwarder->away_seen > forwarder->retry_ms)
		forwarder->away_since = now;
	forwarder->away = true;
	forwarder->away_seen = now;
}

static void
link_connect(struct forwarder *forwarder, struct link *link)
{
	int fd = crb_connect_try(forwarder->socket);
	int error = errno;
	long long now = crb_connect_now();
	long long give_up, next;

	if (fd != -1) {
		forwarder->away = false;
		link->broker.fd = fd;
		link->state = LINK_RELAYING;
		set_due(forwarder, link, 0);
		link_move(forwarder, link, true, false);
		return;
	}
	note_away(forwarder, now);
	give_up = give_up_at(forwarder, link);
	if (!crb_connect_may_return(forwarder->socket, error) ||
	    now >= give_up) {
		link_refuse(forwarder, link);
		return;
	}
	next = now + crb_connect_pause_ms(++link->attempts);
	set_due(forwarder, link, next < give_up ? next : give_up);
	if (!watch(forwarder, &link->client, 0))
		link_close(forwarder, link);
}

static bool
link_new(struct forwarder *forwarder, int fd)
{
	struct link *link = calloc(1, sizeof(*link));
	const int one = 1;

	if (link == NULL)
		return false;
	/* No farther than this host, should anything route it. */
	(void)setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one));
	/* Whole messages are passed on: there is nothing to wait for. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	link->client = (struct end){ .link = link, .fd = fd };
	link->broker = (struct end){ .link = link, .fd = -1 };
	link->since = crb_connect_now();
	link->next = forwarder->links;
	if (link->next != NULL)
		link->next->previous = link;
	forwarder->links = link;
	forwarder->link_count++;
	link_connect(forwarder, link);
	return true;
}

static void
accept_all(struct forwarder *forwarder)
{
	while (forwarder->link_count < LINKS_MAX) {
		CRB_AUTO_FD int fd = accept4(forwarder->listener.fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd == -1 && errno == EAGAIN)
			return;
		if (fd == -1 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd != -1 && forwarder->strangers && !crb_peer_is_ours(fd))
			continue;
		if (fd == -1 || !link_new(forwarder, fd)) {
			forwarder->paused_until = crb_connect_now() + PAUSE_MS;
			return;
		}
		(void)CRB_STEAL_FD(fd);
	}
}

static void
handle(struct forwarder *forwarder, struct end *end, uint32_t events)
{
	struct link *link = end->link;
	bool readable = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;

	if (link == NULL) {
		accept_all(forwarder);
		return;
	}
	if (link->state == LINK_DEAD)
		return;
	end->hung_up |= (events & EPOLLHUP) != 0;
	if (end == &link->broker) {
		if ((events & (EPOLLHUP | EPOLLERR)) != 0)
			crb_flow_break(&link->up);
		link_move(forwarder, link, false, readable);
	} else if ((events & EPOLLERR) != 0 || link->state == LINK_CONNECTING) {
		link_close(forwarder, link);
	} else {
		link_move(forwarder, link, readable, false);
	}
}

static void
handle_due(struct forwarder *forwarder)
{
	long long now = crb_connect_now();
	struct link *next;

	if (forwarder->paused_until != 0 && now >= forwarder->paused_until)
		forwarder->paused_until = 0;
	if (forwarder->due_count == 0)
		return;
	for (struct link *link = forwarder->links; link != NULL; link = next) {
		next = link->next;
		if (link->due == 0 || link->due > now)
			continue;
		if (link->state == LINK_CONNECTING)
			link_connect(forwarder, link);
		else
			link_close(forwarder, link);
	}
}

/* Milliseconds until something is due, or -1. */
static int
next_due(const struct forwarder *forwarder)
{
	long long due = forwarder->paused_until;
	long long left;

	if (forwarder->due_count > 0) {
		for (const struct link *link = forwarder->links; link != NULL;
		     link = link->next) {
			if (link->due != 0 && (due == 0 || link->due < due))
				due = link->due;
		}
	}
	if (due == 0)
		return -1;
	left = due - crb_connect_now();
	return left > 0 ? (int)left : 0;
}

static bool
watch_listener(struct forwarder *forwarder)
{
	bool open = forwarder->link_count < LINKS_MAX &&
	    forwarder->paused_until == 0;

	return watch(forwarder, &forwarder->listener, open ? EPOLLIN : 0);
}

static bool
turn(struct forwarder *forwarder)
{
	struct epoll_event events[EVENTS_A_TURN];
	int n;

	if (!watch_listener(forwarder))
		return false;
	n = epoll_wait(
	    forwarder->epoll, events, EVENTS_A_TURN, next_due(forwarder));
	if (n == -1 && errno != EINTR)
		return false;
	for (int i = 0; i < n; i++)
		handle(forwarder, events[i].data.ptr, events[i].events);
	handle_due(forwarder);
	free_dead(forwarder);
	return true;
}

/* What is relayed may be a credential: no core file, no tracer. */
static void
harden(void)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files;

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Two descriptors a link are more than the usual soft limit. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

int
crb_forward_serve(int listener, const struct crb_options *options)
{
	struct forwarder forwarder = {
		.socket = options->socket,
		.retry_ms = options->retry_ms,
		.listener = { .fd = listener },
		.strangers = options->listen_fd != -1,
	};

	harden();
	forwarder.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (forwarder.epoll == -1)
		return crb_say_fail(
		    CRB_EXIT_OTHER, "epoll: %s", strerror(errno));
	while (turn(&forwarder))
		;
	return crb_say_fail(CRB_EXIT_OTHER, "epoll: %s", strerror(errno));
}

int
crb_forward_run(const struct crb_options *options)
{
	CRB_AUTO_FD int listener = -1;
	char text[CRB_LISTEN_TEXT];
	int code = crb_listen_open(options->listen, &listener, text);

	if (code != CRB_EXIT_DONE)
		return code;
	/* Whoever started us can wait for this line. */
	(void)dprintf(STDOUT_FILENO, "%s\n", text);
	return crb_forward_serve(listener, options);
}
