#ifndef CRB_EXCHANGE_REFUSE_H
#define CRB_EXCHANGE_REFUSE_H

#include "broker/core/judge.h"

/*
 * Record that it is refused, as the judgement's denial says, and tell the
 * gateway.  Where it cannot be recorded that is what the client is told.
 */
void crb_exchange_refuse(struct crb_core *core,
    const struct crb_msg_exchange *msg, struct crb_judgement *judgement);
/* The same, for another reason. */
void crb_exchange_refuse_for(struct crb_core *core,
    const struct crb_msg_exchange *msg, struct crb_judgement *judgement,
    const struct crb_err *why);

#endif /* !CRB_EXCHANGE_REFUSE_H */
