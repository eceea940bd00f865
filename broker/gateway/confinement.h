#ifndef CRB_GATEWAY_CONFINEMENT_H
#define CRB_GATEWAY_CONFINEMENT_H

#include "broker/confine/confine.h"

extern const struct crb_confinement crb_gateway_confinement;

#endif /* !CRB_GATEWAY_CONFINEMENT_H */
