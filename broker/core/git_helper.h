#ifndef CRB_GIT_HELPER_H
#define CRB_GIT_HELPER_H

#include "broker/core/session.h"

/*
 * The credential helper protocol (git-credential(1)): lines "key=value" up to
 * an empty one or the end.  Broken input is CRB_ERR_INVALID: duplicate keys,
 * CR or NUL, no protocol or host, a line without "=".
 *
 * Nothing is handed out yet.  For a host of a grant the answer is "quit=1",
 * so that git stops asking: it is used through the gateway, which adds the
 * secret.  For any other the answer is empty.
 */
CRB_NODISCARD enum crb_status crb_git_helper_get(
    const struct crb_session *session, struct crb_slice body,
    struct crb_buf *out, struct crb_err *err);

#endif /* !CRB_GIT_HELPER_H */
