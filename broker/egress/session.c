#include "broker/egress/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "broker/egress/client.h"
#include "broker/egress/transfer.h"

/* Connections are kept so long after the last job. */
#define IDLE_MS 30000
/* How often time-outs are looked at: timers a job would cost system calls. */
#define TICK_MS 1000

/* One stream, and the job that is on it. */
struct stream {
	struct crb_session *session;
	struct stream *next;
	uint32_t id;
	int fd;
	struct crb_job *job; /* NULL: it waits for the next one */
	uint64_t job_id;
};

struct crb_session {
	struct crb_session_options options;
	char id[CRB_SESSION_ID_MAX + 1];
	struct crb_client *client; /* NULL: no connections */
	struct stream *streams;
	size_t stream_count;
	size_t job_count;
	struct crb_budget budget;
	struct crb_timer tick;
	bool ticking;
	int64_t used; /* when a job last ended */
};

#define AUTO_SESSION __attribute__((cleanup(session_cleanup)))
static void
session_cleanup(struct crb_session **session)
{
	crb_session_free(*session);
}

static struct crb_loop *
loop_of(const struct crb_session *session)
{
	return session->options.world->loop;
}

/*
 * What the other end has sent and nobody read would make the kernel report a
 * reset there, ahead of our last message.
 */
static void
close_politely(int fd)
{
	char byte;

	(void)shutdown(fd, SHUT_RD);
	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) > 0)
		continue;
	(void)close(fd);
}

static void
drop_stream(struct stream *stream)
{
	struct crb_session *session = stream->session;
	struct stream **at = &session->streams;

	while (*at != stream)
		at = &(*at)->next;
	*at = stream->next;
	session->stream_count--;
	crb_loop_unwatch(loop_of(session), stream->fd);
	close_politely(stream->fd);
	free(stream);
}

static void
check_jobs(struct crb_session *session)
{
	struct stream *next;

	for (struct stream *at = session->streams; at != NULL; at = next) {
		next = at->next;
		if (at->job != NULL)
			crb_job_tick(at->job);
	}
}

static void set_tick(struct crb_session *session);

static void
tick_came(void *ctx)
{
	struct crb_session *session = ctx;
	int64_t idle;

	session->ticking = false;
	check_jobs(session);
	idle = crb_loop_now(loop_of(session)) - session->used;
	if (session->job_count == 0 && idle >= IDLE_MS) {
		crb_client_free(session->client);
		session->client = NULL;
	}
	if (session->job_count > 0 || session->client != NULL)
		set_tick(session);
	else if (session->stream_count == 0)
		session->options.idle(session->options.ctx, session);
}

static void
set_tick(struct crb_session *session)
{
	struct crb_err err;

	if (session->ticking)
		return;
	session->ticking = crb_timer_set(loop_of(session), &session->tick,
			       TICK_MS, &err) == CRB_OK;
	if (!session->ticking)
		crb_log(CRB_LOG_ERROR, "no time-outs", CRB_LOG_REASON, err.msg,
		    CRB_LOG_END);
}

static void
job_ended(void *ctx, const struct crb_msg_job_done *done)
{
	struct stream *stream = ctx;
	struct crb_session *session = stream->session;

	session->options.job_done(session->options.ctx, done);
	crb_job_free(CRB_STEAL(stream->job));
	session->job_count--;
	session->used = crb_loop_now(loop_of(session));
	if (!done->clean)
		drop_stream(stream);
}

static void
stream_event(void *ctx, int fd, unsigned events)
{
	struct stream *stream = ctx;

	(void)fd;
	if (stream->job != NULL) {
		crb_job_event(stream->job, events);
	} else if ((events & CRB_HANGUP) != 0) {
		set_tick(stream->session);
		drop_stream(stream);
	} else {
		/* The head of a request whose job is still on its way. */
		crb_loop_want(loop_of(stream->session), stream->fd, 0);
	}
}

static void
transfer_done(void *ctx, CURL *easy, CURLcode code)
{
	(void)ctx;
	crb_job_done(crb_job_of(easy), code);
}

static void
transfers_settled(void *ctx)
{
	struct crb_session *session = ctx;
	struct stream *next;

	for (struct stream *at = session->streams; at != NULL; at = next) {
		next = at->next;
		if (at->job != NULL)
			crb_job_settle(at->job);
	}
}

static struct stream *
find_stream(const struct crb_session *session, uint32_t id)
{
	struct stream *at = session->streams;

	while (at != NULL && at->id != id)
		at = at->next;
	return at;
}

/* Takes `fd`, whether or not it succeeds. */
static enum crb_status
add_stream(struct crb_session *session, uint32_t id, int fd,
    struct stream **out, struct crb_err *err)
{
	CRB_AUTO_FD int owned = fd;
	CRB_AUTO_FREE struct stream *stream = NULL;

