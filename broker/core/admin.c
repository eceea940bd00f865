#include "broker/core/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/slab.h"
#include "broker/core/admin_client.h"

static void drop(struct crb_admin_client *client);
static void serve_lines(struct crb_admin_client *client);

static void
disown(struct crb_admin_client *client)
{
	if (client->call != NULL)
		client->call->client = NULL;
	client->call = NULL;
}

static void
drop(struct crb_admin_client *client)
{
	struct crb_admin *admin = client->admin;

	disown(client);
	TAILQ_REMOVE(&admin->clients, client, link);
	admin->count--;
	crb_timer_clear(admin->core->loop, &client->deadline);
	crb_loop_unwatch(admin->core->loop, client->fd);
	(void)close(client->fd);
	crb_buf_clear(&client->in);
	crb_buf_clear(&client->out);
	free(client);
}

static void
too_slow(void *ctx)
{
	struct crb_admin_client *client = ctx;

	crb_log(CRB_LOG_INFO, "admin client too slow", CRB_LOG_UID,
	    (int64_t)client->uid, CRB_LOG_END);
	drop(client);
}

/*
 * Something that the client owes us is always under a deadline: the rest of a
 * line, or taking its answer.  While we owe it an answer, there is none.
 */
static void
set_deadline(struct crb_admin_client *client)
{
	struct crb_loop *loop = client->admin->core->loop;
	struct crb_err err;
	int64_t ms = ADMIN_IDLE_MS;

	crb_timer_clear(loop, &client->deadline);
	if (client->call != NULL && client->out.len == 0)
		return;
	if (client->out.len > 0 || client->in.len > 0 || !client->spoke)
		ms = ADMIN_LINE_MS;
	(void)!crb_timer_set(loop, &client->deadline, ms, &err);
}

static void
want(struct crb_admin_client *client)
{
	unsigned events = 0;

	if (client->call == NULL && client->out.len == 0)
		events |= CRB_READABLE;
	if (client->out.len > 0)
		events |= CRB_WRITABLE;
	crb_loop_want(client->admin->core->loop, client->fd, events);
}

