#ifndef CRB_JUDGE_H
#define CRB_JUDGE_H

#include "broker/core/denial.h"
#include "broker/core/git_request.h"

#define CRB_RULE_ID_MAX 24

/*
 * What is made of a request of a sandbox: the grant and the credential that it
 * goes with, or why not.
 */
struct crb_judgement {
	struct crb_session *session; /* NULL: none of that id */
	struct crb_git_request request;
	struct crb_credential *credential;
	const struct crb_origin *origin;
	const struct crb_session_grant *grant;
	char rule[CRB_RULE_ID_MAX]; /* "grant 2" */
	struct crb_denial denial;   /* when refused */
};

/* True when it is allowed.  Changes nothing but the state of an expired
 * session. */
bool crb_judge(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *out);

/* The session is live: true; otherwise why not. */
bool crb_judge_session(struct crb_core *core, struct crb_slice id,
    struct crb_session **out, struct crb_denial *denial);

#endif /* !CRB_JUDGE_H */
