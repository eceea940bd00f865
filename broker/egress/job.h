#ifndef CRB_EGRESS_JOB_H
#define CRB_EGRESS_JOB_H

#include <curl/curl.h>

#include "base/err.h"
#include "base/loop.h"
#include "broker/bus/messages.h"
#include "broker/egress/client.h"
#include "broker/egress/trust.h"

/*
 * A job: one request that the core has judged, from the stream that it was
 * given to an upstream and back.  While it lives it holds the secret; it ends
 * exactly once, by the upstream's answer, a failure, a time-out or
 * crb_job_stop(), and is freed then.
 */
struct crb_job;
struct crb_budget;

struct crb_job_limits {
	int64_t connect; /* seconds until a connection stands */
	int64_t idle;    /* seconds without a byte either way */
	int64_t head;    /* seconds for a head once it has begun */
};

/* What all jobs share. */
struct crb_job_world {
	struct crb_loop *loop;
	struct crb_trust *trust;
	uint8_t *spare; /* CRB_STREAM_PACKET_MAX */
	struct crb_job_limits limits;
};

struct crb_job_options {
	const struct crb_job_world *world;
	struct crb_client *client;
	struct crb_budget *budget; /* its session's; outlives it */
	int fd;                    /* of the stream, watched by the caller */
	/* The job has ended: tell the core, and free it. */
	void (*ended)(void *ctx, const struct crb_msg_job_done *done);
	void *ctx;
};

/*
 * Prepare the request and wait for its head on the stream.  A failure is the
 * caller's to report, with crb_job_refuse().
 */
CRB_NODISCARD enum crb_status crb_job_new(const struct crb_msg_job *msg,
    const struct crb_job_options *options, struct crb_job **out,
    struct crb_err *err);
void crb_job_free(struct crb_job *job);

/* What it has taken of the budget. */
uint64_t crb_job_taken(const struct crb_job *job);

/* Tell the other end of a stream why there will be no answer. */
void crb_job_refuse(int fd, uint64_t job, const struct crb_err *why);

/* Each of these may end the job, and so free it. */
void crb_job_event(struct crb_job *job, unsigned events);
void crb_job_settle(struct crb_job *job);
void crb_job_done(struct crb_job *job, CURLcode code);
/* Called every second or so: ends a job that has taken too long. */
void crb_job_tick(struct crb_job *job);
void crb_job_stop(struct crb_job *job, const struct crb_err *why);

/* The job that a transfer belongs to. */
struct crb_job *crb_job_of(CURL *easy);

#endif /* !CRB_EGRESS_JOB_H */
