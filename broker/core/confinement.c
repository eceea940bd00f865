#include "broker/core/confinement.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/socket.h>

/*
 * Files as SQLite and the audit log use them, threads for what takes time, and
 * no way to the outside but the descriptors that it was given: admin
 * connections are accepted, and nobody is connected to.
 */
static const struct crb_syscall calls[] = {
	CRB_CALL(accept4),
	CRB_CALL(getsockname),
	CRB_CALL_WITH(setsockopt, 1, SOL_SOCKET),
	/* A stream's two ends. */
	CRB_CALL_PAIR(SOCK_SEQPACKET),
	/* What the hook of approvals is given. */
	CRB_CALL(pipe2),
	/* Processes that sessions are bound to. */
	CRB_CALL(pidfd_open),
	/* What a client of the admin socket shows of itself. */
	CRB_CALL_WITH(ioctl, 1, NS_GET_NSTYPE),
	/* Files. */
	CRB_CALL(openat),
	CRB_CALL(open),
	CRB_CALL(stat),
	CRB_CALL(lstat),
	CRB_CALL(newfstatat),
	CRB_CALL(statx),
	CRB_CALL(fstatfs),
	CRB_CALL(access),
	CRB_CALL(faccessat),
	CRB_CALL(faccessat2),
	CRB_CALL(getcwd),
	CRB_CALL(readlink),
	CRB_CALL(readlinkat),
	CRB_CALL(getdents64),
	CRB_CALL(pread64),
	CRB_CALL(pwrite64),
	CRB_CALL(fsync),
	CRB_CALL(fdatasync),
	CRB_CALL(ftruncate),
	CRB_CALL(flock),
	CRB_CALL_WITH(fcntl, 1, F_GETLK),
	CRB_CALL_WITH(fcntl, 1, F_SETLK),
	CRB_CALL_WITH(fcntl, 1, F_SETLKW),
	CRB_CALL_WITH(fcntl, 1, F_OFD_SETLK),
	CRB_CALL_WITH(fcntl, 1, F_OFD_GETLK),
	CRB_CALL(mkdir),
	CRB_CALL(mkdirat),
	CRB_CALL(unlink),
	CRB_CALL(unlinkat),
	CRB_CALL(rename),
	CRB_CALL(renameat),
	CRB_CALL(renameat2),
	/* To nobody but the owner: Landlock does not bind this one. */
	CRB_CALL_WITHOUT(fchmod, 1, 07777 & ~0600),
	CRB_CALL(fchown),
	CRB_CALL(sysinfo),
	CRB_CALL(getrlimit),
	CRB_CALL_WITH(prlimit64, 0, 0),
	CRB_CALLS_END,
};

static const struct crb_syscall *const tables[] = { crb_calls_base,
	crb_calls_threads, calls, NULL };

const struct crb_confinement crb_core_confinement = { .calls = tables };
