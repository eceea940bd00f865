#ifndef CRB_CONFINE_H
#define CRB_CONFINE_H

#include <stddef.h>

#include "broker/confine/calls.h"

/*
 * How a process of the broker is confined, once it has what it needs to run
 * and before it reads the first byte that somebody else wrote.  Each process
 * has its own, in its folder's confinement.c.
 */
struct crb_confinement {
	const struct crb_call *const *calls; /* tables, and NULL */
};

/*
 * Confine this process and its threads.  The seccomp filter must take effect,
 * or this fails.
 */
CRB_NODISCARD enum crb_status crb_confine(
    const struct crb_confinement *confinement, struct crb_err *err);

#endif /* !CRB_CONFINE_H */
