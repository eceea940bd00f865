#ifndef CRB_DENIAL_H
#define CRB_DENIAL_H

#include "broker/core/credential.h"
#include "broker/core/session.h"
#include "policy/decide.h"
#include "policy/question.h"

/*
 * A refusal as the sandbox is told it: what was refused, by which rule of
 * which tier, what is granted, and what to do next.
 */
struct crb_denial {
	unsigned http;
	unsigned retry;   /* Retry-After, in seconds; 0: none */
	const char *code; /* Credbroker-Error */
	const char *title;
	char detail[1024];
	char rule[128];
	char tier[32];
	char next[512]; /* may be empty */
};

/* The status's code, title and HTTP status, and the message as detail. */
void crb_denial_error(struct crb_denial *out, const struct crb_err *why);
/* The broker is locked. */
void crb_denial_locked(struct crb_denial *out);
/* The session has ended; or NULL: there is none. */
void crb_denial_ended(
    struct crb_denial *out, const struct crb_session *session);
/* No granted credential is for this host. */
void crb_denial_host(struct crb_denial *out, const struct crb_session *session,
    const char *authority);
/* Which tier and rule it was; of no rule, the tier alone. */
void crb_denial_rule(struct crb_denial *out, const struct crb_verdict *verdict);
/* A decision that is not allow, about "push" to "acme/api". */
void crb_denial_git(struct crb_denial *out, const struct crb_session *session,
    const char *credential, const char *operation, const char *repository,
    const struct crb_verdict *verdict);
/*
 * What the policies say of "push to acme/api", which is not allow.  One that
 * asks is refused, too: whoever can hold it does not tell this.
 */
void crb_denial_verdict(struct crb_denial *out,
    const struct crb_session *session, const struct crb_question *question,
    const char *what, const struct crb_verdict *verdict);

/* "fetch, push on acme/api" */
void crb_scope_words(const struct crb_scope *scope, struct crb_buf *out);

/* application/problem+json (RFC 9457), or the same as text; NULL on failure. */
char *crb_denial_json(const struct crb_denial *denial);
/* The same with the members that tools of AWS show: Code and Message. */
char *crb_denial_aws(const struct crb_denial *denial);
void crb_denial_plain(const struct crb_denial *denial, struct crb_buf *out);

#endif /* !CRB_DENIAL_H */
