#ifndef CRB_CLI_PARAMS_H
#define CRB_CLI_PARAMS_H

#include <jansson.h>

#include "base/options.h"

/*
 * "--param key=value" items into a JSON object of strings; a value "@FILE" is
 * the file's text.  What looks like a secret is refused, without showing it.
 */
CRB_NODISCARD enum crb_status crb_params_read(
    const struct crb_list *items, json_t *into, struct crb_err *err);

/* "--label key=value" items, likewise, without "@". */
CRB_NODISCARD enum crb_status crb_labels_read(
    const struct crb_list *items, json_t *into, struct crb_err *err);

#endif /* !CRB_CLI_PARAMS_H */
