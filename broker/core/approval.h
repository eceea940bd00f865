#ifndef CRB_APPROVAL_H
#define CRB_APPROVAL_H

#include <jansson.h>

#include "broker/core/session.h"
#include "policy/decide.h"

/*
 * Approvals: what a rule asks about is held for a while, shown to people, and
 * let through once when one of them approves.  An approval is bound to a digest
 * of the one thing that was asked, to its session, and to the rule; it is gone
 * when what it was for has left, after minutes, and with the process.
 */
#define CRB_APPROVAL_ID_LEN 6
#define CRB_APPROVAL_DIGEST 32
/*
 * That wait or are approved, of all sessions.  A user has at most half of what
 * other users leave of them, and a session of what the user's others leave.
 */
#define CRB_APPROVALS_MAX 256
#define CRB_APPROVALS_SESSION_MAX 8
#define CRB_APPROVALS_DENIED_MAX 32          /* of one session, remembered */
#define CRB_APPROVAL_HOLDS_MAX 64            /* that wait for one of them */
#define CRB_APPROVAL_DETAILS_MAX (48u << 10) /* bytes, as JSON */

/* What is asked for.  All of it is borrowed. */
struct crb_approval_asked {
	struct crb_session *session;
	const char *kind; /* "request", "push", "mint" */
	const char *credential;
	const char *summary; /* a line: "DELETE api.github.com/repos/x" */
	json_t *details;     /* an object, all that is bound */
	/* Of a mint, that its keys last: good for as long, or for less. */
	int64_t seconds;
	const struct crb_verdict *verdict;   /* ask: rule and approvers */
	uint8_t digest[CRB_APPROVAL_DIGEST]; /* by crb_approval_bind() */
};

/*
 * The digest over kind, session, credential, rule and who may approve, and the
 * details but for how long keys last: so what people are shown is what is
 * bound.  A detail too long to be shown is to be there as its hash.
 * CRB_ERR_TOO_LARGE: more than can be shown.
 */
CRB_NODISCARD enum crb_status crb_approval_bind(
    struct crb_approval_asked *asked, struct crb_err *err);

/*
 * Called once, from a later turn, unless crb_approval_hold() fails: with NULL
 * it may be tried again, from the decision on, and otherwise why not:
 * CRB_ERR_DECLINED (the reason in it); CRB_ERR_PENDING, nobody decided in time:
 * it may be asked again, and is let through then if it was approved meanwhile;
 * or the session has ended, the vault was locked.
 */
typedef void crb_approval_fn(void *ctx, const struct crb_err *why);

/*
 * True when exactly this was approved: it is taken then, the audit log says
 * that it is used, and nobody else can take it.  `id` (or NULL) is the
 * approval's, for what the caller records and for crb_approval_settle().
 */
bool crb_approval_take(
    const struct crb_approval_asked *asked, char id[CRB_APPROVAL_ID_LEN + 1]);
/*
 * Behind each take of one: what it was for has left (why NULL), and it is used
 * up; or that will not leave, for this reason, and it is as good as before,
 * which is in the audit log.  Where that cannot be recorded it is used up.  An
 * id of "" does nothing.
 */
void crb_approval_settle(
    struct crb_core *core, const char *id, const struct crb_err *why);
/* Whether it would be taken, with nothing done. */
bool crb_approval_given(const struct crb_approval_asked *asked);

/*
 * Ask for it, or wait with others that have, as long as the configuration says
 * (`approval_wait`).  CRB_ERR_DECLINED: it was denied a moment ago.
 * CRB_ERR_LIMIT: too many wait.
 */
CRB_NODISCARD enum crb_status crb_approval_hold(
    const struct crb_approval_asked *asked, crb_approval_fn *fn, void *ctx,
    struct crb_err *err);
/*
 * Nobody waits with this `ctx` any more, whose `fn` is not called.  What was
 * asked for is still there to be approved, for a retry.
 */
void crb_approval_leave(struct crb_core *core, const void *ctx);

/* The session has ended: all that it asked for is gone. */
void crb_approvals_end(struct crb_session *session, const struct crb_err *why);
/* Other policies are in force: all that is held is judged again. */
void crb_approvals_again(struct crb_core *core);
/* The vault is locked, or the core stops. */
void crb_approvals_clear(struct crb_core *core);

CRB_NODISCARD enum crb_status crb_approvals_new(
    struct crb_core *core, struct crb_approvals **out, struct crb_err *err);
/* After crb_approvals_clear(). */
void crb_approvals_free(struct crb_approvals *approvals);

#endif /* !CRB_APPROVAL_H */
