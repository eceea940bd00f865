#ifndef CRB_LOAD_H
#define CRB_LOAD_H

#include "broker/core/core.h"

/* The maps, from the store: credentials, profiles, sessions. */
CRB_NODISCARD enum crb_status crb_load_all(
    struct crb_core *core, struct crb_err *err);
/* Empty the maps again, wiping; endpoints close. */
void crb_load_wipe(struct crb_core *core);

#endif /* !CRB_LOAD_H */
