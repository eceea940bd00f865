#include "broker/egress/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "broker/bus/stream.h"
#include "broker/egress/download.h"
#include "broker/egress/request.h"
#include "broker/egress/scrub.h"
#include "broker/egress/upload.h"

/* For REQUEST_END, which stands right behind a body. */
#define END_MS 10000

enum phase {
	WAITING,  /* for REQUEST_HEAD */
	RUNNING,  /* libcurl is at it */
	ANSWERED, /* all that is left is to pass the answer on */
};

struct crb_job {
	struct crb_job_options options;
	uint64_t id;
	enum phase phase;
	struct crb_scrub *scrub;
	struct crb_request request;
	struct crb_upload upload;
	struct crb_download download;

	unsigned watched;   /* what the loop watches the stream for */
	int64_t active;     /* when a byte last moved */
	int64_t head_since; /* when the answer's head began; 0: not yet */

	bool failed; /* in one of libcurl's callbacks: */
	struct crb_err err;
};

#define AUTO_JOB __attribute__((cleanup(job_cleanup)))
static void
job_cleanup(struct crb_job **job)
{
	crb_job_free(*job);
}

static int64_t
now(const struct crb_job *job)
{
	return crb_loop_now(job->options.world->loop);
}

static void
moved(struct crb_job *job)
{
	job->active = now(job);
}

/* When the job has taken too long, unless something happens before. */
static int64_t
deadline(const struct crb_job *job)
{
	const struct crb_job_limits *limits = &job->options.world->limits;
	int64_t idle = job->active + limits->idle * 1000;
	int64_t head = job->head_since + limits->head * 1000;

	switch (job->phase) {
	case WAITING:
		return job->active + limits->head * 1000;
	case RUNNING:
		return job->head_since != 0 && head < idle ? head : idle;
	case ANSWERED:
		return job->download.blocked ? idle : job->active + END_MS;
	}
	return idle;
}

/* libcurl's callbacks. */

static size_t
on_read(char *to, size_t size, size_t count, void *ctx)
{
	struct crb_job *job = ctx;
	size_t len = 0;

	if (crb_upload_read(&job->upload, to, size * count, &len, &job->err) !=
	    CRB_OK) {
		job->failed = true;
		return CURL_READFUNC_ABORT;
	}
	if (job->upload.paused)
		return CURL_READFUNC_PAUSE;
	moved(job);
	return len;
}

static int
on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct crb_job *job = ctx;

	if (offset != 0 || origin != SEEK_SET ||
	    !crb_upload_rewind(&job->upload))
		return CURL_SEEKFUNC_FAIL;
	return CURL_SEEKFUNC_OK;
}

static size_t
on_line(char *line, size_t size, size_t count, void *ctx)
{
	struct crb_job *job = ctx;

	moved(job);
	if (crb_download_line(&job->download, line, size * count, &job->err) !=
	    CRB_OK) {
		job->failed = true;
		return 0;
	}
	if (!job->download.in_head)
		job->head_since = 0;
	else if (job->head_since == 0)
		job->head_since = now(job);
	return size * count;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct crb_job *job = ctx;

	moved(job);
	if (crb_download_body(&job->download, bytes, size * count, &job->err) !=
	    CRB_OK) {
		job->failed = true;
		return 0;
	}
	return job->download.paused ? CURL_WRITEFUNC_PAUSE : size * count;
}

/* The end. */

/* What an upstream made us say must not hold the secret either. */
static void
withhold(const struct crb_job *job, struct crb_err *err)
{
	if (crb_scrub_finds(job->scrub, err->msg, strlen(err->msg)))
		(void)crb_err_set(err, err->status,
		    "%s failed, and why cannot be shown", job->request.host);
}

static void
end(struct crb_job *job, bool clean, const char *outcome, const char *detail)
{
	const struct crb_msg_job_done done = {
		.job = job->id,
		.clean = clean,
		.outcome = CRB_SLICE(outcome),
		.status = (uint16_t)job->download.status,
		.up = job->upload.passed,
		.down = job->download.passed,
		.scrubbed = crb_download_scrubbed(&job->download),
		.detail = CRB_SLICE(detail),
	};

	job->options.ended(job->options.ctx, &done);
}

