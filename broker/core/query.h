#ifndef CRB_QUERY_H
#define CRB_QUERY_H

#include "broker/core/core.h"

/* Questions of a sandbox that the core answers itself: /v1/... */
void crb_query_answer(struct crb_core *core, const struct crb_msg_query *msg);

#endif /* !CRB_QUERY_H */
