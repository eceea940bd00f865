#ifndef CRB_PROBLEM_H
#define CRB_PROBLEM_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "broker/bus/messages.h"

/*
 * A refusal: what the sandbox is told when it does not get what it asked for.
 * Whatever form it takes on the wire (RFC 9457 JSON, text, git's own packets),
 * it is made from this.  All text is NUL-terminated, one line each but for
 * `detail` and `next`, which may have several.
 */
struct crb_refusal {
	unsigned status; /* HTTP */
	char code[65];   /* "policy_denied": Credbroker-Error */
	char title[129];
	char detail[1025]; /* what was refused, and why */
	char rule[129];    /* empty: no rule said it */
	char tier[33];
	char next[513]; /* what to do now */
	unsigned retry; /* Retry-After, in seconds; 0: not said */
};

/* Refusals that the gateway makes by itself: one table. */
enum crb_problem {
	CRB_PROBLEM_MALFORMED,
	CRB_PROBLEM_HOST,
	CRB_PROBLEM_BROWSER,
	CRB_PROBLEM_FORWARDED,
	CRB_PROBLEM_METHOD,
	CRB_PROBLEM_VERSION,
	CRB_PROBLEM_EXPECT,
	CRB_PROBLEM_TARGET_LONG,
	CRB_PROBLEM_HEADERS_LARGE,
	CRB_PROBLEM_BODY_LARGE,
	CRB_PROBLEM_NO_HEADER,
	CRB_PROBLEM_TOKEN,
	CRB_PROBLEM_IMDS_OFF,
	CRB_PROBLEM_IMDS_TOKEN,
	CRB_PROBLEM_IMDS_TTL,
	CRB_PROBLEM_NOT_FOUND,
	CRB_PROBLEM_SIGNING,
	CRB_PROBLEM_SESSION,
	CRB_PROBLEM_EXPIRED,
	CRB_PROBLEM_BUSY,
	CRB_PROBLEM_UPSTREAM,
	CRB_PROBLEM_INTERNAL,
	CRB_PROBLEM_COUNT
};

/* Fill *out from the table, with this detail; cut when too long. */
void crb_refusal_make(struct crb_refusal *out, enum crb_problem problem,
    const char *fmt, ...) CRB_PRINTF(3, 4);

/* A copy of what the core said. */
void crb_refusal_from_verdict(
    struct crb_refusal *out, const struct crb_msg_verdict *verdict);

/* Replace the code, when it is one that may be in a header. */
void crb_refusal_set_code(struct crb_refusal *out, struct crb_slice code);

/* application/problem+json (RFC 9457), on one line. */
void crb_problem_json(const struct crb_refusal *refusal, struct crb_buf *out);
/* The same with "Code" and "Message", which AWS's clients show. */
void crb_problem_aws(const struct crb_refusal *refusal, struct crb_buf *out);
/* Of somebody else's problem+json; as it is when it is no object. */
void crb_problem_aws_from(struct crb_slice body, struct crb_slice code,
    unsigned status, struct crb_buf *out);

/*
 * For people: "credbroker: DETAIL", the rule and tier that said so, and what
 * to do next, a line each.
 */
void crb_problem_text(const struct crb_refusal *refusal, struct crb_buf *out);

/* The same on one line, without a line feed at its end. */
void crb_problem_line(const struct crb_refusal *refusal, struct crb_buf *out);

#endif /* !CRB_PROBLEM_H */