void
crb_job_refuse(int fd, uint64_t job, const struct crb_err *why)
{
	const struct crb_status_info *info = crb_status_info(why->status);
	const struct crb_msg_response_fail fail = {
		.job = job,
		.status = (uint16_t)info->http,
		.code = CRB_SLICE(info->code),
		.detail = CRB_SLICE(why->msg),
	};
	struct crb_err err;

	/* A stream that is full or gone says the same by being closed. */
	if (crb_stream_send(fd, CRB_MSG_RESPONSE_FAIL, &fail, &err) != CRB_OK)
		return;
}

void
crb_job_stop(struct crb_job *job, const struct crb_err *why)
{
	struct crb_err err = *why;

	withhold(job, &err);
	crb_job_refuse(job->options.fd, job->id, &err);
	end(job, false, crb_status_info(err.status)->code, err.msg);
}

/*
 * Everything came from the upstream: pass on what is left, then say so.  An
 * answer may come before the request's body was read: then the stream holds
 * the rest of it, and is of no more use.
 */
static enum crb_status
finish(struct crb_job *job, bool *ended, struct crb_err *err)
{
	bool whole = crb_upload_passed(&job->upload);
	struct crb_msg_response_end msg;
	enum crb_status status;

	if (crb_download_flush(&job->download, true, err) != CRB_OK)
		return err->status;
	if (job->download.blocked)
		return CRB_OK;
	if (whole && crb_upload_finish(&job->upload, err) != CRB_OK)
		return err->status;
	if (whole && !job->upload.ended)
		return CRB_OK;
	msg = (struct crb_msg_response_end){ .clean = whole };
	status = crb_stream_send(
	    job->options.fd, CRB_MSG_RESPONSE_END, &msg, err);
	job->download.blocked = status == CRB_ERR_LIMIT;
	if (job->download.blocked)
		return CRB_OK;
	*ended = status == CRB_OK;
	return status;
}

static unsigned
wanted(const struct crb_job *job)
{
	bool end_due = crb_upload_passed(&job->upload) && !job->upload.ended;
	unsigned want = 0;

	if (job->phase == WAITING || job->upload.paused || end_due)
		want |= CRB_READABLE;
	if (job->download.blocked)
		want |= CRB_WRITABLE;
	return want;
}

/*
 * Telling the loop costs a system call, so what was wanted once stays, until
 * an event comes of which there is no use.  A stream is nearly always
 * writable: that goes at once.
 */
static void
watch(struct crb_job *job, unsigned events)
{
	unsigned want = wanted(job);
	unsigned unused = job->watched & ~want;

	if ((want & ~job->watched) == 0 &&
	    (unused & (events | CRB_WRITABLE)) == 0)
		return;
	job->watched = want;
	crb_loop_want(job->options.world->loop, job->options.fd, want);
}

/* The one exit of every event: the job ends, or says what it waits for. */
static void
conclude(struct crb_job *job, unsigned events, const struct crb_err *err)
{
	struct crb_err failure;
	bool ended = false;

	if (err == NULL && job->phase == ANSWERED &&
	    finish(job, &ended, &failure) != CRB_OK)
		err = &failure;
	if (err != NULL)
		crb_job_stop(job, err);
	else if (ended)
		end(job, crb_upload_passed(&job->upload),
		    crb_status_info(CRB_OK)->code, "");
	else
		watch(job, events);
}

static const char *
waited_for(const struct crb_job *job)
{
	if (job->phase == WAITING)
		return "the client's request did not come";
	if (job->download.paused || job->download.blocked)
		return "the client takes nothing more of the answer";
	if (job->upload.paused)
		return "the client sends nothing more of the request";
	if (job->phase == ANSWERED)
		return "the client's request did not end";
	return NULL;
}

