#ifndef CRB_CORE_LINK_H
#define CRB_CORE_LINK_H

#include "broker/core/core.h"

/* What each process says to the core, and its coming and going. */
CRB_NODISCARD enum crb_status crb_supervisor_up(
    struct crb_core *core, int fd, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_gateway_up(
    struct crb_core *core, int fd, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_egress_up(
    struct crb_core *core, int fd, struct crb_err *err);

#endif /* !CRB_CORE_LINK_H */