	if (fd == CRB_FD_LOST)
		return crb_err_set(
		    err, CRB_ERR_LIMIT, "the egress has no descriptors left");
	if (session->stream_count >= CRB_SESSION_STREAMS_MAX)
		return crb_err_set(err, CRB_ERR_LIMIT,
		    "the session has too many requests open");
	if ((stream = calloc(1, sizeof(*stream))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a stream");
	*stream = (struct stream){ .session = session, .id = id, .fd = owned };
	if (crb_loop_watch(loop_of(session), owned, 0, stream_event, stream,
		err) != CRB_OK)
		return err->status;
	stream->next = session->streams;
	session->streams = stream;
	session->stream_count++;
	(void)CRB_STEAL_FD(owned);
	*out = CRB_STEAL(stream);
	return CRB_OK;
}

static enum crb_status
assign_stream(struct crb_session *session, const struct crb_msg_job *msg,
    int fd, struct stream **out, struct crb_err *err)
{
	struct stream *stream = find_stream(session, msg->stream);

	if (fd != -1 && stream == NULL)
		return add_stream(session, msg->stream, fd, out, err);
	if (fd != -1) {
		crb_fd_cleanup(&fd);
		return crb_err_set(
		    err, CRB_ERR_EXISTS, "the session has this stream already");
	}
	if (stream == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOT_FOUND, "the stream is closed");
	if (stream->job != NULL)
		return crb_err_set(
		    err, CRB_ERR_EXISTS, "the stream has a job already");
	*out = stream;
	return CRB_OK;
}

static enum crb_status
open_client(struct crb_session *session, struct crb_err *err)
{
	const struct crb_client_options options = {
		.loop = loop_of(session),
		.done = transfer_done,
		.settled = transfers_settled,
		.ctx = session,
	};

	if (session->client != NULL)
		return CRB_OK;
	return crb_client_new(&options, &session->client, err);
}

/*
 * What the core says is left is without what runs, and it may not have heard
 * of all that has ended: unless the bound is another one there is no more than
 * before.
 */
static void
set_budget(struct crb_session *session, const struct crb_msg_job *msg)
{
	struct crb_budget *budget = &session->budget;
	uint64_t left = msg->most, runs = 0;

	for (struct stream *at = session->streams; at != NULL; at = at->next)
		runs += at->job != NULL ? crb_job_taken(at->job) : 0;
	left = runs < left ? left - runs : 0;
	if (msg->bound != budget->bound || left < budget->left)
		budget->left = left;
	budget->bound = msg->bound;
}

static enum crb_status
start(struct crb_session *session, const struct crb_msg_job *msg,
    struct stream *stream, struct crb_err *err)
{
	if (open_client(session, err) != CRB_OK)
		return err->status;
	set_budget(session, msg);
	return crb_job_new(msg,
	    &(struct crb_job_options){ .world = session->options.world,
		.client = session->client,
		.budget = &session->budget,
		.fd = stream->fd,
		.ended = job_ended,
		.ctx = stream },
	    &stream->job, err);
}

static void
report_failure(
    struct crb_session *session, uint64_t job, const struct crb_err *why)
{
	const struct crb_msg_job_done done = {
		.job = job,
		.outcome = CRB_SLICE(crb_status_info(why->status)->code),
		.detail = CRB_SLICE(why->msg),
	};

	session->options.job_done(session->options.ctx, &done);
}

void
crb_session_start(
    struct crb_session *session, const struct crb_msg_job *msg, int fd)
{
	struct stream *stream = NULL;
	struct crb_err err;

	if (assign_stream(session, msg, fd, &stream, &err) != CRB_OK) {
		report_failure(session, msg->job, &err);
	} else if (start(session, msg, stream, &err) != CRB_OK) {
		crb_job_refuse(stream->fd, msg->job, &err);
		drop_stream(stream);
		report_failure(session, msg->job, &err);
	} else {
		stream->job_id = msg->job;
		session->job_count++;
	}
	set_tick(session);
}

bool
crb_session_cancel(
    struct crb_session *session, const struct crb_msg_job_cancel *msg)
{
	struct crb_err why;

	for (struct stream *at = session->streams; at != NULL; at = at->next) {
		if (at->job == NULL || at->job_id != msg->job)
			continue;
		(void)crb_err_set(&why, CRB_ERR_DENIED, "%.*s",
		    (int)msg->detail.len, msg->detail.p);
		if (msg->detail.len == 0)
			(void)crb_err_set(
			    &why, CRB_ERR_DENIED, "the request was cancelled");
		crb_job_stop(at->job, &why);
		return true;
	}
	return false;
}

enum crb_status
crb_session_new(const struct crb_session_options *options,
    struct crb_session **out, struct crb_err *err)
{
	AUTO_SESSION struct crb_session *session = NULL;

	if ((session = calloc(1, sizeof(*session))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a session");
	session->options = *options;
	session->options.id = session->id;
	(void)strncat(session->id, options->id, CRB_SESSION_ID_MAX);
	crb_timer_init(&session->tick, tick_came, session);
	*out = CRB_STEAL(session);
	return CRB_OK;
}

void
crb_session_free(struct crb_session *session)
{
	struct crb_err why;

	if (session == NULL)
		return;
	(void)crb_err_set(&why, CRB_ERR_DENIED, "the session has ended");
	while (session->streams != NULL) {
		/* A job that is stopped takes its stream along. */
		if (session->streams->job != NULL)
			crb_job_stop(session->streams->job, &why);
		else
			drop_stream(session->streams);
	}
	crb_client_free(session->client);
	crb_timer_clear(loop_of(session), &session->tick);
	free(session);
}

const char *
crb_session_id(const struct crb_session *session)
{
	return session->id;
}