void
crb_job_tick(struct crb_job *job)
{
	const char *what = waited_for(job);
	struct crb_err err;

	if (deadline(job) > now(job))
		return;
	if (what != NULL)
		(void)crb_err_set(&err, CRB_ERR_TIMEOUT, "%s", what);
	else
		(void)crb_err_set(&err, CRB_ERR_TIMEOUT,
		    "%s did not answer in time", job->request.host);
	crb_job_stop(job, &err);
}

/* The stream's events. */

static enum crb_status
set_callbacks(struct crb_job *job, struct crb_err *err)
{
	CURL *easy = job->request.easy;

	if (curl_easy_setopt(easy, CURLOPT_PRIVATE, job) ||
	    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) ||
	    curl_easy_setopt(easy, CURLOPT_READDATA, job) ||
	    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) ||
	    curl_easy_setopt(easy, CURLOPT_SEEKDATA, job) ||
	    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line) ||
	    curl_easy_setopt(easy, CURLOPT_HEADERDATA, job) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEDATA, job))
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its callbacks");
	return CRB_OK;
}

static enum crb_status
take_head(struct crb_job *job, struct crb_err *err)
{
	struct crb_msg msg;
	bool closed;

	if (crb_stream_receive(job->options.fd, CRB_ROLE_GATEWAY,
		CRB_ROLE_EGRESS, job->options.world->spare, &msg, &closed,
		err) != CRB_OK)
		return err->status;
	if (closed)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the client went away before its request");
	if (msg.type == CRB_MSG_NONE_)
		return CRB_OK;
	if (msg.type != CRB_MSG_REQUEST_HEAD || msg.request_head.job != job->id)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the stream is not at the head of this job's request");
	if (crb_request_headers(&job->request, msg.request_head.headers, err) !=
		CRB_OK ||
	    crb_client_add(job->options.client, job->request.easy, err) !=
		CRB_OK)
		return err->status;
	job->phase = RUNNING;
	moved(job);
	/* A request without a body has its end right behind. */
	if (crb_upload_passed(&job->upload))
		return crb_upload_finish(&job->upload, err);
	return CRB_OK;
}

/* Let libcurl go on, in the direction that can. */
static enum crb_status
resume(struct crb_job *job, struct crb_err *err)
{
	int mask = (job->upload.paused ? CURLPAUSE_SEND : 0) |
	    (job->download.paused ? CURLPAUSE_RECV : 0);

	if (curl_easy_pause(job->request.easy, mask) == CURLE_OK &&
	    !job->failed)
		return CRB_OK;
	if (!job->failed)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not go on");
	*err = job->err;
	return err->status;
}

static enum crb_status
flush(struct crb_job *job, struct crb_err *err)
{
	bool refused = job->download.head_read && job->download.status >= 300;

	if (crb_download_flush(&job->download, false, err) != CRB_OK)
		return err->status;
	if (job->phase != RUNNING)
		return CRB_OK;
	if (job->download.paused && !job->download.blocked) {
		job->download.paused = false;
		return resume(job, err);
	}
	/* libcurl sends no more then, but while it is paused it never ends. */
	if (job->upload.paused && refused) {
		job->upload.paused = false;
		return resume(job, err);
	}
	return CRB_OK;
}

static enum crb_status
take_readable(struct crb_job *job, struct crb_err *err)
{
	if (job->phase == WAITING)
		return take_head(job, err);
	if (job->upload.paused) {
		job->upload.paused = false;
		return resume(job, err);
	}
	if (crb_upload_passed(&job->upload))
		return crb_upload_finish(&job->upload, err);
	return CRB_OK;
}

