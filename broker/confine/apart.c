#include "broker/confine/apart.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"

static const struct {
	unsigned bit, flag;
} namespaces_table[] = {
	{ CRB_APART_USER, CLONE_NEWUSER },
	{ CRB_APART_PID, CLONE_NEWPID },
	{ CRB_APART_IPC, CLONE_NEWIPC },
	{ CRB_APART_UTS, CLONE_NEWUTS },
	{ CRB_APART_NET, CLONE_NEWNET },
};

unsigned
crb_apart_flags(unsigned namespaces)
{
	unsigned flags = 0;

	for (size_t i = 0;
	     i < sizeof(namespaces_table) / sizeof(namespaces_table[0]); i++)
		if ((namespaces & namespaces_table[i].bit) != 0)
			flags |= namespaces_table[i].flag;
	return flags;
}

static int
write_file(const char *path, const char *text)
{
	CRB_AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);

	return fd != -1 && write(fd, text, (size_t)len) == len ? 0 : -1;
}

static int
map_user(unsigned uid, unsigned gid)
{
	char users[64], groups[64];

	(void)snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	(void)snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	return write_file("/proc/self/setgroups", "deny") != 0 ||
		write_file("/proc/self/uid_map", users) != 0 ||
		write_file("/proc/self/gid_map", groups) != 0
	    ? -1
	    : 0;
}

enum crb_status
crb_apart_enter(unsigned namespaces, struct crb_err *err)
{
	unsigned flags = crb_apart_flags(
	    CRB_APART_USER | (namespaces & ~(unsigned)CRB_APART_PID));
	unsigned uid = geteuid(), gid = getegid();
	int failed;

	if (unshare((int)flags) != 0)
		return crb_err_errno(err, "a user namespace");
	/* Files in /proc of one that is not dumpable are root's. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return crb_err_errno(err, "a user namespace");
	failed = map_user(uid, gid);
	if (failed != 0)
		(void)crb_err_errno(err, "a user namespace");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return crb_err_errno(err, "forbidding dumps");
	return failed != 0 ? err->status : CRB_OK;
}
