#ifndef CRB_HOST_PORT_H
#define CRB_HOST_PORT_H

#include <stdint.h>

#include "base/err.h"

/*
 * A port of the host's loopback address that the kernel chose, listened on,
 * for the forwarder of a sandbox that has the host's network.
 */
CRB_NODISCARD enum crb_status crb_host_port_open(
    int *fd, uint16_t *port, struct crb_err *err);

#endif /* !CRB_HOST_PORT_H */
