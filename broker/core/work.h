#ifndef CRB_WORK_H
#define CRB_WORK_H

#include "broker/core/core.h"

/*
 * What takes long and needs nothing of the core runs on a thread of its own,
 * a few at once.
 */
#define CRB_WORKS_MAX 4

typedef void crb_work_fn(void *ctx);

/* `work` runs on a thread; then `done` in the loop, once unless this fails. */
CRB_NODISCARD enum crb_status crb_work_start(struct crb_core *core,
    crb_work_fn *work, crb_work_fn *done, void *ctx, struct crb_err *err);
/* Wait for all that run, and call what is to be called. */
void crb_work_finish(struct crb_core *core);

#endif /* !CRB_WORK_H */
