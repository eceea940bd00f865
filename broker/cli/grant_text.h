#ifndef CRB_CLI_GRANT_TEXT_H
#define CRB_CLI_GRANT_TEXT_H

#include <jansson.h>

#include "base/options.h"

/*
 * A grant as it was typed, "NAME[:KEY=VALUE,...]", as the broker takes it:
 * policy=@FILE becomes the policy that is in the file, in its shortest form.
 * malloc()ed.
 */
CRB_NODISCARD enum crb_status crb_grant_text(
    const char *typed, char **out, struct crb_err *err);

/* An array of them, or NULL when there are none. */
CRB_NODISCARD enum crb_status crb_grants_json(
    const struct crb_list *items, json_t **out, struct crb_err *err);

#endif /* !CRB_CLI_GRANT_TEXT_H */
