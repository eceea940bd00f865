#ifndef CRB_CLIENT_H
#define CRB_CLIENT_H

#include "broker/cli/command.h"

/*
 * Call a method of the admin socket (docs/admin-api.md), connecting first when
 * need be.  `params` is taken, and may be NULL.  The caller owns *result.  A
 * refusal's "data" is kept in cli->failure.
 */
CRB_NODISCARD enum crb_status crb_cli_call(struct crb_cli *cli,
    const char *method, json_t *params, json_t **result, struct crb_err *err);

#endif /* !CRB_CLIENT_H */
