#ifndef CRB_SESSION_MINT_H
#define CRB_SESSION_MINT_H

#include "broker/core/session.h"

/*
 * Have a lease for each credential that a new session hands out.  `fn` is
 * called once, from a later turn unless there is nothing to mint: with why
 * NULL all are there; otherwise the session has ended, as failed unless by
 * something else, and that is recorded.
 */
typedef void crb_session_minted_fn(void *ctx, const struct crb_err *why);
CRB_NODISCARD enum crb_status crb_session_mint(struct crb_session *session,
    crb_session_minted_fn *fn, void *ctx, struct crb_err *err);

#endif /* !CRB_SESSION_MINT_H */
