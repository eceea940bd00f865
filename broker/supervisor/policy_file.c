#include "broker/supervisor/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "broker/bus/messages.h"
#include "broker/supervisor/reload.h"

static const struct {
	bool machine;
	const char *name;
} files[CRB_POLICY_FILES] = {
	[CRB_POLICY_KEY] = { true, "organization.pub" },
	[CRB_POLICY_ORGANIZATION] = { true, "organization.json" },
	[CRB_POLICY_SIGNATURE] = { true, "organization.json.minisig" },
	[CRB_POLICY_TEAM] = { false, "team.json" },
	[CRB_POLICY_LOCAL] = { false, "local.json" },
};

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

	if (file >= CRB_POLICY_FILES || files[file].name == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "there is no such file of a policy");
	folder = files[file].machine ? folders->organization : folders->policy;
	*out = -1;
	if (folder[0] == '\0')
		return CRB_OK;
	if (crb_path_join(path, folder, files[file].name, err) != CRB_OK ||
	    is_there(path, &there, err) != CRB_OK)
		return err->status;
	if (!there)
		return CRB_OK;
	return crb_vetted_open(
	    path, files[file].machine ? 0 : geteuid(), out, err);
}
