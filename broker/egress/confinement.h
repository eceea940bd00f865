#ifndef CRB_EGRESS_CONFINEMENT_H
#define CRB_EGRESS_CONFINEMENT_H

#include "broker/confine/confine.h"

#define CRB_RESOLV_CONF "/etc/resolv.conf"

extern const struct crb_confinement crb_egress_confinement;

#endif /* !CRB_EGRESS_CONFINEMENT_H */
