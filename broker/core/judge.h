#ifndef CRB_JUDGE_H
#define CRB_JUDGE_H

#include "broker/core/aws_request.h"
#include "broker/core/denial.h"
#include "broker/core/git_request.h"

#define CRB_RULE_ID_MAX 24

/*
 * What is made of a request of a sandbox: the grant and the credential that it
 * goes with, or why not.
 */
struct crb_judgement {
	struct crb_session *session;    /* NULL: none of that id */
	struct crb_git_request request; /* of CRB_ROUTE_GIT */
	struct crb_aws_request aws;     /* of CRB_ROUTE_HTTP */
	struct crb_origin upstream;     /* likewise: what `origin` is */
	struct crb_credential *credential;
	const struct crb_origin *origin;
	const struct crb_session_grant *grant;
	char rule[CRB_RULE_ID_MAX];      /* "grant 2" */
	const struct crb_secret *secret; /* for the loop's turn; or NULL */
	struct crb_denial denial;        /* when refused */
};

/*
 * True when it is allowed.  Changes nothing but the state of an expired
 * session.  `out` stays where it is: `origin` may point into it.
 */
bool crb_judge(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *out);
/* One that was allowed and had to wait: the same, but it is not counted. */
bool crb_judge_again(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *out);

/*
 * What the session's grants say of a request, with the number of the rule and
 * its grant in *judgement.  The decision's texts are borrowed from it.
 */
struct crb_decision crb_judge_decide(struct crb_judgement *judgement,
    const struct crb_credential *credential, const struct crb_request *asked);

/* The last step for CRB_ROUTE_HTTP: is it granted, and where does it go? */
bool crb_judge_http(struct crb_core *core, const struct crb_msg_exchange *msg,
    struct crb_judgement *judgement);

/* The session is live: true; otherwise why not. */
bool crb_judge_session(struct crb_core *core, struct crb_slice id,
    struct crb_session **out, struct crb_denial *denial);

#endif /* !CRB_JUDGE_H */
