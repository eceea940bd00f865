#ifndef CRB_EXCHANGE_ASK_H
#define CRB_EXCHANGE_ASK_H

#include "broker/core/approval.h"
#include "broker/core/exchange_hold.h"
#include "broker/core/judge.h"

/*
 * What somebody is asked to approve of an exchange: all that tells it from
 * another one, with the body that was shown by its hash, and of a push its
 * commands.
 */
struct crb_exchange_asking {
	struct crb_approval_asked asked; /* with its digest */
	json_t *details;                 /* owned */
	char summary[256];
};

/*
 * Borrows from the judgement, whose verdict is the one that asks.  `shown` is
 * NULL where there is no body.
 */
CRB_NODISCARD enum crb_status crb_exchange_asking(
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    const struct crb_shown *shown, struct crb_exchange_asking *out,
    struct crb_err *err);
void crb_exchange_asking_clear(struct crb_exchange_asking *asking);
#define CRB_AUTO_ASKING __attribute__((cleanup(crb_exchange_asking_clear)))

/* The type that the body of an approved request goes upstream with. */
const char *crb_exchange_type(const struct crb_shown *shown);

#endif /* !CRB_EXCHANGE_ASK_H */
