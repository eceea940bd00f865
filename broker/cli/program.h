#ifndef CRB_PROGRAM_H
#define CRB_PROGRAM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/path.h"
#include "broker/cli/masked.h"
#include "broker/cli/mounts.h"

/*
 * The command of `run`, found on the host before there is a session, with its
 * interpreters and everything that symbolic links lead to.
 */
struct crb_program {
	char path[CRB_PATH_MAX]; /* what is executed: folder real, name as found
				  */
	bool in_workspace;       /* it is the project's own */
};

/* Exit statuses, as a shell has them. */
#define CRB_PROGRAM_MISSING 127
#define CRB_PROGRAM_NOT_RUN 126

struct crb_program_search {
	const char *path;      /* PATH */
	const char *home;      /* real */
	const char *workspace; /* real */
	const struct crb_masked *masked;
	struct crb_mounts *mounts;
};

/*
 * A name is looked for on PATH, whose relative and empty entries are passed
 * over; one with a slash is taken from the workspace, or is absolute.  Adds
 * what has to be mounted for it, read-only.  After a failure *exit is
 * CRB_PROGRAM_MISSING or CRB_PROGRAM_NOT_RUN.
 */
CRB_NODISCARD enum crb_status crb_program_find(const char *command,
    const struct crb_program_search *search, struct crb_program *out, int *exit,
    struct crb_err *err);

/*
 * The words of an interpreter line, "#!" and all, cut at the first newline:
 * *interpreter, and in *program what `env` is to look for on PATH ("" when the
 * interpreter is no env).  False when it is none.
 */
bool crb_program_interpreter(const char *line, char interpreter[CRB_PATH_MAX],
    char program[CRB_PATH_MAX]);

#endif /* !CRB_PROGRAM_H */
