#include "broker/cli/mount_check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static int
open_root(pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* No link is followed: a mount point is none, nor is a folder above it. */
static int
open_inside(int root, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS |
		    RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

bool
crb_mount_check_ready(pid_t pid, const char *probe)
{
	CRB_AUTO_FD int root = open_root(pid);
	CRB_AUTO_FD int found = root != -1 ? open_inside(root, probe) : -1;

	return found != -1;
}

static bool
is_same(int root, const struct crb_mount *mount)
{
	CRB_AUTO_FD int fd = open_inside(root, mount->target);
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 && st.st_dev == mount->dev &&
	    st.st_ino == mount->ino;
}

/* Something is mounted over it, which has been or will be looked at itself. */
static bool
is_covered(const struct crb_mounts *mounts, size_t i)
{
	for (size_t j = i + 1; j < mounts->count; j++)
		if (strcmp(mounts->at[j].target, mounts->at[i].target) == 0)
			return true;
	return false;
}

enum crb_status
crb_mount_check(pid_t pid, const struct crb_mounts *mounts, struct crb_err *err)
{
	CRB_AUTO_FD int root = open_root(pid);

	if (root == -1)
		return crb_err_errno(err, "the sandbox's root folder");
	for (size_t i = 0; i < mounts->count; i++) {
		const struct crb_mount *at = &mounts->at[i];

		if (!crb_mount_shows(at) || is_covered(mounts, i) ||
		    is_same(root, at))
			continue;
		return crb_err_set(err, CRB_ERR_DENIED,
		    "%s is not what it was a moment ago: somebody replaced "
		    "it while the sandbox was made, so nothing was run; try "
		    "again when nobody else writes there",
		    at->source);
	}
	return CRB_OK;
}
