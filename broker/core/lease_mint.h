#ifndef CRB_LEASE_MINT_H
#define CRB_LEASE_MINT_H

#include "broker/core/core.h"

/*
 * Mints under way: the intent is recorded, then the egress asked, then what it
 * answers is recorded, and only then are keys given to anybody.  So many at a
 * time, in all and for one session; the others wait their turn.
 */

/* The timer that starts them; `ctx` is the core. */
void crb_mints_start(void *ctx);
/*
 * The vault was locked: those that the egress was not asked for are forgotten.
 * Of the others nothing but the record is left, which says that they may have
 * been minted.
 */
void crb_mints_lock(struct crb_core *core);

#endif /* !CRB_LEASE_MINT_H */
