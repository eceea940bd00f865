#ifndef CRB_EXCHANGE_H
#define CRB_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "base/buf.h"
#include "broker/bus/messages.h"
#include "broker/gateway/gather.h"
#include "broker/gateway/git_commands.h"
#include "broker/gateway/problem.h"
#include "broker/gateway/request_check.h"
#include "broker/gateway/routes.h"

struct crb_connection;
struct crb_flow;
struct crb_gateway;
struct crb_lease;
struct crb_session;
struct crb_show;

/*
 * A request and what becomes of it.  libmicrohttpd calls for it again and
 * again; the phase says what for.
 */
enum crb_phase {
	CRB_PHASE_HEAD,    /* not looked at yet */
	CRB_PHASE_COLLECT, /* a body that the core is to see */
	CRB_PHASE_ASKED,   /* the core decides or answers */
	CRB_PHASE_SHOW,    /* a body of which the core wants to see more */
	CRB_PHASE_ANSWER,  /* its answer is ready */
	CRB_PHASE_FETCH,   /* a lease is to be handed out */
	CRB_PHASE_UPLOAD,  /* head and body go to egress */
	CRB_PHASE_AWAIT,   /* the head of upstream's response is due */
	CRB_PHASE_REPLY,   /* a response is on its way to the client */
	CRB_PHASE_REFUSE,  /* the rest of the body is dropped first */
};

/* Upstream's response, as far as it has come. */
struct crb_reply {
	bool has_head, has_length, ended, clean;
	bool framed; /* in pkt-lines */
	unsigned status;
	uint64_t length;
	char *headers;            /* a block of lines */
	struct crb_pktline line;  /* as the client has it */
	struct crb_gather gather; /* open: for its whole lines */
	uint8_t *packet;          /* the last one of the stream */
	char *whole;              /* body of one that came in one message */
	struct crb_slice pending; /* of these, or of the two below */
	struct crb_buf tail;      /* what is said when it is cut short */
	char last;                /* byte of a known length */
	/* Cut short: `tail` still goes out, or it just breaks off. */
	bool cut, broken;
};

struct crb_exchange {
	struct crb_gateway *gateway;
	struct crb_session *session;       /* NULL: closed meanwhile */
	struct crb_connection *connection; /* NULL: the client is gone */
	struct MHD_Connection *mhd;
	struct crb_exchange *next, *prev; /* of the session */
	uint64_t id;
	enum crb_phase phase;
	bool parked;              /* suspended in libmicrohttpd */
	bool dead;                /* the client is served no more */
	bool verdict_due;         /* the core will say something to it */
	bool allowed;             /* it has, and waits for EXCHANGE_DONE */
	bool head_sent, end_sent; /* to egress */
	bool dropping;            /* egress takes no more of the body */

	const char *method; /* libmicrohttpd's, while mhd is there */
	struct crb_request_facts facts; /* without what points to headers */
	struct crb_route_match match;
	enum crb_route_kind route; /* of one that goes upstream */
	/* What its client has signed for; empty: it has not. */
	char aws_service[CRB_SERVICE_MAX + 1];
	char aws_region[CRB_REGION_MAX + 1];
	enum crb_git_operation operation;  /* as it looks; for errors */
	struct crb_git_commands *commands; /* of a push */
	struct crb_refusal *refusal;
	char *refused_refs;    /* of a push, lines "REF REASON"; or NULL */
	struct crb_show *show; /* NULL: nothing was to be shown */
	size_t held;           /* bytes of the body, as they are counted */

	struct crb_buf body; /* for the core */
	size_t asking;       /* its part of the session's */
	struct MHD_Response *answer;
	unsigned answer_status;

	struct crb_slice name;         /* of a lease: in the target */
	const struct crb_lease *lease; /* it is answered with; or NULL */
	bool lease_asked;              /* of the core, once */
	uint32_t imds_seconds;         /* that a token is to last */

	struct crb_flow *flow;
	uint64_t job;
	char *origin;
	struct crb_reply reply;

	unsigned status;            /* as the client saw it */
	uint64_t up, down, dropped; /* body bytes */
	char target[];              /* raw, at most one byte too long */
};

/* libmicrohttpd's callbacks; `ctx` is the gateway. */
void *crb_exchange_target(
    void *ctx, const char *target, struct MHD_Connection *mhd);
enum MHD_Result crb_exchange_access(void *ctx, struct MHD_Connection *mhd,
    const char *url, const char *method, const char *version, const char *data,
    size_t *size, void **request);
void crb_exchange_completed(void *ctx, struct MHD_Connection *mhd,
    void **request, enum MHD_RequestTerminationCode code);

/* Something happened to what it waits for. */
void crb_exchange_client_gone(struct crb_exchange *exchange);
void crb_exchange_flow_event(struct crb_exchange *exchange);
/* The session has ended: stop at once, and say so as well as can be. */
void crb_exchange_cut(
    struct crb_exchange *exchange, const struct crb_refusal *refusal);
/* Its session is freed. */
void crb_exchange_orphan(struct crb_exchange *exchange);

void crb_exchange_free(struct crb_exchange *exchange);

/*
 * Ask the core, within the session's share of the bus; otherwise it is refused.
 */
void crb_exchange_ask(
    struct crb_exchange *exchange, enum crb_msg_type type, const void *msg);
/* The core has answered, or its answer is of no use any more. */
void crb_exchange_asked(struct crb_exchange *exchange);

/* Suspend until `events` of its flow, or somebody else, unpark it. */
void crb_exchange_park(struct crb_exchange *exchange, unsigned events);
void crb_exchange_unpark(struct crb_exchange *exchange);

/* From now on it is refused, when its body has come. */
void crb_exchange_refuse(
    struct crb_exchange *exchange, const struct crb_refusal *refusal);
/* Take what the client sends, up to a bound, and do nothing with it. */
enum MHD_Result crb_exchange_drop(
    struct crb_exchange *exchange, const char *data, size_t *size);
/* The flow is not needed any more; the core is told. */
void crb_exchange_end_flow(struct crb_exchange *exchange, bool clean);
/* Queue and destroy; `response` may be NULL. */
enum MHD_Result crb_exchange_queue(struct crb_exchange *exchange,
    unsigned status, struct MHD_Response *response);

/* The phase has changed: go on in the new one. */
enum MHD_Result crb_exchange_again(
    struct crb_exchange *exchange, const char *data, size_t *size);

/* What libmicrohttpd is to do in a phase. */
typedef enum MHD_Result crb_phase_fn(
    struct crb_exchange *exchange, const char *data, size_t *size);

#endif /* !CRB_EXCHANGE_H */
