#ifndef CRB_ENVIRONMENT_H
#define CRB_ENVIRONMENT_H

#include "broker/core/session.h"

/* What a sandbox is given, besides the broker itself. */
#define CRB_ENDPOINT_PORT 9169
#define CRB_ENDPOINT_FOLDER "/run/credbroker"
/* Where the programs for it are found, at the latest. */
#define CRB_ENDPOINT_PROGRAMS "/run/credbroker-bin"

/*
 * NAME: value, for the session's grants as they are now; *aws_config is what
 * the file of that name is to hold, malloc()ed, or NULL.
 */
CRB_NODISCARD enum crb_status crb_environment(const struct crb_session *session,
    json_t **out, char **aws_config, struct crb_err *err);
/* [{source, target, read_only}]; `more` (the profile's) may be NULL. */
CRB_NODISCARD enum crb_status crb_mounts(const struct crb_session *session,
    const json_t *more, json_t **out, struct crb_err *err);

#endif /* !CRB_ENVIRONMENT_H */
