#ifndef CRB_GIT_FOLDER_H
#define CRB_GIT_FOLDER_H

#include "broker/cli/guard.h"

/*
 * What of a repository would run on the host later: hooks (where the
 * configuration has them), the configuration with what it includes, and the
 * files that say where the configuration is; of the repository, its
 * submodules and its worktrees.  Refs, objects and the index stay writable.
 *
 * `.git` may be a folder, or the file of a worktree or submodule.  A
 * worktree's repository, outside of the guarded folder, is mounted when it
 * points back to this worktree, so that an agent's own file gives nothing.
 */
void crb_git_folder_protect(struct crb_guard *guard);

#endif /* !CRB_GIT_FOLDER_H */
