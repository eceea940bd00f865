#ifndef CRB_EXCHANGE_HOLD_H
#define CRB_EXCHANGE_HOLD_H

#include "base/buf.h"
#include "broker/bus/push_commands.h"
#include "broker/core/session.h"

/*
 * An exchange of which more has to be seen before it can be judged: the
 * commands of a push, or what its body is.  Kept until the gateway has shown
 * it, and longer where somebody has to approve.
 */
struct crb_shown {
	struct crb_buf text;               /* the commands, as they were sent */
	struct crb_push_commands commands; /* of that text */
	bool has_body;
	uint32_t length; /* of the body that is held */
	uint8_t hash[32];
	char type[129];
};

/* All of it is there (why NULL), or will not be. */
typedef void crb_exchange_shown_fn(struct crb_core *core,
    const struct crb_msg_exchange *msg, const struct crb_shown *shown,
    const struct crb_err *why);

/*
 * Keep a copy of the message and ask the gateway.  `fn` is called later unless
 * this fails; when the gateway is gone by then, nobody is left to be told.
 */
CRB_NODISCARD enum crb_status crb_exchange_need(struct crb_session *session,
    const struct crb_msg_exchange *msg, enum crb_need what,
    crb_exchange_shown_fn *fn, struct crb_err *err);

/* SHOWN, WITHDRAWN; the gateway is gone. */
void crb_exchange_show(struct crb_core *core, const struct crb_msg_shown *msg);
void crb_exchange_withdraw(
    struct crb_core *core, const struct crb_msg_withdrawn *msg);
void crb_exchange_holds_lost(struct crb_core *core);

#endif /* !CRB_EXCHANGE_HOLD_H */
