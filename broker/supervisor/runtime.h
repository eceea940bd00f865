#ifndef CRB_RUNTIME_H
#define CRB_RUNTIME_H

#include <stdbool.h>

#include "base/err.h"

/*
 * The runtime folder, which one broker holds at a time: lock, admin.sock and
 * sessions/.
 */
struct crb_runtime {
	int lock;
	int dir;
	int sessions;
	int admin; /* listens */
};

#define CRB_RUNTIME_NONE                                           \
	{                                                          \
		.lock = -1, .dir = -1, .sessions = -1, .admin = -1 \
	}

/*
 * Make what is missing, check that nobody else can write in it, and take it.
 * CRB_ERR_EXISTS, with nothing changed, when another broker has it.  When
 * others have roles at root's broker, they may connect to the admin socket;
 * who may do what there is the core's business.
 */
CRB_NODISCARD enum crb_status crb_runtime_open(const char *path,
    bool admin_for_others, struct crb_runtime *out, struct crb_err *err);
/* Remove admin.sock and let go.  sessions/ stays: sandboxes have it mounted. */
void crb_runtime_close(struct crb_runtime *runtime);

#endif /* !CRB_RUNTIME_H */
