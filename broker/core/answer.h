#ifndef CRB_ANSWER_H
#define CRB_ANSWER_H

#include "broker/core/denial.h"

/*
 * The answer to a question of a sandbox: JSON, or text where that was wanted.
 * It may be sent long after the question; a gateway that came up in between is
 * not told.
 */
struct crb_answer {
	struct crb_core *core;
	uint64_t exchange;
	unsigned gateway; /* the one that asked: how often it came up by then */
	bool plain;
	bool aws; /* to tools of AWS, which show other members of a problem */
	unsigned status;
	const char *type;
	const char *code; /* Credbroker-Error, or "" */
	unsigned retry;   /* Retry-After, in seconds; 0: none */
	struct crb_buf body;
};

/* 200, JSON, and nothing in it yet. */
void crb_answer_init(struct crb_answer *answer, struct crb_core *core,
    const struct crb_msg_query *msg);
/* `json` is taken; NULL is a failure. */
void crb_answer_json(struct crb_answer *answer, json_t *json);
void crb_answer_denial(
    struct crb_answer *answer, const struct crb_denial *denial);
/* The denial that it comes to. */
void crb_answer_error(struct crb_answer *answer, const struct crb_err *why);
/* And clear it. */
void crb_answer_send(struct crb_answer *answer);

#endif /* !CRB_ANSWER_H */
