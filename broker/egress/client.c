#include "broker/egress/client.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "base/cleanup.h"

#define EVENTS 16
#define KEPT_LEAST 8

/*
 * libcurl's sockets are in an epoll of their own, which the loop watches: they
 * must report exactly what libcurl waits for.  The loop also reports a peer's
 * half-close, which libcurl would not act upon while it waits for something
 * else, and that would spin.
 */
struct crb_client {
	struct crb_client_options options;
	CURLM *multi;
	int epoll;
	long transfers; /* under way */
	long kept;      /* connections, at most */
	struct crb_timer timer;
};

#define AUTO_CLIENT __attribute__((cleanup(client_cleanup)))
static void
client_cleanup(struct crb_client **client)
{
	crb_client_free(*client);
}

static int
want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket)
{
	struct crb_client *client = ctx;
	struct epoll_event event = { .data.fd = fd };

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		/* It fails when the socket is closed, which is as good. */
		(void)epoll_ctl(client->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		event.events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		event.events |= EPOLLOUT;
	/* `socket` tells a socket that is known from a new one. */
	if (epoll_ctl(client->epoll,
		socket != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
		&event) != 0)
		return -1;
	(void)curl_multi_assign(client->multi, fd, client);
	return 0;
}

static int
want_timer(CURLM *multi, long ms, void *ctx)
{
	struct crb_client *client = ctx;
	struct crb_err err;

	(void)multi;
	if (ms < 0) {
		crb_timer_clear(client->options.loop, &client->timer);
		return 0;
	}
	return crb_timer_set(client->options.loop, &client->timer, ms, &err) ==
		CRB_OK
	    ? 0
	    : -1;
}

static void
settle(struct crb_client *client)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(client->multi, &left)) != NULL) {
		CURL *easy = msg->easy_handle;
		CURLcode code = msg->data.result;

		crb_client_remove(client, easy);
		client->options.done(client->options.ctx, easy, code);
	}
	client->options.settled(client->options.ctx);
}

static void
time_came(void *ctx)
{
	struct crb_client *client = ctx;
	int running;

	(void)curl_multi_socket_action(
	    client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	settle(client);
}

static int
action_of(uint32_t events)
{
	int action = 0;

	if ((events & EPOLLIN) != 0)
		action |= CURL_CSELECT_IN;
	if ((events & EPOLLOUT) != 0)
		action |= CURL_CSELECT_OUT;
	if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		action |= CURL_CSELECT_ERR;
	return action;
}

static void
sockets_ready(void *ctx, int fd, unsigned what)
{
	struct crb_client *client = ctx;
	struct epoll_event events[EVENTS];
	int running, count = epoll_wait(fd, events, EVENTS, 0);

	(void)what;
	for (int i = 0; i < count; i++)
		(void)curl_multi_socket_action(client->multi, events[i].data.fd,
		    action_of(events[i].events), &running);
	settle(client);
}

static enum crb_status
set_up(struct crb_client *client, struct crb_err *err)
{
	CURLM *multi = client->multi;

	if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket) ||
	    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client) ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer) ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client) ||
	    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) ||
	    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, client->kept))
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its options");
	return CRB_OK;
}

enum crb_status
crb_client_new(const struct crb_client_options *options,
    struct crb_client **out, struct crb_err *err)
{
	AUTO_CLIENT struct crb_client *client = NULL;

	if ((client = calloc(1, sizeof(*client))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory to connect");
	client->options = *options;
	client->kept = KEPT_LEAST;
	crb_timer_init(&client->timer, time_came, client);
	if ((client->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return crb_err_errno(err, "epoll");
	if ((client->multi = curl_multi_init()) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory to connect");
	if (set_up(client, err) != CRB_OK ||
	    crb_loop_watch(options->loop, client->epoll, CRB_READABLE,
		sockets_ready, client, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(client);
	return CRB_OK;
}

void
crb_client_free(struct crb_client *client)
{
	if (client == NULL)
		return;
	(void)curl_multi_cleanup(client->multi);
	crb_timer_clear(client->options.loop, &client->timer);
	if (client->epoll != -1)
		crb_loop_unwatch(client->options.loop, client->epoll);
	crb_fd_cleanup(&client->epoll);
	free(client);
}

/*
 * As many as there were transfers at once: with fewer, each transfer of a busy
 * session would pay for a handshake.
 */
static void
keep_connections(struct crb_client *client)
{
	if (client->transfers <= client->kept)
		return;
	client->kept = client->transfers;
	(void)curl_multi_setopt(
	    client->multi, CURLMOPT_MAXCONNECTS, client->kept);
}

enum crb_status
crb_client_add(struct crb_client *client, CURL *easy, struct crb_err *err)
{
	CURLMcode code = curl_multi_add_handle(client->multi, easy);

	if (code != CURLM_OK)
		return crb_err_set(err, CRB_ERR_SYSTEM, "libcurl: %s",
		    curl_multi_strerror(code));
	client->transfers++;
	keep_connections(client);
	return CRB_OK;
}

void
crb_client_remove(struct crb_client *client, CURL *easy)
{
	if (curl_multi_remove_handle(client->multi, easy) == CURLM_OK)
		client->transfers--;
}
