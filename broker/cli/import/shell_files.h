#ifndef CRB_IMPORT_SHELL_FILES_H
#define CRB_IMPORT_SHELL_FILES_H

#include "base/path.h"
#include "broker/cli/import/parsers.h"

/*
 * Which line of which start-up file seems to set a variable: "~/.bashrc", 12.
 * False when none does.  A guess for people, never acted on.
 */
bool crb_shell_files_find(const char *variable, crb_import_getenv_fn *get,
    char path[CRB_PATH_MAX], unsigned *line);

/* Whether a line of a shell's, or of environment.d, sets the variable. */
bool crb_shell_line_sets(struct crb_slice line, const char *variable);

#endif /* !CRB_IMPORT_SHELL_FILES_H */
