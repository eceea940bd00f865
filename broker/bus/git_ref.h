#ifndef CRB_GIT_REF_H
#define CRB_GIT_REF_H

#include <stdbool.h>

#include "base/text.h"

#define CRB_REF_MAX 1024

/*
 * A full name below refs/ as git-check-ref-format(1) has it, in UTF-8, so that
 * it can be said in JSON as it stands.
 */
bool crb_git_ref_ok(struct crb_slice ref);

#endif /* !CRB_GIT_REF_H */
