#ifndef CRB_SHIM_LISTEN_H
#define CRB_SHIM_LISTEN_H

#include <stddef.h>

/* "127.255.255.255:65535" and its NUL. */
#define CRB_LISTEN_TEXT 22

/*
 * Listen on `where`, "ADDRESS:PORT" with an IPv4 loopback address and nothing
 * else; port 0 lets the kernel choose.  Gives CRB_EXIT_DONE, the caller's
 * non-blocking descriptor (CLOEXEC) in *fd and the address in `text`; or says
 * what is wrong.
 */
int crb_listen_open(const char *where, int *fd, char text[CRB_LISTEN_TEXT]);

/*
 * Take over `fd`, which somebody made to listen on a loopback address; gives
 * the same, or says what is wrong.
 */
int crb_listen_adopt(int fd, char text[CRB_LISTEN_TEXT]);

#endif /* !CRB_SHIM_LISTEN_H */