/* False when the connection is gone. */
static bool
flush(struct crb_admin_client *client)
{
	ssize_t sent;

	while (client->out.len > 0) {
		sent = send(client->fd, client->out.data, client->out.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (sent < 0)
			return false;
		crb_buf_consume(&client->out, (size_t)sent);
		set_deadline(client);
	}
	if (client->failed)
		return false;
	crb_buf_clear(&client->out);
	return true;
}

static bool
receive(struct crb_admin_client *client)
{
	char *room = crb_buf_room(&client->in, ADMIN_READ);
	ssize_t got;

	if (room == NULL)
		return false;
	got = recv(client->fd, room, ADMIN_READ, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ||
		    errno == EINTR;
	if (got == 0)
		return false;
	crb_buf_grew(&client->in, (size_t)got);
	return true;
}

static void
on_client(void *ctx, int fd, unsigned events)
{
	struct crb_admin_client *client = ctx;

	(void)fd;
	if ((events & CRB_WRITABLE) != 0 && !flush(client)) {
		drop(client);
		return;
	}
	if ((events & CRB_READABLE) != 0) {
		if (!receive(client)) {
			drop(client);
			return;
		}
	} else if ((events & CRB_HANGUP) != 0) {
		drop(client);
		return;
	}
	serve_lines(client);
}

/*
 * Calls of the lines that are there, one after the other.  A handler may end
 * its call at once; `serving` keeps that from coming back in here.
 */
static void
serve_lines(struct crb_admin_client *client)
{
	const char *end;
	size_t len;

	client->serving = true;
	while (client->call == NULL && client->out.len == 0 &&
	    client->in.len > 0 && !client->failed &&
	    (end = memchr(client->in.data, '\n', client->in.len)) != NULL) {
		CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT_WIPED(
		    CRB_ADMIN_LINE_MAX);

		len = (size_t)(end - client->in.data);
		crb_buf_add(&line, client->in.data, len);
		crb_buf_consume(&client->in, len + 1);
		client->spoke = true;
		if (line.failed)
			crb_admin_too_long(client);
		else
			crb_admin_line(client->admin, client, client->uid,
			    crb_buf_text(&line), line.len);
		if (!flush(client)) {
			drop(client);
			return;
		}
	}
	client->serving = false;
	if (client->call == NULL && client->in.len > CRB_ADMIN_LINE_MAX &&
	    !client->failed) {
		crb_admin_too_long(client);
		if (!flush(client)) {
			drop(client);
			return;
		}
	}
	if (client->in.len == 0)
		crb_buf_clear(&client->in);
	set_deadline(client);
	want(client);
}

/* An answer is in `out`. */
void
crb_admin_answered(struct crb_admin_client *client)
{
	if (client->serving)
		return;
	if (!flush(client)) {
		drop(client);
		return;
	}
	serve_lines(client);
}

static void
client_cleanup(struct crb_admin_client **client)
{
	free(*client);
}

enum crb_status
crb_admin_serve(struct crb_admin *admin, int fd, uid_t uid, struct crb_err *err)
{
	__attribute__((
	    cleanup(client_cleanup))) struct crb_admin_client *client = NULL;
	CRB_AUTO_FD int taken = fd;
	enum crb_status status;

	if (admin->count >= CRB_ADMIN_CLIENTS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "%d admin connections are open already",
		    CRB_ADMIN_CLIENTS_MAX);
	if ((client = calloc(1, sizeof(*client))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*client = (struct crb_admin_client){
		.admin = admin,
		.fd = fd,
		.uid = uid,
		.in = CRB_BUF_INIT_WIPED(CRB_ADMIN_LINE_MAX + ADMIN_READ),
		.out = CRB_BUF_INIT(ADMIN_OUT_MAX),
	};
	crb_timer_init(&client->deadline, too_slow, client);
	status = crb_loop_watch(
	    admin->core->loop, fd, CRB_READABLE, on_client, client, err);
	if (status != CRB_OK)
		return status;
	taken = -1;
	TAILQ_INSERT_TAIL(&admin->clients, client, link);
	admin->count++;
	set_deadline(CRB_STEAL(client));
	return CRB_OK;
}

bool
crb_admin_admits(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static void
on_listener(void *ctx, int listener, unsigned events)
{
	struct crb_admin *admin = ctx;
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	struct crb_err err;
	int fd;

	(void)events;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    !crb_admin_admits(peer.uid)) {
		crb_log(CRB_LOG_WARN, "admin client refused", CRB_LOG_UID,
		    (int64_t)peer.uid, CRB_LOG_END);
		(void)close(fd);
		return;
	}
	if (crb_admin_serve(admin, fd, peer.uid, &err) != CRB_OK)
		crb_log(CRB_LOG_WARN, "admin client refused", CRB_LOG_REASON,
		    err.msg, CRB_LOG_END);
}

enum crb_status
crb_admin_new(struct crb_core *core, int listener, struct crb_admin **out,
    struct crb_err *err)
{
	CRB_AUTO_FD int taken = listener;
	struct crb_admin *admin;
	enum crb_status status;

	if ((admin = calloc(1, sizeof(*admin))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	admin->core = core;
	admin->listener = -1;
	TAILQ_INIT(&admin->clients);
	if (listener != -1) {
		status = crb_loop_watch(core->loop, listener, CRB_READABLE,
		    on_listener, admin, err);
		if (status != CRB_OK) {
			free(admin);
			return status;
		}
		admin->listener = CRB_STEAL_FD(taken);
	}
	*out = admin;
	return CRB_OK;
}

void
crb_admin_free(struct crb_admin *admin)
{
	struct crb_admin_client *client;

	if (admin == NULL)
		return;
	while ((client = TAILQ_FIRST(&admin->clients)) != NULL)
		drop(client);
	if (admin->listener != -1) {
		crb_loop_unwatch(admin->core->loop, admin->listener);
		(void)close(admin->listener);
	}
	free(admin);
}
