#ifndef CRB_SUPERVISOR_CONFINEMENT_H
#define CRB_SUPERVISOR_CONFINEMENT_H

#include "broker/confine/confine.h"

extern const struct crb_confinement crb_supervisor_confinement;

#endif /* !CRB_SUPERVISOR_CONFINEMENT_H */
