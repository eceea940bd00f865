#include "broker/supervisor/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

/*
 * A filter is inherited, so this one lets through what any of the processes
 * does, until each has bound itself to less.  It is here for what none of them
 * ever does: look into another process, load code into the kernel, keyrings,
 * io_uring, other kinds of sockets.
 */
static const struct crb_syscall starting[] = {
	/* A child, in namespaces, that becomes another program. */
	CRB_CALL(clone3),
	CRB_CALL(clone),
	CRB_CALL(fork),
	CRB_CALL(vfork),
	CRB_CALL(execve),
	CRB_CALL(wait4),
	CRB_CALL(waitid),
	CRB_CALL(kill),
	CRB_CALL(tgkill),
	CRB_CALL(setpgid),
	CRB_CALL(prctl),
	CRB_CALL(dup),
	CRB_CALL(dup2),
	CRB_CALL(dup3),
	CRB_CALL(pipe),
	CRB_CALL(pipe2),
	CRB_CALL(setresuid),
	CRB_CALL(setresgid),
	CRB_CALL(setgroups),
	CRB_CALL(capget),
	CRB_CALL(capset),
	/* What a program does before its main(). */
	CRB_CALL(mmap),
	CRB_CALL(mprotect),
	CRB_CALL(arch_prctl),
	CRB_CALL(set_tid_address),
	CRB_CALL(set_robust_list),
	CRB_CALL(rseq),
	CRB_CALL(uname),
	CRB_CALL(sigaltstack),
	/* And what ours do then, to confine themselves. */
	CRB_CALL(umask),
	CRB_CALL(mount),
	CRB_CALL(umount2),
	CRB_CALL(pivot_root),
	CRB_CALL(unshare),
	CRB_CALL(chdir),
	CRB_CALL(fchdir),
	CRB_CALL(seccomp),
	CRB_CALL(landlock_create_ruleset),
	CRB_CALL(landlock_add_rule),
	CRB_CALL(landlock_restrict_self),
	CRB_CALL(getrlimit),
	CRB_CALL(setrlimit),
	CRB_CALL(prlimit64),
	CRB_CALL(getrusage),
	CRB_CALL(alarm),
	CRB_CALL(setitimer),
	CRB_CALLS_END,
};

/* Session folders, sockets and the places; the core's files. */
static const struct crb_syscall files[] = {
	CRB_CALL(open),
	CRB_CALL(openat),
	CRB_CALL(stat),
	CRB_CALL(lstat),
	CRB_CALL(newfstatat),
	CRB_CALL(statx),
	CRB_CALL(statfs),
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
	CRB_CALL(fadvise64),
	CRB_CALL(flock),
	CRB_CALL(fcntl),
	CRB_CALL(mkdir),
	CRB_CALL(mkdirat),
	CRB_CALL(rmdir),
	CRB_CALL(unlink),
	CRB_CALL(unlinkat),
	CRB_CALL(rename),
	CRB_CALL(renameat),
	CRB_CALL(renameat2),
	CRB_CALL(chmod),
	CRB_CALL(fchmod),
	CRB_CALL(fchmodat),
	CRB_CALL(chown),
	CRB_CALL(lchown),
	CRB_CALL(fchown),
	CRB_CALL(fchownat),
	CRB_CALLS_END,
};

/* Of unix sockets its own; of the others the egress's. */
static const struct crb_syscall sockets[] = {
	CRB_CALL_WITH(socket, 0, AF_UNIX),
	CRB_CALL_WITH(socket, 0, AF_INET),
	CRB_CALL_WITH(socket, 0, AF_INET6),
	CRB_CALL_WITH2(socket, 0, AF_NETLINK, 2, 0),
	CRB_CALL_PAIR(SOCK_SEQPACKET),
	CRB_CALL_PAIR(SOCK_STREAM),
	CRB_CALL(bind),
	CRB_CALL(listen),
	CRB_CALL(connect),
	CRB_CALL(accept4),
	CRB_CALL(getsockname),
	CRB_CALL(getpeername),
	CRB_CALL(setsockopt),
	CRB_CALL(sendmmsg),
	CRB_CALL_WITH(ioctl, 1, FIONREAD),
	CRB_CALL_WITH(ioctl, 1, NS_GET_NSTYPE),
	CRB_CALL(pidfd_open),
	CRB_CALL(sysinfo),
	CRB_CALLS_END,
};

static const struct crb_syscall *const tables[] = { crb_calls_base, starting,
	files, sockets, NULL };

/* Landlock would keep the others from making a root of their own. */
const struct crb_confinement crb_supervisor_confinement = {
	.calls = tables,
	.keeps_privileges = true,
};
