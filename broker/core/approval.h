#ifndef CRB_APPROVAL_H
#define CRB_APPROVAL_H

#include <jansson.h>

#include "broker/core/session.h"
#include "policy/decide.h"

/*
 * Approvals: what a rule asks about is held for a while, shown to people, and
 * let through once when one of them approves.  An approval is bound to a digest
 * of the one thing that was asked, to its session, and to the rule; it is gone
 * when it was used, after minutes, and with the process.
 */
#define CRB_APPROVAL_ID_LEN 6
#define CRB_APPROVAL_DIGEST 32
#define CRB_APPROVALS_MAX 1024 /* that wait, of all sessions */
#define CRB_APPROVALS_SESSION_MAX 8

/* What is asked for. */
struct crb_approval_asked {
	struct crb_session *session;
	const char *kind; /* "request", "push", "mint" */
	const char *credential;
	const char *summary;   /* a line: "DELETE api.github.com/repos/x" */
	const json_t *details; /* an object, all that is bound */
	uint8_t digest[CRB_APPROVAL_DIGEST]; /* of all that is bound */
	const struct crb_verdict *verdict;   /* ask: rule and approvers */
};

/*
 * Called once, from a later turn, unless crb_approval_hold() fails: with NULL
 * it may be tried again, and otherwise why not: it was denied (CRB_ERR_DENIED,
 * the reason in it), nobody decided in time (CRB_ERR_TIMEOUT: it may be asked
 * again, and is let through then if it was approved meanwhile), the session
 * has ended.
 */
typedef void crb_approval_fn(void *ctx, const struct crb_err *why);

/*
 * True when exactly this was approved, which is used up then; `id` is the
 * approval's.  The caller records it with what it does.
 */
bool crb_approval_take(
    const struct crb_approval_asked *asked, char id[CRB_APPROVAL_ID_LEN + 1]);

/*
 * Ask for it, or wait with others that have, as long as the configuration says
 * (`approval_wait`).  CRB_ERR_DENIED: it was denied a moment ago.
 * CRB_ERR_LIMIT: too many wait.
 */
CRB_NODISCARD enum crb_status crb_approval_hold(
    const struct crb_approval_asked *asked, crb_approval_fn *fn, void *ctx,
    struct crb_err *err);

/* The session has ended: all that it asked for is gone. */
void crb_approvals_end(struct crb_session *session, const struct crb_err *why);
/* The vault is locked, or the core stops. */
void crb_approvals_clear(struct crb_core *core);

#endif /* !CRB_APPROVAL_H */
