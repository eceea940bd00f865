#ifndef CRB_CORE_CONFINEMENT_H
#define CRB_CORE_CONFINEMENT_H

#include "broker/confine/confine.h"

extern const struct crb_confinement crb_core_confinement;

#endif /* !CRB_CORE_CONFINEMENT_H */
