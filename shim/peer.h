#ifndef CRB_SHIM_PEER_H
#define CRB_SHIM_PEER_H

#include <stdbool.h>

/*
 * On a network that is the host's, others can connect to our port.  True when
 * the other end of the accepted TCP connection is a socket of this user's
 * that a process which we can see has open: in a sandbox, with a pid
 * namespace and a /proc of its own, those are the sandbox's processes only.
 *
 * Not to be raced: while our end is established, no other socket can have the
 * other end's address and port; so our end is looked at last.
 */
bool crb_peer_is_ours(int fd);

#endif /* !CRB_SHIM_PEER_H */
