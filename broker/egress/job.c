#include "broker/egress/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/bus/stream.h"
#include "broker/egress/transfer.h"

/* For REQUEST_END, which stands right behind a body. */
#define END_MS 10000

enum phase {
	WAITING,    /* for REQUEST_HEAD */
	COLLECTING, /* a body that is signed before it is sent */
	RUNNING,    /* libcurl is at it */
	ANSWERED,   /* all that is left is to pass the answer on */
};

struct crb_job {
	struct crb_job_options options;
	uint64_t id;
	enum phase phase;
	struct crb_transfer transfer;
	unsigned watched; /* what the loop watches the stream for */
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

/* When the job has taken too long, unless something happens before. */
static int64_t
deadline(const struct crb_job *job)
{
	const struct crb_job_limits *limits = &job->options.world->limits;
	int64_t idle = job->transfer.active + limits->idle * 1000;
	int64_t head = job->transfer.head_since + limits->head * 1000;

	switch (job->phase) {
	case WAITING:
		return job->transfer.active + limits->head * 1000;
	case COLLECTING:
		return idle;
	case RUNNING:
		return job->transfer.head_since != 0 && head < idle ? head
								    : idle;
	case ANSWERED:
		return job->transfer.download.blocked
		    ? idle
		    : job->transfer.active + END_MS;
	}
	return idle;
}

/* What an upstream made us say must not hold the secret either. */
static void
withhold(const struct crb_job *job, struct crb_err *err)
{
	if (crb_scrub_finds(job->transfer.scrub, err->msg, strlen(err->msg)))
		(void)crb_err_set(err, err->status,
		    "%s failed, and why cannot be shown",
		    job->transfer.request.host);
}

static void
end(struct crb_job *job, bool clean, const char *outcome, const char *detail)
{
	struct crb_msg_job_done done = {
		.job = job->id,
		.clean = clean,
		.outcome = CRB_SLICE(outcome),
		.status = (uint16_t)job->transfer.download.head.status,
		.scrubbed = crb_download_scrubbed(&job->transfer.download),
		.detail = CRB_SLICE(detail),
	};

	crb_transfer_used(&job->transfer, &done.up, &done.down);
	job->options.ended(job->options.ctx, &done);
}

uint64_t
crb_job_taken(const struct crb_job *job)
{
	return job->transfer.taken;
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

/* What is left of an answer, and then its end, unless something is due. */
static enum crb_status
send_rest(struct crb_job *job, bool whole, bool *ended, struct crb_err *err)
{
	const struct crb_msg_response_end msg = { .clean = whole };
	enum crb_status status;

	if (crb_download_flush(&job->transfer.download, true, err) != CRB_OK)
		return err->status;
	if (job->transfer.download.blocked)
		return CRB_OK;
	if (whole && !job->transfer.upload.ended)
		return CRB_OK;
	status = crb_stream_send(
	    job->options.fd, CRB_MSG_RESPONSE_END, &msg, err);
	job->transfer.download.blocked = status == CRB_ERR_LIMIT;
	if (job->transfer.download.blocked)
		return CRB_OK;
	*ended = status == CRB_OK;
	return status;
}

/*
 * Everything came from the upstream: pass on what is left, then say so.  An
 * answer may come before the request's body was read: then the stream holds
 * the rest of it, and is of no more use.
 */
static enum crb_status
finish(struct crb_job *job, bool *ended, struct crb_err *err)
{
	struct crb_upload *upload = &job->transfer.upload;
	bool whole = crb_upload_passed(upload);

	if (whole && crb_upload_finish(upload, err) != CRB_OK)
		return err->status;
	if (!whole || !upload->ended)
		return send_rest(job, whole, ended, err);
	if (crb_download_whole(&job->transfer.download, ended, err) != CRB_OK)
		return err->status;
	if (*ended || job->transfer.download.blocked)
		return CRB_OK;
	return send_rest(job, whole, ended, err);
}

static unsigned
wanted(const struct crb_job *job)
{
	bool end_due = crb_upload_passed(&job->transfer.upload) &&
	    !job->transfer.upload.ended;
	unsigned want = 0;

	if (job->phase <= COLLECTING || job->transfer.upload.paused || end_due)
		want |= CRB_READABLE;
	if (job->transfer.download.blocked)
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
		end(job, crb_upload_passed(&job->transfer.upload),
		    crb_status_info(CRB_OK)->code, "");
	else
		watch(job, events);
}

static const char *
waited_for(const struct crb_job *job)
{
	if (job->phase == WAITING)
		return "the client's request did not come";
	if (job->transfer.download.paused || job->transfer.download.blocked)
		return "the client takes nothing more of the answer";
	if (job->transfer.upload.paused)
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
		    "%s did not answer in time", job->transfer.request.host);
	crb_job_stop(job, &err);
}

static enum crb_status
start(struct crb_job *job, struct crb_err *err)
{
	if (crb_client_add(
		job->options.client, job->transfer.request.easy, err) != CRB_OK)
		return err->status;
	job->phase = RUNNING;
	crb_transfer_moved(&job->transfer);
	/* A request without a body has its end right behind. */
	if (crb_upload_passed(&job->transfer.upload))
		return crb_upload_finish(&job->transfer.upload, err);
	return CRB_OK;
}

static enum crb_status
collect(struct crb_job *job, struct crb_err *err)
{
	bool ready;

	if (crb_transfer_collect(&job->transfer, &ready, err) != CRB_OK)
		return err->status;
	return ready ? start(job, err) : CRB_OK;
}

/* It has to be this job's; and where it is all of a request, its end. */
static enum crb_status
check_head(struct crb_job *job, const struct crb_msg *msg,
    struct crb_slice *headers, struct crb_err *err)
{
	bool whole = msg->type == CRB_MSG_REQUEST_WHOLE;
	uint64_t id = whole ? msg->request_whole.job : msg->request_head.job;

