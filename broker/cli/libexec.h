#ifndef CRB_LIBEXEC_H
#define CRB_LIBEXEC_H

#include "base/err.h"
#include "base/path.h"

/*
 * The folder of the other programs: ../libexec/credbroker beside this program,
 * or where the build was to be installed.
 */
CRB_NODISCARD enum crb_status crb_libexec_find(
    char out[CRB_PATH_MAX], struct crb_err *err);

#endif /* !CRB_LIBEXEC_H */
