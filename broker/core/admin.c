#include "broker/core/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/slab.h"
#include "broker/core/admin_client.h"
#include "broker/core/proof.h"

static void drop(struct crb_admin_client *client);
static void serve_lines(struct crb_admin_client *client);

static void
disown(struct crb_admin_client *client)
{
	if (client->call != NULL)
		client->call->client = NULL;
	client->call = NULL;
}

static bool
is_admin(const struct crb_admin_client *client)
{
	return (client->peer.access.may & CRB_MAY_ADMIN) != 0;
}

/* `junk` came over it, or NULL. */
static void
drop_with(struct crb_admin_client *client, const int junk[CRB_NAMESPACES])
{
	struct crb_admin *admin = client->admin;

	disown(client);
	TAILQ_REMOVE(&admin->clients, client, link);
	admin->count--;
	if (!is_admin(client))
		admin->others--;
	crb_timer_clear(admin->core->loop, &client->deadline);
	crb_loop_unwatch(admin->core->loop, client->fd);
	crb_discard(admin->discards, client->fd, junk);
	crb_buf_clear(&client->in);
	crb_buf_clear(&client->out);
	json_decref(client->peer.groups);
	free(client);
}

static void
drop(struct crb_admin_client *client)
{
	drop_with(client, NULL);
}

