#ifndef CRB_VARIABLES_H
#define CRB_VARIABLES_H

#include <jansson.h>

#include "base/options.h"
#include "broker/cli/args.h"

/*
 * The command's environment: an allow-list of the caller's, the session's, and
 * what --env adds.
 */
struct crb_variables_request {
	const char *home;
	const char *programs;        /* folder of the shim, last on PATH */
	const json_t *session;       /* an object */
	const struct crb_list *more; /* of --env */
};

/*
 * "NAME" (as the caller has it) or "NAME=VALUE".  Refused: what the session
 * sets, and on a command line, which others can see, what looks like a secret.
 * Notices of names that sound like one are added.
 */
CRB_NODISCARD enum crb_status crb_variables_check(
    const struct crb_list *more, struct crb_args *notices, struct crb_err *err);

/* NAME: value; the caller owns it. */
json_t *crb_variables_make(const struct crb_variables_request *request);

/* One more pair for git's GIT_CONFIG_COUNT. */
void crb_variables_git(json_t *variables, const char *key, const char *value);

#endif /* !CRB_VARIABLES_H */
