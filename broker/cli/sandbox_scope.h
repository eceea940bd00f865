#ifndef CRB_SANDBOX_SCOPE_H
#define CRB_SANDBOX_SCOPE_H

#include <stdbool.h>

/*
 * Abstract sockets belong to the network namespace: with the host's network a
 * sandbox could connect to those of the host's programs (X11, D-Bus).  Landlock
 * can keep it from that, from Linux 6.12 on; `program` is what is executed
 * next, which must not be set-user-ID.
 */
bool crb_sandbox_scope_works(const char *program);

/* This process, and what it executes, from now on. */
bool crb_sandbox_scope(void);

#endif /* !CRB_SANDBOX_SCOPE_H */
