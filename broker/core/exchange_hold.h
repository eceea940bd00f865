#ifndef CRB_EXCHANGE_HOLD_H
#define CRB_EXCHANGE_HOLD_H

#include "base/buf.h"
#include "broker/bus/push_commands.h"
#include "broker/core/approval.h"
#include "broker/core/exchange_durable.h"
#include "broker/core/judge.h"
#include "broker/core/session.h"

/*
 * An exchange that waits: for more of it to be seen, the commands of a push or
 * what its body is; for somebody to approve it; for a lease; for the disk; for
 * its turn.  A copy of its message is kept meanwhile, and what was shown.  It
 * is judged again each time.
 */
#define CRB_HOLDS_BYTES_MAX ((size_t)64 << 20) /* of all that was shown */

struct crb_shown {
	bool has_commands;
	struct crb_buf text;               /* as they were sent */
	struct crb_push_commands commands; /* of that text */
	bool has_body;
	uint32_t length; /* of the body that the gateway holds */
	uint8_t hash[32];
	char type[129];
	char *headers; /* lines, of an API; or NULL */
};

struct crb_hold;

/*
 * What was awaited is there (why NULL), or will not be.  Unless `hold` is made
 * to wait for something again it is gone when this returns.
 */
typedef void crb_hold_fn(struct crb_core *core, struct crb_hold *hold,
    const struct crb_msg_exchange *msg, const struct crb_err *why);

/*
 * Keep a copy of the message.  The caller makes it wait, after which `fn` is
 * called, later and with the gateway that asked: when that is gone by then,
 * nobody is left to be told.
 */
CRB_NODISCARD enum crb_status crb_hold_new(struct crb_session *session,
    const struct crb_msg_exchange *msg, crb_hold_fn *fn, struct crb_hold **out,
    struct crb_err *err);
/* One that does not wait. */
void crb_hold_free(struct crb_hold *hold);
bool crb_hold_waits(const struct crb_hold *hold);
/* What was shown so far; valid as long as the hold is. */
const struct crb_shown *crb_hold_shown(const struct crb_hold *hold);
/* How far its commands were judged; likewise. */
struct crb_judge_progress *crb_hold_progress(struct crb_hold *hold);
/* Another one of its session has turns before it. */
bool crb_hold_queues(const struct crb_hold *hold);
/* It was withdrawn while it had turns: nobody wants to know how it ends. */
bool crb_hold_is_left(const struct crb_hold *hold);

/* Ask the gateway to show it. */
CRB_NODISCARD enum crb_status crb_hold_need(
    struct crb_hold *hold, enum crb_need what, struct crb_err *err);
/* crb_approval_hold() */
CRB_NODISCARD enum crb_status crb_hold_ask(struct crb_hold *hold,
    const struct crb_approval_asked *asked, struct crb_err *err);
/* crb_lease_want() */
CRB_NODISCARD enum crb_status crb_hold_lease(struct crb_hold *hold,
    struct crb_session *session, const char *credential, struct crb_err *err);
/* crb_recording_new() */
CRB_NODISCARD enum crb_status crb_hold_record(struct crb_hold *hold,
    const struct crb_msg_exchange *msg, const struct crb_judgement *judgement,
    const struct crb_approval_asked *asked, const char *approval,
    struct crb_err *err);
/* What became of that; NULL: nothing was recorded.  Gone with the hold. */
struct crb_recording *crb_hold_recording(const struct crb_hold *hold);

/*
 * Serve others first: `why`, copied, is what its function is called with when
 * it is its turn.  What it does then is as much as keeps others waiting.
 */
CRB_NODISCARD enum crb_status crb_hold_turn(
    struct crb_hold *hold, const struct crb_err *why, struct crb_err *err);

/* SHOWN, WITHDRAWN; the gateway is gone. */
void crb_holds_shown(struct crb_core *core, const struct crb_msg_shown *msg);
void crb_holds_withdrawn(
    struct crb_core *core, const struct crb_msg_withdrawn *msg);
void crb_holds_lost(struct crb_core *core);

#endif /* !CRB_EXCHANGE_HOLD_H */
