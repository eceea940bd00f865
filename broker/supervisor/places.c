#include "broker/supervisor/places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"

/* audit/ is the only folder in it. */
#define DEPTH_MAX 2

enum crb_status
crb_key_file_open(const char *path, int *out, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;

	if (crb_path_private(path, geteuid(), err) != CRB_OK)
		return err->status;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) ==
	    -1)
		return crb_err_errno(err, "%s", path);
	*out = CRB_STEAL_FD(fd);
	return CRB_OK;
}

#define AUTO_DIR __attribute__((cleanup(dir_cleanup)))
static void
dir_cleanup(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

static enum crb_status give_content(
    int dir, const struct crb_user *core, unsigned depth, struct crb_err *err);

/* A second name of a file could be anybody's, or anything. */
static enum crb_status
give_one(int dir, const char *name, const struct crb_user *core, unsigned depth,
    struct crb_err *err)
{
	CRB_AUTO_FD int fd = openat(
	    dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) != 0)
		return crb_err_errno(err, "%s", name);
	if (S_ISDIR(st.st_mode) && depth > 0) {
		if (give_content(fd, core, depth - 1, err) != CRB_OK)
			return crb_err_context(err, "%s", name);
	} else if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: neither a file with one name nor a folder of the "
		    "broker's; remove it",
		    name);
	if (fchown(fd, core->uid, core->gid) != 0)
		return crb_err_errno(err, "%s", name);
	return CRB_OK;
}

static enum crb_status
give_content(
    int dir, const struct crb_user *core, unsigned depth, struct crb_err *err)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *list = again == -1 ? NULL : fdopendir(again);
	const struct dirent *entry;

	if (list == NULL) {
		(void)crb_err_errno(err, "listing it");
		if (again != -1)
			(void)close(again);
		return err->status;
	}
	while ((entry = readdir(list)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (give_one(dir, entry->d_name, core, depth, err) != CRB_OK)
			return err->status;
	}
	return CRB_OK;
}

/* Its parents are root's alone: nobody changes meanwhile what `path` is. */
static enum crb_status
give_state(
    const char *path, int dir, const struct crb_user *core, struct crb_err *err)
{
	if (crb_path_secure(path, 0, err) != CRB_OK)
		return err->status;
	if (give_content(dir, core, DEPTH_MAX, err) != CRB_OK)
		return crb_err_context(
		    err, "handing over the state folder %s", path);
	if (fchown(dir, core->uid, core->gid) != 0)
		return crb_err_errno(
		    err, "handing over the state folder %s", path);
	crb_log(CRB_LOG_INFO, "state folder handed over", CRB_LOG_PATH, path,
	    CRB_LOG_UID, (int64_t)core->uid, CRB_LOG_END);
	return CRB_OK;
}

enum crb_status
crb_state_hand_over(
    const char *path, const struct crb_user *core, struct crb_err *err)
{
	CRB_AUTO_FD int dir = -1;
	struct stat st;

	if (!core->set)
		return crb_path_secure(path, geteuid(), err);
	if (crb_path_secure(path, core->uid, err) != CRB_OK)
		return err->status;
	if ((dir = open(path,
		 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1 ||
	    fstat(dir, &st) != 0)
		return crb_err_errno(err, "%s", path);
	if (st.st_uid == core->uid)
		return CRB_OK;
	return give_state(path, dir, core, err);
}
