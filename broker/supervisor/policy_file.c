#include "broker/supervisor/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "broker/bus/tier_files.h"
#include "broker/supervisor/reload.h"

/*
 * A link that leads nowhere, and a folder that cannot be looked into, are not
 * "no file": what should narrow would be passed over.
 */
static enum crb_status
is_there(const char *path, bool *out, struct crb_err *err)
{
	struct stat st;

	*out = lstat(path, &st) == 0;
	if (!*out && errno != ENOENT && errno != ENOTDIR)
		return crb_err_errno(err, "%s", path);
	/* Said by its own name, and not only by where it leads. */
	if (*out && S_ISLNK(st.st_mode) && stat(path, &st) != 0)
		return crb_err_errno(err, "%s: a link", path);
	return CRB_OK;
}

enum crb_status
crb_policy_file_open(const struct crb_policy_folders *folders, unsigned file,
    int *out, struct crb_err *err)
{
	char path[CRB_PATH_MAX];
	const char *folder;
	bool there;

	if (file >= CRB_POLICY_FILES || crb_tier_files[file].name == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "there is no such file of a policy");
	folder = crb_tier_files[file].machine ? folders->organization
					      : folders->policy;
	*out = -1;
	if (folder[0] == '\0')
		return CRB_OK;
	if (crb_path_join(path, folder, crb_tier_files[file].name, err) !=
		CRB_OK ||
	    is_there(path, &there, err) != CRB_OK)
		return err->status;
	if (!there)
		return CRB_OK;
	return crb_vetted_open(
	    path, crb_tier_files[file].machine ? 0 : geteuid(), out, err);
}
