#ifndef CRB_KEEP_H
#define CRB_KEEP_H

#include "broker/core/core.h"

/*
 * What is counted in memory (requests of sessions, last use of credentials)
 * is written down now and then, and before an end.  A crash costs a minute of
 * it: the audit log has it all.
 */
void crb_keep_counts(struct crb_core *core);
/* Of one, with what is being committed: CRB_OK too when there is nothing new.
 */
CRB_NODISCARD enum crb_status crb_keep_session(
    struct crb_session *session, struct crb_err *err);

#endif /* !CRB_KEEP_H */
