#ifndef CRB_SERVER_H
#define CRB_SERVER_H

#include <stdbool.h>

#include "base/err.h"

struct crb_gateway;

/*
 * libmicrohttpd in the gateway's loop: its epoll descriptor is one of ours,
 * and it runs at the end of a turn in which there was something for it.
 */
struct crb_server;

CRB_NODISCARD enum crb_status crb_server_new(
    struct crb_gateway *gateway, struct crb_server **out, struct crb_err *err);
/* Closes every connection; none may be suspended. */
void crb_server_free(struct crb_server *server);

/* Takes `fd`, a connected socket.  False: it was closed. */
bool crb_server_add(struct crb_server *server, int fd);

/* A connection was resumed: run in this turn. */
void crb_server_wake(struct crb_server *server);

#endif /* !CRB_SERVER_H */
