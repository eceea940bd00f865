#ifndef CRB_CREDENTIAL_ASK_H
#define CRB_CREDENTIAL_ASK_H

#include <stdbool.h>

#include "backends/backend.h"
#include "base/buf.h"

/* Somebody sits at a terminal who can be asked. */
bool crb_can_ask(void);
/* "QUESTION [y/N] ", and whether it was said. */
bool crb_ask_yes(const char *question);

/*
 * "QUESTION [DEFAULT]: ", and one line of answer, the default when it is
 * empty.  An answer that looks like a secret is refused: it has been shown.
 */
CRB_NODISCARD enum crb_status crb_ask(const char *question, const char *preset,
    struct crb_buf *answer, struct crb_err *err);

/* The same for what may look like one. */
CRB_NODISCARD enum crb_status crb_ask_shown(const char *question,
    const char *preset, struct crb_buf *answer, struct crb_err *err);

/*
 * Which service: a preset, or (NULL then) the kind of a backend that mints, or
 * neither.
 */
CRB_NODISCARD enum crb_status crb_ask_service(
    const struct crb_preset **preset, const char **kind, struct crb_err *err);

/*
 * Ask for what `params` lacks of the backend's parameters: those that are
 * required or have choices, and what its check says it needs besides.
 */
CRB_NODISCARD enum crb_status crb_ask_params(
    const struct crb_backend_ops *backend, json_t *params, struct crb_err *err);

#endif /* !CRB_CREDENTIAL_ASK_H */
