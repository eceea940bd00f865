#include "broker/cli/libexec.h"

#include <string.h>
#include <unistd.h>

#ifndef CRB_LIBEXEC_DIR
#error "CRB_LIBEXEC_DIR is set by the build"
#endif

/* Cut the last component off. */
static void
parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL && slash != path)
		*slash = '\0';
}

enum crb_status
crb_libexec_find(char out[CRB_PATH_MAX], struct crb_err *err)
{
	char self[CRB_PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len > 0) {
		self[len] = '\0';
		parent(self);
		parent(self);
		if (crb_path_join(out, self, "libexec/credbroker", err) !=
		    CRB_OK)
			return err->status;
		if (access(out, X_OK) == 0)
			return CRB_OK;
	}
	if (access(CRB_LIBEXEC_DIR, X_OK) == 0)
		return crb_path_join(out, CRB_LIBEXEC_DIR, "", err);
	return crb_err_set(err, CRB_ERR_NOT_FOUND,
	    "the broker's programs are neither in %s nor in %s: "
	    "install credbroker as a whole",
	    out, CRB_LIBEXEC_DIR);
}
