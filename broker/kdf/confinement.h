#ifndef CRB_KDF_CONFINEMENT_H
#define CRB_KDF_CONFINEMENT_H

#include "broker/confine/confine.h"

extern const struct crb_confinement crb_kdf_confinement;

#endif /* !CRB_KDF_CONFINEMENT_H */
