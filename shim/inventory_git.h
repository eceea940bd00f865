#ifndef CRB_SHIM_INVENTORY_GIT_H
#define CRB_SHIM_INVENTORY_GIT_H

#include <stddef.h>

#include "shim/inventory_settings.h"

/*
 * git's configuration files (git-config(1), CONFIGURATION FILE), read for what
 * they give away.  Pure; see inventory_formats.h.
 */

/* Where another file is included from, as it is written there. */
typedef void crb_git_include_fn(void *ctx, struct crb_span path);

/*
 * Look through a configuration file.  Gives the static reason for its first
 * secret and the line in *line, or NULL.  `include` (may be NULL) hears of
 * every include.path and includeIf.*.path, whatever the condition.
 */
const char *crb_git_config_find(struct crb_span text, unsigned *line,
    crb_git_include_fn *include, void *ctx);

#endif /* !CRB_SHIM_INVENTORY_GIT_H */
