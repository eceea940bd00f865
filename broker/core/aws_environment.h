#ifndef CRB_AWS_ENVIRONMENT_H
#define CRB_AWS_ENVIRONMENT_H

#include "broker/core/session.h"

/*
 * What a session's grants of AWS keys come to in its sandbox: one mechanism
 * that AWS's tools look for by themselves, for the first of the credentials,
 * and a profile of a configuration file for each of the rest.  It is chosen at
 * `issue` and stays: a running program does not see a new environment.
 */

/* What session.issue was asked for. */
struct crb_aws_wish {
	const char *mode; /* "container", "imds", "process", "inject"; NULL */
	bool offline;     /* no network but the broker's endpoint */
};

/* Before there are grants: those that leave the delivery open depend on it. */
CRB_NODISCARD enum crb_status crb_aws_wish(struct crb_session *session,
    const struct crb_aws_wish *wish, struct crb_err *err);

/*
 * One more grant for this session, the last of its grants: where the session's
 * way is injection, one that does not say how it is delivered is not handed
 * out.
 */
CRB_NODISCARD enum crb_status crb_aws_add_grant(
    struct crb_session *session, const char *text, struct crb_err *err);

/*
 * The grants are there: which credential, and whether the wish can be had.
 * What a person should know is added to `notes`, an array.
 */
CRB_NODISCARD enum crb_status crb_aws_settle(struct crb_session *session,
    const struct crb_aws_wish *wish, json_t *notes, struct crb_err *err);

/*
 * The variables, and what is in aws-config: malloc()ed, or NULL when there is
 * to be none.
 */
CRB_NODISCARD enum crb_status crb_aws_environment(
    const struct crb_session *session, const char *endpoint,
    json_t *environment, char **config, struct crb_err *err);

/* What the gateway needs for /latest/; false: it answers nothing there. */
struct crb_aws_imds {
	const char *credential, *region; /* borrowed; region may be "" */
	char account[17];                /* of the role; or "" */
};
bool crb_aws_imds(const struct crb_session *session, struct crb_aws_imds *out);

#endif /* !CRB_AWS_ENVIRONMENT_H */
