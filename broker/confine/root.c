#include "broker/confine/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "broker/confine/instrumented.h"

/* A folder that is there everywhere and that no listed file is in. */
#ifdef CRB_SANITIZED
#define PLACE "/sys" /* the other is still to be shown */
#else
#define PLACE "/proc"
#endif
#define LOCKED (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* "etc/ssl/x": etc and etc/ssl. */
static enum crb_status
make_parents(const char *path, struct crb_err *err)
{
	char part[CRB_PATH_MAX];

	for (const char *at = strchr(path, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		(void)snprintf(
		    part, sizeof(part), "%.*s", (int)(at - path), path);
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return crb_err_errno(err, "%s", part);
	}
	return CRB_OK;
}

/* `path` is absolute; we are in what becomes the root. */
static enum crb_status
show(const char *path, struct crb_err *err)
{
	const char *to = path + 1;
	CRB_AUTO_FD int fd = -1;
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return CRB_OK;
	if (make_parents(to, err) != CRB_OK)
		return err->status;
	if ((fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) == -1 ||
	    mount(path, to, NULL, MS_BIND, NULL) != 0 ||
	    mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | LOCKED,
		NULL) != 0)
		return crb_err_errno(err, "%s", path);
	return CRB_OK;
}

/* LeakSanitizer reads there which threads there are. */
static enum crb_status
show_processes(struct crb_err *err)
{
#ifdef CRB_SANITIZED
	/* Of the pid namespace, or of the one that it is not apart from. */
	if (mkdir("proc", 0755) != 0 ||
	    (mount("proc", "proc", "proc", LOCKED, NULL) != 0 &&
		mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) != 0))
		return crb_err_errno(err, "/proc");
#endif
	(void)err;
	return CRB_OK;
}

/* Both roots at one place, of which the older one is taken away. */
static enum crb_status
turn(struct crb_err *err)
{
	if (syscall(SYS_pivot_root, ".", ".") != 0)
		return crb_err_errno(err, "pivot_root");
	if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
		return crb_err_errno(err, "leaving the old root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | LOCKED,
		NULL) != 0)
		return crb_err_errno(err, "closing the new root");
	return CRB_OK;
}

enum crb_status
crb_root_enter(const char *const *files, struct crb_err *err)
{
	if (unshare(CLONE_NEWNS) != 0)
		return crb_err_errno(err, "a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return crb_err_errno(err, "mounts of its own");
	if (mount("none", PLACE, "tmpfs", LOCKED,
		"mode=0755,size=64k,nr_inodes=64") != 0 ||
	    chdir(PLACE) != 0)
		return crb_err_errno(err, "an empty root");
	for (; *files != NULL; files++)
		if (show(*files, err) != CRB_OK)
			return err->status;
	if (show_processes(err) != CRB_OK)
		return err->status;
	return turn(err);
}