static void
too_slow(void *ctx)
{
	struct crb_admin_client *client = ctx;

	crb_log(CRB_LOG_INFO, "admin client too slow", CRB_LOG_UID,
	    (int64_t)client->peer.uid, CRB_LOG_END);
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

/*
 * Not served, and told so.  Nothing is under way: it is read from only while
 * there is no call and no answer.
 */
static void
turn_away(struct crb_admin_client *client, const int junk[CRB_NAMESPACES],
    const struct crb_err *why)
{
	struct crb_admin *admin = client->admin;
	const struct crb_refusal refusal = {
		.uid = client->peer.uid, .who = client->peer.who, .why = why
	};

	crb_refusal_record(admin->core, &admin->refusals, &refusal);
	crb_admin_refusal(client->fd, why, NULL);
	drop_with(client, junk);
}

/* False when the client is gone. */
static bool
take_proof(struct crb_admin_client *client)
{
	int junk[CRB_NAMESPACES];
	struct crb_err why;
	char first;

	switch (crb_proof_take(
	    client->fd, &client->admin->host, &first, junk, &why)) {
	case CRB_PROOF_WAIT:
		return true;
	case CRB_PROOF_GIVEN:
		client->proven = true;
		crb_buf_char(&client->in, first);
		return true;
	case CRB_PROOF_FAILED:
		turn_away(client, junk, &why);
		return false;
	case CRB_PROOF_GONE:
	default:
		drop(client);
		return false;
	}
}

/* False when the client is gone. */
static bool
receive(struct crb_admin_client *client)
{
	char *room = crb_buf_room(&client->in, ADMIN_READ);
	ssize_t got = room != NULL
	    ? crb_proof_read(client->fd, room, ADMIN_READ)
	    : 0;
	struct crb_err why;

	if (got > 0) {
		crb_buf_grew(&client->in, (size_t)got);
		return true;
	}
	if (got < 0 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return true;
	if (got < 0 && errno == EBADMSG) {
		(void)crb_err_set(&why, CRB_ERR_INVALID,
		    "descriptors came behind the first byte of the connection");
		turn_away(client, NULL, &why);
	} else
		drop(client);
	return false;
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
		if (!client->proven && !take_proof(client))
			return;
		if (client->proven && !receive(client))
			return;
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
			crb_admin_line(client->admin, client, client->peer.uid,
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

/* One user that is no admin has all that he may have. */
static bool
has_most(const struct crb_admin *admin, const struct crb_peer *peer)
{
	const struct crb_admin_client *client;
	unsigned each = 0;

	TAILQ_FOREACH(client, &admin->clients, link)
	if (client->peer.uid == peer->uid)
		each++;
	return (peer->access.may & CRB_MAY_ADMIN) == 0 &&
	    each >= CRB_ADMIN_EACH_MAX;
}

static bool
has_room(const struct crb_admin *admin, const struct crb_peer *peer)
{
	return admin->count < CRB_ADMIN_CLIENTS_MAX &&
	    ((peer->access.may & CRB_MAY_ADMIN) != 0 ||
		admin->others < CRB_ADMIN_OTHERS_MAX);
}

/* That has waited longest, without having shown that it is on this host. */
static struct crb_admin_client *
find_unproven(const struct crb_admin *admin)
{
	struct crb_admin_client *client;

	TAILQ_FOREACH(client, &admin->clients, link)
	if (!client->proven &&
	    (admin->count >= CRB_ADMIN_CLIENTS_MAX || !is_admin(client)))
		return client;
	return NULL;
}

/* Whoever works here shows it at once, so he does not miss the place. */
static enum crb_status
make_room(
    struct crb_admin *admin, const struct crb_peer *peer, struct crb_err *err)
{
	bool most = has_most(admin, peer);
	struct crb_admin_client *client;

	(void)crb_err_set(err, CRB_ERR_LIMIT,
	    "too many connections to the admin socket are open; try again");
	while (!most && !has_room(admin, peer) &&
	    (client = find_unproven(admin)) != NULL)
		turn_away(client, NULL, err);
	return most || !has_room(admin, peer) ? err->status : CRB_OK;
}

/* `fd` is taken on success. */
static enum crb_status
serve(struct crb_admin *admin, int fd, const struct crb_peer *peer,
    struct crb_err *err)
{
	__attribute__((
	    cleanup(client_cleanup))) struct crb_admin_client *client = NULL;
	enum crb_status status;

	if ((status = make_room(admin, peer, err)) != CRB_OK)
		return status;
	if ((client = calloc(1, sizeof(*client))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*client = (struct crb_admin_client){
		.admin = admin,
		.fd = fd,
		.peer = *peer,
		.in = CRB_BUF_INIT_WIPED(CRB_ADMIN_LINE_MAX + ADMIN_READ),
		.out = CRB_BUF_INIT(ADMIN_OUT_MAX),
	};
	crb_timer_init(&client->deadline, too_slow, client);
	status = crb_loop_watch(
	    admin->core->loop, fd, CRB_READABLE, on_client, client, err);
	if (status != CRB_OK)
		return status;
	json_incref(client->peer.groups);
	TAILQ_INSERT_TAIL(&admin->clients, client, link);
	admin->count++;
	if (!is_admin(client))
		admin->others++;
	set_deadline(CRB_STEAL(client));
	return CRB_OK;
}

static void
refuse_connection(struct crb_admin *admin, int fd, const struct crb_peer *peer,
    const struct crb_err *why)
{
	const struct crb_refusal refusal = {
		.uid = peer->uid, .who = peer->who, .why = why
	};

	crb_refusal_record(admin->core, &admin->refusals, &refusal);
	crb_admin_refusal(fd, why, NULL);
	crb_discard(admin->discards, fd, NULL);
}

static void
resume(void *ctx)
{
	struct crb_admin *admin = ctx;

	crb_loop_want(admin->core->loop, admin->listener, CRB_READABLE);
}

/* Nobody can be let in, so nobody is asked for a while. */
static void
pause_accepting(struct crb_admin *admin, const char *why)
{
	struct crb_err err;

	if (crb_timer_set(admin->core->loop, &admin->pause, ADMIN_PAUSE_MS,
		&err) != CRB_OK)
		return;
	crb_loop_want(admin->core->loop, admin->listener, 0);
	crb_log(CRB_LOG_ERROR, "admin socket paused", CRB_LOG_REASON, why,
	    CRB_LOG_END);
}

static void
on_listener(void *ctx, int listener, unsigned events)
{
	struct crb_admin *admin = ctx;
	struct crb_peer peer;
	struct crb_err why;
	int fd;

	(void)events;
	if (crb_discards_full(admin->discards)) {
		/* Or whoever sends what lingers keeps everybody out. */
		crb_discards_hurry(admin->discards);
		pause_accepting(
		    admin, "descriptors that clients sent do not close");
		return;
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1) {
		/* Who waits would be reported again and again. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			pause_accepting(admin, "no descriptors or memory left");
		return;
	}
	if (crb_peer_read(admin->core, fd, &peer, &why) != CRB_OK ||
	    crb_host_peer(&admin->host, peer.pid, &why) != CRB_OK ||
	    serve(admin, fd, &peer, &why) != CRB_OK)
		refuse_connection(admin, fd, &peer, &why);
	json_decref(peer.groups);
}

static enum crb_status
listen_on(struct crb_admin *admin, int listener, struct crb_err *err)
{
	CRB_AUTO_FD int taken = listener;
	enum crb_status status;

	if ((status = crb_host_open(&admin->host, err)) ||
	    (status = crb_discards_new(&admin->discards, err)))
		return status;
	if (listener == -1)
		return CRB_OK;
	status = crb_loop_watch(
	    admin->core->loop, listener, CRB_READABLE, on_listener, admin, err);
	if (status == CRB_OK)
		admin->listener = CRB_STEAL_FD(taken);
	return status;
}

enum crb_status
crb_admin_new(struct crb_core *core, int listener, struct crb_admin **out,
    struct crb_err *err)
{
	struct crb_admin *admin = calloc(1, sizeof(*admin));
	enum crb_status status;

	if (admin == NULL) {
		crb_fd_cleanup(&listener);
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	admin->core = core;
	admin->listener = -1;
	admin->host = (struct crb_host)CRB_HOST_NONE;
	TAILQ_INIT(&admin->clients);
	crb_timer_init(&admin->pause, resume, admin);
	if ((status = listen_on(admin, listener, err)) != CRB_OK) {
		crb_admin_free(admin);
		return status;
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
	crb_timer_clear(admin->core->loop, &admin->pause);
	if (admin->listener != -1) {
		crb_loop_unwatch(admin->core->loop, admin->listener);
		(void)close(admin->listener);
	}
	crb_host_close(&admin->host);
	crb_discards_free(admin->discards);
	free(admin);
}
