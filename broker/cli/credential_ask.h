#ifndef CRB_CREDENTIAL_ASK_H
#define CRB_CREDENTIAL_ASK_H

#include <stdbool.h>

#include "backends/backend.h"
#include "base/buf.h"

/* Somebody sits at a terminal who can be asked. */
bool crb_can_ask(void);

/*
 * "QUESTION [DEFAULT]: ", and one line of answer, the default when it is
 * empty.  An answer that looks like a secret is refused: it has been shown.
 */
CRB_NODISCARD enum crb_status crb_ask(const char *question, const char *preset,
    struct crb_buf *answer, struct crb_err *err);

/* Which service; *out is NULL for one that has no preset. */
CRB_NODISCARD enum crb_status crb_ask_preset(
    const struct crb_preset **out, struct crb_err *err);

/*
 * Ask for what `params` lacks of the backend's parameters: those that are
 * required or have choices, and what its check says it needs besides.
 */
CRB_NODISCARD enum crb_status crb_ask_params(
    const struct crb_backend_ops *backend, json_t *params, struct crb_err *err);

#endif /* !CRB_CREDENTIAL_ASK_H */
