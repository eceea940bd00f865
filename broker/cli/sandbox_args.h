#ifndef CRB_SANDBOX_ARGS_H
#define CRB_SANDBOX_ARGS_H

#include <stdbool.h>

#include "broker/cli/sandbox.h"

/* Is this real path in a folder of the host's that a sandbox sees? */
bool crb_sandbox_shows(const char *path);

/* Descriptors that bubblewrap is given, and uses up. */
#define CRB_SANDBOX_FILES_MAX 256
struct crb_sandbox_files {
	int seccomp, info, block;
	size_t count; /* empty files, and small ones */
	int at[CRB_SANDBOX_FILES_MAX];
};
void crb_sandbox_files_clear(struct crb_sandbox_files *files);

/*
 * bubblewrap's arguments, up to and with the command.  They go through a
 * descriptor (--args), since they hold the environment.
 */
struct crb_sandbox_launch {
	const struct crb_sandbox *sandbox;
	const char *folder; /* of the session */
	const json_t *variables;
	char *const *command;
};
CRB_NODISCARD enum crb_status crb_sandbox_args(
    const struct crb_sandbox_launch *launch, struct crb_sandbox_files *files,
    struct crb_args *args, struct crb_err *err);

/* The shim's part of it: "exec ... -- COMMAND". */
void crb_sandbox_shim_args(
    const struct crb_sandbox_launch *launch, struct crb_args *args);

#endif /* !CRB_SANDBOX_ARGS_H */
