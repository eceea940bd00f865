#ifndef CRB_CORE_RELOAD_H
#define CRB_CORE_RELOAD_H

#include "broker/core/core.h"

/*
 * Read the configuration again: all of it takes effect, once that is recorded,
 * or nothing does and core->reload says why.  `fd` is the file's, which the
 * supervisor has vetted and opened, and is taken; -1: there is none.
 */
void crb_reload(struct crb_core *core, int fd);

/* {file, loaded, problem?, restart: [key]} for `status`. */
json_t *crb_reload_shown(const struct crb_core *core);

#endif /* !CRB_CORE_RELOAD_H */
