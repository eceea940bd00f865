#ifndef CRB_EXCHANGE_H
#define CRB_EXCHANGE_H

#include <sys/queue.h>

#include "broker/core/session.h"

struct crb_credential;

/*
 * An exchange: one request of a sandbox that goes upstream with a secret
 * injected.  Judged here, recorded, and then handed to the gateway (VERDICT)
 * and the egress (JOB) with a stream between them.  It is over when both have
 * said so, or are gone.
 */
struct crb_exchange {
	TAILQ_ENTRY(crb_exchange) link;
	struct crb_session *session;
	uint64_t number; /* the gateway's */
	uint64_t job;    /* the egress's, and the audit log's */
	uint32_t stream;
	unsigned grant; /* the number of the one that allowed it */
	char *credential;
	bool gateway_done, egress_done, clean;
	uint16_t status;
	uint64_t up, down;
	char outcome[33];
	char detail[257];
};

/* Judge a request, and have it sent or refused. */
void crb_exchange_judge(
    struct crb_core *core, const struct crb_msg_exchange *msg);

/*
 * Under way from now on: known by both numbers, and counted.  `job` is one that
 * no other has: the next of core->last_job.
 */
CRB_NODISCARD enum crb_status crb_exchange_new(struct crb_session *session,
    uint64_t number, uint64_t job, const struct crb_credential *credential,
    unsigned grant, struct crb_exchange **out, struct crb_err *err);
/* Nothing of it was recorded: forget it. */
void crb_exchange_discard(struct crb_exchange *exchange);
/* Its beginning was recorded, and nothing sent: record its end. */
void crb_exchange_abandon(
    struct crb_exchange *exchange, const struct crb_err *why);

/* The gateway's word on one, and the egress's: with both it is over. */
void crb_exchange_served(
    struct crb_core *core, const struct crb_msg_exchange_done *msg);
void crb_exchange_sent(
    struct crb_core *core, const struct crb_msg_job_done *msg);

/* The process is gone, and with it every stream. */
void crb_exchange_gateway_lost(struct crb_core *core);
void crb_exchange_egress_lost(struct crb_core *core);

/*
 * Cut off those of a session: all (grant 0, credential NULL), those that a
 * grant allowed, or those of a credential.  The sandbox is told why.  Returns
 * how many there were.
 */
unsigned crb_exchange_cut(struct crb_session *session, unsigned grant,
    const char *credential, const char *why);
/*
 * Close the streams of sessions that have had no request since then, on the
 * loop's clock: each is two descriptors.  False when none is left waiting.
 */
bool crb_exchange_close_streams(struct crb_core *core, int64_t since);
/* The timer of that; `ctx` is the core. */
void crb_exchange_streams_due(void *ctx);
/* Forget those of a session that is freed. */
void crb_exchange_forget(struct crb_session *session);

#endif /* !CRB_EXCHANGE_H */
