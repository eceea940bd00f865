#ifndef CRB_PLACES_OF_CORE_H
#define CRB_PLACES_OF_CORE_H

#include "base/err.h"
#include "broker/supervisor/child.h"

/*
 * What belongs to us, and a core that runs as a user of its own has to read or
 * write.
 */

/* The key file: ours or root's, and nobody else's to read.  The caller owns
 * *out. */
CRB_NODISCARD enum crb_status crb_key_file_open(
    const char *path, int *out, struct crb_err *err);

/*
 * The state folder must be `core`'s.  One that is root's, because it was just
 * made, is handed over: what is in it first, the folder last, so that nothing
 * is changed in a folder that anybody but root can write to, and an attempt
 * that was cut short starts again.
 */
CRB_NODISCARD enum crb_status crb_state_hand_over(
    const char *path, const struct crb_user *core, struct crb_err *err);

#endif /* !CRB_PLACES_OF_CORE_H */
