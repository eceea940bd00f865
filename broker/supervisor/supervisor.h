#ifndef CRB_SUPERVISOR_H
#define CRB_SUPERVISOR_H

#include "base/err.h"

/*
 * Starts core, gateway and egress, gives them the ends of their buses, starts
 * them again when they die, and makes the folders of sessions.  It holds the
 * privileges, and so reads nothing but messages of the core.
 */
struct crb_supervisor_options {
	const char *state;
	const char *runtime;
	const char *config;   /* a file, or "" */
	const char *key_file; /* or "" */
	const char *libexec;
};

/*
 * Serve until SIGTERM, SIGINT or SIGHUP, and then until the children are gone.
 * CRB_ERR_EXISTS when another broker has the runtime folder.
 */
CRB_NODISCARD enum crb_status crb_supervisor_run(
    const struct crb_supervisor_options *options, struct crb_err *err);

#endif /* !CRB_SUPERVISOR_H */
