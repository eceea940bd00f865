#ifndef CRB_SANDBOX_H
#define CRB_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"
#include "base/path.h"
#include "broker/cli/args.h"
#include "broker/cli/masked.h"
#include "broker/cli/mounts.h"
#include "broker/cli/program.h"
#include "broker/cli/protected.h"
#include "broker/config/config.h"

/*
 * The sandbox of `credbroker run`: bubblewrap with own user, pid, ipc, uts,
 * mount and network namespaces (an empty network: loopback only), no nested
 * namespaces, no capabilities; system folders read-only, an empty home, the
 * workspace writable, the session's folder at /run/credbroker, and the shim's
 * forwarder inside.  The environment is an allow-list plus the session's.
 */
struct crb_sandbox_request {
	const struct crb_config *config;
	const char *workspace; /* NULL: the current folder */
	const char *command;
	const struct crb_list *binds, *ro_binds; /* PATH[:TARGET] */
	const struct crb_list *open;             /* not made read-only */
	const struct crb_list *env;
	bool host_network;
	bool bare; /* no sandbox at all, only the environment */
};

struct crb_sandbox {
	const struct crb_sandbox_request *request;
	char bwrap[CRB_PATH_MAX];
	char shim[CRB_PATH_MAX];
	char home[CRB_PATH_MAX];
	char workspace[CRB_PATH_MAX];
	bool linked; /* the workspace was named by a link */
	struct crb_program program;
	struct crb_mounts mounts;
	struct crb_masked masked;
	struct crb_protected_request protect;
	struct crb_protected protected;
	bool scoped;   /* abstract sockets of the host are out of reach */
	int listener;  /* a port of the host's; -1: none */
	uint16_t port; /* 0: none */
};

/*
 * Find the programs and judge the workspace, the mounts and the command,
 * before a session is issued for them.  *exit is set when the command cannot
 * be run.  Either way crb_sandbox_clear() is called.
 */
CRB_NODISCARD enum crb_status crb_sandbox_prepare(
    const struct crb_sandbox_request *request, struct crb_sandbox *out,
    int *exit, struct crb_err *err);

/*
 * Add the mounts that the broker answered with (a profile's), and settle what
 * is protected and masked.  Nothing is added after that.
 */
CRB_NODISCARD enum crb_status crb_sandbox_settle(
    struct crb_sandbox *sandbox, const json_t *mounts, struct crb_err *err);

/*
 * Run the command (NULL-terminated) to its end, passing signals on.  *status
 * is its exit status, 128 + n when signal n killed it.  `environment` and
 * `folder` are the session's.
 */
CRB_NODISCARD enum crb_status crb_sandbox_run(const struct crb_sandbox *sandbox,
    const char *folder, const json_t *environment, char *const *command,
    int *status, struct crb_err *err);

void crb_sandbox_clear(struct crb_sandbox *sandbox);

#endif /* !CRB_SANDBOX_H */
