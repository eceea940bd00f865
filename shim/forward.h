#ifndef CRB_SHIM_FORWARD_H
#define CRB_SHIM_FORWARD_H

#include "shim/command.h"

/*
 * Relay every connection that `listener` (borrowed, non-blocking) accepts to
 * the endpoint's socket.  Returns only when it cannot work at all, and then
 * has said why.
 */
int crb_forward_serve(int listener, const struct crb_options *options);

#endif /* !CRB_SHIM_FORWARD_H */
