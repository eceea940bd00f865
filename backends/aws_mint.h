#ifndef CRB_AWS_MINT_H
#define CRB_AWS_MINT_H

#include "backends/aws_keys.h"
#include "backends/aws_params.h"

/*
 * Ask STS once for what an order says, with the stored keys.  What STS refuses
 * is CRB_ERR_UPSTREAM, in its words and with its request's id; that it is asked
 * too often, and only that, CRB_ERR_LIMIT.  The caller clears *out, of which a
 * failure sets the status alone.
 */
CRB_NODISCARD enum crb_status crb_aws_mint(const struct crb_mint_world *world,
    const struct crb_aws_params *params, const struct crb_aws_keys *keys,
    const json_t *order, struct crb_minted *out, struct crb_err *err);

#endif /* !CRB_AWS_MINT_H */
