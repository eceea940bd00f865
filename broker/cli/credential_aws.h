#ifndef CRB_CLI_CREDENTIAL_AWS_H
#define CRB_CLI_CREDENTIAL_AWS_H

#include <stdbool.h>

#include "backends/backend.h"

/* What is particular about storing keys of AWS. */
bool crb_aws_is(const struct crb_backend_ops *backend);

/* Ask for role and region, as far as `params` do not say what to do. */
CRB_NODISCARD enum crb_status crb_aws_ask_params(
    json_t *params, struct crb_err *err);

/* Ask for the keys themselves, all but the id without echo. */
CRB_NODISCARD enum crb_status crb_aws_ask_keys(
    struct crb_secret **out, struct crb_err *err);

/* What the broker will do with them, and a command to try. */
void crb_aws_print_stored(const char *name, const json_t *params);

/* A command to try. */
void crb_aws_print_try(const char *name);

#endif /* !CRB_CLI_CREDENTIAL_AWS_H */
