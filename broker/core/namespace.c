#include "broker/core/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/process.h"

static const struct kind {
	const char *name, *path;
	int type;
} kinds[CRB_NAMESPACES] = {
	[CRB_NAMESPACE_USER] = { "user", "/proc/self/ns/user", CLONE_NEWUSER },
	[CRB_NAMESPACE_PID] = { "pid", "/proc/self/ns/pid", CLONE_NEWPID },
};

/* From what the kernel has: a FUSE daemon, say, is not asked and waited for. */
static bool
identify(int fd, struct statx *out)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO,
		   out) == 0;
}

static bool
is_namespace(int fd, int type)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC &&
	    ioctl(fd, NS_GET_NSTYPE) == type;
}

static enum crb_status
open_one(struct crb_host *host, unsigned which, struct crb_err *err)
{
	const struct kind *kind = &kinds[which];
	struct statx st;

	if ((host->fd[which] = open(kind->path, O_RDONLY | O_CLOEXEC)) == -1 ||
	    !identify(host->fd[which], &st))
		return crb_err_errno(err, "%s", kind->path);
	if (!is_namespace(host->fd[which], kind->type))
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "%s: not a namespace; /proc is not the kernel's",
		    kind->path);
	host->major = st.stx_dev_major;
	host->minor = st.stx_dev_minor;
	host->inode[which] = st.stx_ino;
	return CRB_OK;
}

enum crb_status
crb_host_open(struct crb_host *out, struct crb_err *err)
{
	__attribute__((
	    cleanup(crb_host_close))) struct crb_host host = CRB_HOST_NONE;

	for (unsigned i = 0; i < CRB_NAMESPACES; i++)
		if (open_one(&host, i, err) != CRB_OK)
			return err->status;
	if (crb_process_depth(getpid(), &host.depth, err) != CRB_OK)
		return err->status;
	*out = host;
	host = (struct crb_host)CRB_HOST_NONE;
	return CRB_OK;
}

void
crb_host_close(struct crb_host *host)
{
	for (unsigned i = 0; i < CRB_NAMESPACES; i++)
		crb_fd_cleanup(&host->fd[i]);
	*host = (struct crb_host)CRB_HOST_NONE;
}

/*
 * The device tells nsfs from all else, so that what could make us wait is not
 * asked anything; that it is a namespace of this kind is then certain twice.
 */
static bool
is_hosts(const struct crb_host *host, unsigned which, int fd)
{
	struct statx st;

	return identify(fd, &st) && st.stx_dev_major == host->major &&
	    st.stx_dev_minor == host->minor &&
	    st.stx_ino == host->inode[which] &&
	    is_namespace(fd, kinds[which].type);
}

enum crb_status
crb_host_check(const struct crb_host *host, const int fd[CRB_NAMESPACES],
    struct crb_err *err)
{
	for (unsigned i = 0; i < CRB_NAMESPACES; i++)
		if (!is_hosts(host, i, fd[i]))
			return crb_err_set(err, CRB_ERR_OUTSIDE,
			    "the client is not in the %s namespace of the broker's host. " CRB_OUTSIDE_HINT,
			    kinds[i].name);
	return CRB_OK;
}

/* Also where /proc hides the processes of others. */
static bool
is_gone(pid_t pid)
{
	CRB_AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd == -1 && errno == ESRCH;
}

enum crb_status
crb_host_peer(const struct crb_host *host, pid_t pid, struct crb_err *err)
{
	struct crb_err hidden;
	unsigned depth;

	/* 0: in a namespace that is not below the core's. */
	if (pid > 0 && crb_process_depth(pid, &depth, &hidden) == CRB_OK) {
		if (depth == host->depth)
			return CRB_OK;
	} else if (pid > 0 && !is_gone(pid))
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_OUTSIDE,
	    "the process that connected is not in the pid namespace of the broker's host. " CRB_OUTSIDE_HINT);
}