static enum crb_status
take_events(struct crb_job *job, unsigned events, struct crb_err *err)
{
	if ((events & CRB_HANGUP) != 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the client went away");
	if ((events & CRB_READABLE) != 0 && take_readable(job, err) != CRB_OK)
		return err->status;
	if ((events & CRB_WRITABLE) != 0) {
		moved(job);
		return flush(job, err);
	}
	return CRB_OK;
}

void
crb_job_event(struct crb_job *job, unsigned events)
{
	struct crb_err err;

	conclude(job, events,
	    take_events(job, events, &err) == CRB_OK ? NULL : &err);
}

void
crb_job_settle(struct crb_job *job)
{
	struct crb_err err;

	if (job->phase == RUNNING)
		conclude(job, 0, flush(job, &err) == CRB_OK ? NULL : &err);
}

void
crb_job_done(struct crb_job *job, CURLcode code)
{
	struct crb_err err = job->err;

	job->phase = ANSWERED;
	job->download.paused = job->upload.paused = false;
	moved(job);
	if (job->failed || code != CURLE_OK || !job->download.head_read) {
		if (!job->failed)
			(void)crb_request_failure(&job->request,
			    code != CURLE_OK ? code : CURLE_GOT_NOTHING, &err);
		conclude(job, 0, &err);
		return;
	}
	conclude(job, 0, NULL);
}

struct crb_job *
crb_job_of(CURL *easy)
{
	struct crb_job *job = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &job);
	return job;
}

/* The beginning. */

static enum crb_status
make_injection(const struct crb_msg_job *msg, const struct crb_secret *secret,
    struct crb_injection *out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *params = NULL;
	const struct crb_backend_ops *backend;
	char kind[33];

	(void)snprintf(
	    kind, sizeof(kind), "%.*s", (int)msg->backend.len, msg->backend.p);
	if (crb_backend_find(kind, &backend, err) != CRB_OK ||
	    crb_json_parse(msg->params.p, msg->params.len, "parameters",
		&params, err) != CRB_OK)
		return err->status;
	if (backend->inject == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "backend %s does not inject", backend->kind);
	return backend->inject(params, secret, out, err);
}

#define AUTO_INJECTION __attribute__((cleanup(crb_injection_clear)))

static enum crb_status
prepare(struct crb_job *job, const struct crb_msg_job *msg, struct crb_err *err)
{
	const struct crb_job_world *world = job->options.world;
	const struct crb_request_limits limits = {
		.connect_ms = (long)world->limits.connect * 1000,
	};
	AUTO_INJECTION struct crb_injection injection = { .value = NULL };
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	struct crb_slice value;

	if (crb_secret_copy(msg->secret.p, msg->secret.len, &secret, err) !=
		CRB_OK ||
	    make_injection(msg, secret, &injection, err) != CRB_OK)
		return err->status;
	value = (struct crb_slice){ crb_secret_bytes(injection.value),
		crb_secret_len(injection.value) };
	if (crb_scrub_new(msg->secret, value, &job->scrub, err) != CRB_OK ||
	    crb_request_init(&job->request, msg, &injection, world->trust,
		&limits, err) != CRB_OK ||
	    crb_upload_init(&job->upload, job->options.fd,
		(enum crb_body)msg->body, msg->length, world->spare,
		err) != CRB_OK)
		return err->status;
	crb_download_init(&job->download, job->options.fd, msg->job,
	    job->request.host, job->scrub);
	return set_callbacks(job, err);
}

enum crb_status
crb_job_new(const struct crb_msg_job *msg,
    const struct crb_job_options *options, struct crb_job **out,
    struct crb_err *err)
{
	AUTO_JOB struct crb_job *job = NULL;

	if ((job = calloc(1, sizeof(*job))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a job");
	job->options = *options;
	job->id = msg->job;
	moved(job);
	if (prepare(job, msg, err) != CRB_OK)
		return err->status;
	watch(job, 0);
	*out = CRB_STEAL(job);
	return CRB_OK;
}

void
crb_job_free(struct crb_job *job)
{
	if (job == NULL)
		return;
	if (job->phase == RUNNING)
		crb_client_remove(job->options.client, job->request.easy);
	crb_request_clear(&job->request);
	crb_upload_clear(&job->upload);
	crb_download_clear(&job->download);
	crb_scrub_free(job->scrub);
	free(job);
}
