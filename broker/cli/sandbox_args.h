#ifndef CRB_SANDBOX_ARGS_H
#define CRB_SANDBOX_ARGS_H

#include <stddef.h>

#include "broker/cli/sandbox.h"

/*
 * A NULL-terminated list of strings that it owns, once there is one in it;
 * out of memory aborts.  Starts as all zeros.
 */
struct crb_args {
	size_t count;
	char **at;
};
void crb_args_add(struct crb_args *args, const char *text);
void crb_args_clear(struct crb_args *args);

/* Is this real path in a folder of the host's that a sandbox sees? */
bool crb_sandbox_shows(const char *path);

/* bubblewrap's command line up to the command itself. */
void crb_sandbox_args(const struct crb_sandbox *sandbox, const char *folder,
    int seccomp_fd, int info_fd, struct crb_args *args);

/* "KEY=VALUE": the allow-list of ours, then the session's. */
void crb_sandbox_environment(const struct crb_sandbox *sandbox,
    const json_t *environment, struct crb_args *args);

#endif /* !CRB_SANDBOX_ARGS_H */
