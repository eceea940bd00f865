#ifndef CRB_SANDBOX_H
#define CRB_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"
#include "base/path.h"

/*
 * The sandbox of `credbroker run`: bubblewrap with own user, pid, ipc, uts,
 * mount and network namespaces (an empty network: loopback only), no nested
 * namespaces, no capabilities; system folders read-only, an empty home, the
 * workspace writable, the session's folder at /run/credbroker, and the shim's
 * forwarder inside.  The environment is an allow-list plus the session's.
 */
#define CRB_SANDBOX_HIDDEN 2
struct crb_sandbox {
	char bwrap[CRB_PATH_MAX];
	char shim[CRB_PATH_MAX];
	char home[CRB_PATH_MAX];
	char workspace[CRB_PATH_MAX];
	/* Folders of the broker below what is shown; "": not there. */
	char hidden[CRB_SANDBOX_HIDDEN][CRB_PATH_MAX];
};

/* Folders of the broker, which no workspace may contain, or be in. */
struct crb_sandbox_forbidden {
	const char *state;
	const char *runtime;
};

/*
 * Find the programs and judge the workspace (NULL: the current folder), before
 * a session is issued for it.
 */
CRB_NODISCARD enum crb_status crb_sandbox_prepare(const char *workspace,
    const struct crb_sandbox_forbidden *forbidden, struct crb_sandbox *out,
    struct crb_err *err);

/*
 * Run the command (NULL-terminated) to its end, passing signals on.  *status
 * is its exit status, 128 + n when signal n killed it.  `environment` and
 * `folder` are the session's.
 */
CRB_NODISCARD enum crb_status crb_sandbox_run(const struct crb_sandbox *sandbox,
    const char *folder, const json_t *environment, char *const *command,
    int *status, struct crb_err *err);

#endif /* !CRB_SANDBOX_H */
