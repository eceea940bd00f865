#ifndef CRB_REFUSAL_H
#define CRB_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/core/rate.h"

/*
 * Refusals at the admin socket, in the audit log and in ours: a few at once of
 * each user and then one in ten seconds, so that nobody fills the disk with
 * what he may not do.  What was left out is counted in the next line.
 */
#define CRB_REFUSAL_USERS 32

struct crb_core;
struct crb_err;
struct crb_refusals {
	struct crb_refusal_user {
		bool used;
		uid_t uid;
		struct crb_rate rate;
		uint64_t left_out;
		int64_t last; /* the loop's clock, ms */
	} user[CRB_REFUSAL_USERS];
};

/* `method` and `session` may be NULL. */
struct crb_refusal {
	uid_t uid;
	const char *who;
	const char *method;
	const char *session;
	const struct crb_err *why;
};
/*
 * Whether one of this user is recorded now; *left_out is how many were not
 * before it.  `now` is the loop's clock, ms.  More users than there are places
 * share them: one has as many uids as he maps into his namespaces.
 */
bool crb_refusal_due(
    struct crb_refusals *refusals, uid_t uid, int64_t now, uint64_t *left_out);

void crb_refusal_record(struct crb_core *core, struct crb_refusals *refusals,
    const struct crb_refusal *refusal);

#endif /* !CRB_REFUSAL_H */
