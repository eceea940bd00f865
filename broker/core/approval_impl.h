#ifndef CRB_APPROVAL_IMPL_H
#define CRB_APPROVAL_IMPL_H

#include <sys/queue.h>

#include "base/loop.h"
#include "broker/core/admin.h"
#include "broker/core/approval.h"
#include "broker/core/rate.h"

/* What approval.c, approval_shown.c and rpc_approval.c share. */
enum crb_approval_state {
	CRB_APPROVAL_WAITING,
	CRB_APPROVAL_APPROVED, /* and not used yet */
	CRB_APPROVAL_DENIED,
};

/* Somebody that waits; in a list of its approval, or of those to be told. */
struct crb_approval_hold {
	TAILQ_ENTRY(crb_approval_hold) link;
	struct crb_approvals *approvals;
	struct crb_approval *approval; /* NULL: about to be told */
	crb_approval_fn *fn;
	void *ctx;
	struct crb_timer timer; /* the end of its patience */
	bool failed;
	struct crb_err why;
};
TAILQ_HEAD(crb_approval_holds, crb_approval_hold);

struct crb_approval {
	TAILQ_ENTRY(crb_approval) link;
	struct crb_approvals *approvals;
	char id[CRB_APPROVAL_ID_LEN + 1];
	enum crb_approval_state state;
	bool recorded; /* that it was asked: nobody sees it before */
	bool deciding; /* an answer is being recorded */
	bool taken;    /* recorded as used, and perhaps given back: hidden */
	char session[CRB_SESSION_ID_MAX + 1];
	uid_t issuer; /* of the session */
	uint8_t digest[CRB_APPROVAL_DIGEST];
	int64_t seconds;
	bool four_eyes;
	json_t *shown; /* what people see of it and never changes, without... */
	char *details; /* ...which is JSON, and may be long: not in the slab */
	size_t details_len;
	int64_t asked, expires;           /* wall seconds */
	char reason[CRB_ERR_MSG_MAX / 2]; /* of whoever denied it, escaped */
	unsigned refusals;                /* that were recorded */
	struct crb_timer timer;           /* its end */
	struct crb_approval_holds holds;
	unsigned held;
};
TAILQ_HEAD(crb_approval_list, crb_approval);

/* A call of approval.list that waits until something has changed. */
struct crb_approval_watch {
	TAILQ_ENTRY(crb_approval_watch) link;
	struct crb_approvals *approvals;
	struct crb_call *call;
	struct crb_timer timer;
};
TAILQ_HEAD(crb_approval_watches, crb_approval_watch);

struct crb_approvals {
	struct crb_core *core;
	struct crb_approval_list list; /* oldest first */
	unsigned open;                 /* that wait or are approved */
	struct crb_approval_holds told;
	struct crb_timer tell;
	uint64_t version; /* of what people see */
	struct crb_approval_watches watches;
	unsigned watch_count;
	struct crb_timer watched; /* they are answered */
	struct crb_rate hooks;
};

/* approval.c.  By its id: one that people may see, or any. */
struct crb_approval *crb_approval_find(
    const struct crb_approvals *approvals, const char *id);
struct crb_approval *crb_approval_any(
    const struct crb_approvals *approvals, const char *id);
/* What people see has changed: of one that is recorded. */
void crb_approval_changed(struct crb_approvals *approvals);
/* It waits no more; told from a later turn.  why NULL: it may try again. */
void crb_approval_release(
    struct crb_approval_hold *hold, const struct crb_err *why);
/* All that wait for it. */
void crb_approval_release_all(
    struct crb_approval *approval, const struct crb_err *why);
/* Out of the list, and freed; whoever waits is told `why`. */
void crb_approval_drop(
    struct crb_approval *approval, const struct crb_err *why);
/* It ends in so many seconds. */
void crb_approval_live_for(struct crb_approval *approval, int64_t seconds);
void crb_approval_expire(void *ctx);
/*
 * The answer of somebody, which is durable.  `reason` is his, escaped; NULL: it
 * is approved.
 */
void crb_approval_answer(struct crb_approval *approval, const char *reason);

/*
 * approval_event.c: an event about it, what it is about filled in, by the
 * broker; and one that is on the disk within 100 ms, as it stands.
 */
void crb_approval_event(const struct crb_approval *approval, const char *name,
    struct crb_audit_event *out);
CRB_NODISCARD enum crb_status crb_approval_record(
    const struct crb_approval *approval, const char *name, const char *outcome,
    struct crb_err *err);
/* "approval 3kd82A of a push, bound to SHA-256" */
#define CRB_APPROVAL_BOUND_TEXT 160
void crb_approval_bound(
    const struct crb_approval *approval, char out[CRB_APPROVAL_BOUND_TEXT]);
/* What the sandbox is told. */
void crb_approval_pending(
    const struct crb_approval *approval, struct crb_err *out);
void crb_approval_declined(
    const struct crb_approval *approval, struct crb_err *out);

/*
 * approval_shown.c: what people see of what is asked, all that a sandbox may
 * have chosen escaped, as members of *approval.
 */
CRB_NODISCARD enum crb_status crb_approval_describe(
    struct crb_approval *approval, const struct crb_approval_asked *asked,
    struct crb_err *err);
/* As it stands now, with its details or without; NULL without memory. */
json_t *crb_approval_shown(const struct crb_approval *approval, bool details);
/* A member of it; "" when it is not there. */
const char *crb_approval_text(
    const struct crb_approval *approval, const char *key);
/* approval_hook.c: have the hook run about it, where there is one. */
void crb_approval_hook(const struct crb_approval *approval);

/* rpc_approval.c: answer those that wait, changed or not. */
void crb_approval_watches_answer(struct crb_approvals *approvals);

#endif /* !CRB_APPROVAL_IMPL_H */
