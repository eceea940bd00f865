#ifndef CRB_SHIM_CONNECT_H
#define CRB_SHIM_CONNECT_H

#include <stdbool.h>

/* Milliseconds of CLOCK_MONOTONIC. */
long long crb_connect_now(void);

/*
 * One attempt, which never waits.  Gives a connected, non-blocking descriptor
 * (CLOEXEC) that belongs to the caller, or -1 with errno.
 */
int crb_connect_try(const char *path);

/*
 * Whether a later attempt may succeed after one that failed with `error`.
 * False when it is of another kind, and when the folder of the socket was
 * removed: a bind mount of it never sees its successor, so the session has
 * ended.
 */
bool crb_connect_may_return(const char *path, int error);

/* How long to wait before attempt number `attempt`, which counts from 1. */
int crb_connect_pause_ms(unsigned attempt);

/* As crb_connect_try(), again and again for `retry_ms`.  Blocks. */
int crb_connect_wait(const char *path, int retry_ms);

#endif /* !CRB_SHIM_CONNECT_H */
