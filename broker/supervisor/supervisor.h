#ifndef CRB_SUPERVISOR_H
#define CRB_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "broker/supervisor/child.h"
#include "broker/supervisor/hook.h"

/*
 * Starts core, gateway and egress, gives them the ends of their buses, starts
 * them again when they die, and makes the folders of sessions.  It holds the
 * privileges, and so reads nothing but messages of the core.
 */
struct crb_supervisor_options {
	const char *state;
	const char *runtime;
	const char *config; /* a file, or "" */
	/* Of policies, or "": the machine's, for the organization's alone, and
	 * the broker's */
	const char *organization_folder, *policy_folder;
	const char *key_file; /* or "" */
	const char *libexec;
	const char *notify;    /* NOTIFY_SOCKET, or "" */
	int64_t watchdog_usec; /* WATCHDOG_USEC; 0: none */
	bool admin_for_others; /* others than root have roles */
	struct crb_user core, gateway, egress;
	struct crb_hook hook; /* that was started, or none */
};

/*
 * Serve until SIGTERM, SIGINT or the terminal's end, and then until the
 * children are gone.  Any other SIGHUP lets the core read the configuration
 * again.
 * CRB_ERR_EXISTS when another broker has the runtime folder.
 */
CRB_NODISCARD enum crb_status crb_supervisor_run(
    const struct crb_supervisor_options *options, struct crb_err *err);

#endif /* !CRB_SUPERVISOR_H */
