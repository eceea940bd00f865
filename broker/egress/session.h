#ifndef CRB_EGRESS_SESSION_H
#define CRB_EGRESS_SESSION_H

#include <stdbool.h>

#include "base/err.h"
#include "broker/bus/messages.h"
#include "broker/egress/job.h"

/*
 * What a session has open in the egress: its streams, its jobs, and its own
 * client with the connections that it keeps for a while.
 */
struct crb_session;

/* A stream has one job at a time, so this bounds both. */
#define CRB_SESSION_STREAMS_MAX 64

struct crb_session_options {
	const struct crb_job_world *world;
	const char *id; /* copied */
	/* A job has ended. */
	void (*job_done)(void *ctx, const struct crb_msg_job_done *done);
	/* Nothing is open any more; it may be freed. */
	void (*idle)(void *ctx, struct crb_session *session);
	void *ctx;
};

CRB_NODISCARD enum crb_status crb_session_new(
    const struct crb_session_options *options, struct crb_session **out,
    struct crb_err *err);
/* Its jobs end as denied; streams and connections are closed. */
void crb_session_free(struct crb_session *session);

const char *crb_session_id(const struct crb_session *session);

/*
 * Start a job on the stream that `fd` is an end of (taken), or, when it is -1,
 * on one that came before.  Every failure is reported by job_done.
 */
void crb_session_start(
    struct crb_session *session, const struct crb_msg_job *msg, int fd);

/* Whether there was such a job. */
bool crb_session_cancel(
    struct crb_session *session, const struct crb_msg_job_cancel *msg);

#endif /* !CRB_EGRESS_SESSION_H */
