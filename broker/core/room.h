#ifndef CRB_ROOM_H
#define CRB_ROOM_H

#include "broker/core/core.h"

/*
 * How many sessions there may be at once: sessions_max, or as many as three
 * quarters of the descriptors suffice for, each of which has a listener in the
 * core and in the gateway.  The rest is for connections and streams.
 */
size_t crb_room_most(const struct crb_core *core);

/*
 * That there is room for another session, and a descriptor to spare.  The
 * oldest one that has ended makes room, although it still says why.
 */
CRB_NODISCARD enum crb_status crb_room_make(
    struct crb_core *core, struct crb_err *err);

#endif /* !CRB_ROOM_H */