	if ((!whole && msg->type != CRB_MSG_REQUEST_HEAD) || id != job->id)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the stream is not at the head of this job's request");
	*headers = whole ? msg->request_whole.headers
			 : msg->request_head.headers;
	return whole ? crb_upload_end(&job->transfer.upload, err) : CRB_OK;
}

static enum crb_status
take_head(struct crb_job *job, struct crb_err *err)
{
	struct crb_slice headers;
	struct crb_msg msg;
	bool closed, ready;

	if (crb_stream_receive(job->options.fd, CRB_ROLE_GATEWAY,
		CRB_ROLE_EGRESS, job->options.world->spare, &msg, &closed,
		err) != CRB_OK)
		return err->status;
	if (closed)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the client went away before its request");
	if (msg.type == CRB_MSG_NONE_)
		return CRB_OK;
	if (check_head(job, &msg, &headers, err) != CRB_OK ||
	    crb_transfer_head(&job->transfer, headers, &ready, err) != CRB_OK)
		return err->status;
	if (ready)
		return start(job, err);
	job->phase = COLLECTING;
	return collect(job, err);
}

static enum crb_status
take_events(struct crb_job *job, unsigned events, struct crb_err *err)
{
	if ((events & CRB_HANGUP) != 0)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the client went away");
	if ((events & CRB_READABLE) != 0 && job->phase == WAITING)
		return take_head(job, err);
	if ((events & CRB_READABLE) != 0 && job->phase == COLLECTING)
		return collect(job, err);
	if ((events & CRB_READABLE) != 0 &&
	    crb_transfer_readable(&job->transfer, err) != CRB_OK)
		return err->status;
	if ((events & CRB_WRITABLE) == 0)
		return CRB_OK;
	crb_transfer_moved(&job->transfer);
	/* What is left behind an answer goes out in finish(). */
	if (job->phase == RUNNING)
		return crb_transfer_flush(&job->transfer, err);
	return CRB_OK;
}

void
crb_job_event(struct crb_job *job, unsigned events)
{
	/* A head is of use, and of a request without a body it is the last. */
	unsigned unused = job->phase == WAITING ? 0 : events;
	struct crb_err err;

	conclude(job, unused,
	    take_events(job, events, &err) == CRB_OK ? NULL : &err);
}

void
crb_job_settle(struct crb_job *job)
{
	struct crb_err err;

	if (job->phase != RUNNING)
		return;
	conclude(job, 0,
	    crb_transfer_flush(&job->transfer, &err) == CRB_OK ? NULL : &err);
}

void
crb_job_done(struct crb_job *job, CURLcode code)
{
	struct crb_err err;

	job->phase = ANSWERED;
	crb_transfer_moved(&job->transfer);
	conclude(job, 0,
	    crb_transfer_result(&job->transfer, code, &err) == CRB_OK ? NULL
								      : &err);
}

struct crb_job *
crb_job_of(CURL *easy)
{
	struct crb_job *job = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &job);
	return job;
}

enum crb_status
crb_job_new(const struct crb_msg_job *msg,
    const struct crb_job_options *options, struct crb_job **out,
    struct crb_err *err)
{
	AUTO_JOB struct crb_job *job = NULL;
	const struct crb_job_world *world = options->world;

	if ((job = calloc(1, sizeof(*job))) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "no memory for a job");
	job->options = *options;
	job->id = msg->job;
	if (crb_transfer_init(&job->transfer, msg,
		&(struct crb_transfer_options){ .loop = world->loop,
		    .trust = world->trust,
		    .limits.connect_ms = (long)world->limits.connect * 1000,
		    .budget = options->budget,
		    .spare = world->spare,
		    .fd = options->fd },
		err) != CRB_OK)
		return err->status;
	if (curl_easy_setopt(
		job->transfer.request.easy, CURLOPT_PRIVATE, job) != CURLE_OK)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl does not take its options");
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
		crb_client_remove(
		    job->options.client, job->transfer.request.easy);
	crb_transfer_clear(&job->transfer);
	free(job);
}
