#ifndef CRB_CONFINED_H
#define CRB_CONFINED_H

#include <jansson.h>

#include "broker/bus/messages.h"
#include "broker/confine/confine.h"

struct crb_core;

/* How a process is confined: what it says, and what it was started with. */
struct crb_process_confinement {
	bool told; /* it has said so */
	struct crb_confined confined;
	unsigned namespaces; /* bits of enum crb_apart */
	char problem[256];   /* why not all of them, or "" */
};

struct crb_core_confinement {
	unsigned restarts; /* of the core */
	struct crb_confined self;
	struct crb_process_confinement gateway, egress;
};

/* The supervisor has started one anew. */
void crb_confined_started(
    struct crb_core *core, const struct crb_msg_peer *peer);
/* Both messages have the same fields. */
void crb_confined_said(struct crb_process_confinement *process,
    const struct crb_msg_gateway_confined *said);

/* {process: {user, seccomp, landlock, namespaces, root, problems}}. */
json_t *crb_confined_shown(const struct crb_core *core);

#endif /* !CRB_CONFINED_H */
