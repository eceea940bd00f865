#ifndef CRB_CHANGE_H
#define CRB_CHANGE_H

#include "broker/core/admin.h"
#include "broker/core/ending.h"

/*
 * A change by an admin: made in memory, collected together with its audit
 * event, and answered once both are durable.  When that fails it is undone
 * and the failure answered.
 */
typedef void crb_change_fn(void *ctx, bool durable);

struct crb_change {
	struct crb_call *call;               /* ended by this */
	const struct crb_audit_event *event; /* who is filled in */
	enum crb_kind kind;                  /* 0: only the event */
	const struct crb_record_id *id;
	json_t *record;        /* taken; NULL: delete it */
	json_t *result;        /* taken; the answer */
	crb_change_fn *settle; /* keep or undo; once; or NULL */
	void *ctx;
	/* Taken: what has to have ended before the answer, to which settle()
	 * may still add.  NULL: nothing. */
	struct crb_ending *ending;
};
void crb_change_commit(const struct crb_change *change);

#endif /* !CRB_CHANGE_H */
