#include "forbidden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* Not through the C library, which sanitizers stand in front of. */
#define TRY(id, ...)                         \
	static long try_##id(void)           \
	{                                    \
		return syscall(__VA_ARGS__); \
	}
#define ROW(id)               \
	{                     \
#id, try_##id \
	}
#define END                \
	{                  \
		NULL, NULL \
	}

TRY(ptrace, SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0)
TRY(process_vm_readv, SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)
TRY(process_vm_writev, SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0)
TRY(kcmp, SYS_kcmp, getpid(), getppid(), 0, 0, 0)
TRY(pidfd_getfd, SYS_pidfd_getfd, -1, 0, 0)
TRY(bpf, SYS_bpf, 0, NULL, 0)
TRY(keyctl, SYS_keyctl, 0, 0, 0, 0, 0)
TRY(add_key, SYS_add_key, "user", "x", "x", 1, -2)
TRY(request_key, SYS_request_key, "user", "x", NULL, 0)
TRY(io_uring_setup, SYS_io_uring_setup, 8, NULL)
TRY(userfaultfd, SYS_userfaultfd, 0)
TRY(perf_event_open, SYS_perf_event_open, NULL, 0, -1, -1, 0)
TRY(setns, SYS_setns, -1, 0)
TRY(chroot, SYS_chroot, "/")
TRY(mknodat, SYS_mknodat, AT_FDCWD, "/tmp/x", S_IFIFO, 0)
TRY(init_module, SYS_init_module, NULL, 0, "")
TRY(finit_module, SYS_finit_module, -1, "", 0)
TRY(kexec_load, SYS_kexec_load, 0, 0, NULL, 0)
TRY(reboot, SYS_reboot, 0, 0, 0, NULL)
TRY(swapon, SYS_swapon, "", 0)
TRY(personality, SYS_personality, 0xffffffff)
TRY(quotactl, SYS_quotactl, 0, NULL, 0, NULL)
TRY(name_to_handle_at, SYS_name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0)
TRY(open_by_handle_at, SYS_open_by_handle_at, -1, NULL, 0)
TRY(fanotify_init, SYS_fanotify_init, 0, 0)
TRY(memfd_create, SYS_memfd_create, "x", 0)
TRY(memfd_secret, SYS_memfd_secret, 0)
TRY(splice, SYS_splice, -1, NULL, -1, NULL, 0, 0)
TRY(vmsplice, SYS_vmsplice, -1, NULL, 0, 0)
TRY(shmget, SYS_shmget, 0, 4096, 0600)
TRY(msgget, SYS_msgget, 0, 0600)
TRY(settimeofday, SYS_settimeofday, NULL, NULL)
TRY(sethostname, SYS_sethostname, "x", 1)
TRY(syslog, SYS_syslog, 3, NULL, 0)
TRY(acct, SYS_acct, NULL)
TRY(symlink, SYS_symlink, "/etc/shadow", "/tmp/x/y/z")
TRY(setxattr, SYS_setxattr, "/tmp", "user.x", "", 0, 0)
TRY(socket_packet, SYS_socket, AF_PACKET, SOCK_RAW, 0)
TRY(socket_vsock, SYS_socket, AF_VSOCK, SOCK_STREAM, 0)
TRY(socket_alg, SYS_socket, AF_ALG, SOCK_SEQPACKET, 0)
TRY(socket_bluetooth, SYS_socket, AF_BLUETOOTH, SOCK_RAW, 0)
TRY(socket_xfrm, SYS_socket, AF_NETLINK, SOCK_RAW, 6)
TRY(socketpair_inet, SYS_socketpair, AF_INET, SOCK_STREAM, 0, NULL)
TRY(unknown_call, 100000)

const struct crb_try crb_tries_never[] = { ROW(ptrace), ROW(process_vm_readv),
	ROW(process_vm_writev), ROW(kcmp), ROW(pidfd_getfd), ROW(bpf),
	ROW(keyctl), ROW(add_key), ROW(request_key), ROW(io_uring_setup),
	ROW(userfaultfd), ROW(perf_event_open), ROW(setns), ROW(chroot),
	ROW(mknodat), ROW(init_module), ROW(finit_module), ROW(kexec_load),
	ROW(reboot), ROW(swapon), ROW(personality), ROW(quotactl),
	ROW(name_to_handle_at), ROW(open_by_handle_at), ROW(fanotify_init),
	ROW(memfd_create), ROW(memfd_secret), ROW(splice), ROW(vmsplice),
	ROW(shmget), ROW(msgget), ROW(settimeofday), ROW(sethostname),
	ROW(syslog), ROW(acct), ROW(symlink), ROW(setxattr), ROW(socket_packet),
	ROW(socket_vsock), ROW(socket_alg), ROW(socket_bluetooth),
	ROW(socket_xfrm), ROW(socketpair_inet), ROW(unknown_call), END };

TRY(clone_process, SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)
TRY(clone_user_namespace, SYS_clone,
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
	CLONE_NEWUSER,
    NULL, NULL, NULL, NULL)
TRY(execve, SYS_execve, "/bin/true", NULL, NULL)
TRY(execveat, SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0)
TRY(unshare, SYS_unshare, CLONE_NEWUSER)
TRY(mount, SYS_mount, "none", "/tmp", "tmpfs", 0, NULL)
TRY(umount2, SYS_umount2, "/tmp", MNT_DETACH)
TRY(pivot_root, SYS_pivot_root, "/", "/")
TRY(setresuid, SYS_setresuid, 1, 1, 1)
TRY(setgroups, SYS_setgroups, 0, NULL)
TRY(capset, SYS_capset, NULL, NULL)
TRY(kill_parent, SYS_kill, getppid(), 0)
TRY(dumpable, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)
TRY(ptracer, SYS_prctl, PR_SET_PTRACER, -1, 0, 0, 0)
TRY(seccomp, SYS_seccomp, 0, 0, NULL)
TRY(map_code, SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
TRY(make_code, SYS_mprotect, NULL, 4096, PROT_READ | PROT_EXEC)

const struct crb_try crb_tries_process[] = { ROW(clone_process),
	ROW(clone_user_namespace), ROW(execve), ROW(execveat), ROW(unshare),
	ROW(mount), ROW(umount2), ROW(pivot_root), ROW(setresuid),
	ROW(setgroups), ROW(capset), ROW(kill_parent), ROW(dumpable),
	ROW(ptracer), ROW(seccomp), ROW(map_code), ROW(make_code), END };

TRY(socket_inet, SYS_socket, AF_INET, SOCK_STREAM, 0)
TRY(socket_inet6, SYS_socket, AF_INET6, SOCK_STREAM, 0)
TRY(socket_unix, SYS_socket, AF_UNIX, SOCK_STREAM, 0)
TRY(socket_netlink, SYS_socket, AF_NETLINK, SOCK_RAW, 0)
TRY(connect, SYS_connect, -1, NULL, 0)
TRY(bind, SYS_bind, -1, NULL, 0)
TRY(listen, SYS_listen, -1, 1)

const struct crb_try crb_tries_socket[] = { ROW(socket_inet), ROW(socket_inet6),
	ROW(socket_unix), ROW(socket_netlink), ROW(connect), ROW(bind),
	ROW(listen), END };

TRY(openat, SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0)
TRY(open_to_write, SYS_openat, AT_FDCWD, "/nowhere/x", O_WRONLY | O_CREAT, 0600)
TRY(openat2, SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0)
TRY(stat, SYS_newfstatat, AT_FDCWD, "/etc/passwd", NULL, 0)
TRY(faccessat, SYS_faccessat, AT_FDCWD, "/etc/passwd", 0)
TRY(getdents64, SYS_getdents64, -1, NULL, 0)
TRY(mkdirat, SYS_mkdirat, AT_FDCWD, "/nowhere/x", 0700)
TRY(unlinkat, SYS_unlinkat, AT_FDCWD, "/nowhere/x", 0)
TRY(renameat2, SYS_renameat2, AT_FDCWD, "/nowhere/x", AT_FDCWD, "/nowhere/y", 0)
TRY(linkat, SYS_linkat, AT_FDCWD, "/nowhere/x", AT_FDCWD, "/nowhere/y", 0)
TRY(fchmodat, SYS_fchmodat, AT_FDCWD, "/nowhere/x", 0600)
TRY(fchownat, SYS_fchownat, AT_FDCWD, "/nowhere/x", 0, 0, 0)
TRY(truncate, SYS_truncate, "/nowhere/x", 0)

const struct crb_try crb_tries_file[] = { ROW(openat), ROW(open_to_write),
	ROW(openat2), ROW(stat), ROW(faccessat), ROW(getdents64), ROW(mkdirat),
	ROW(unlinkat), ROW(renameat2), ROW(linkat), ROW(fchmodat),
	ROW(fchownat), ROW(truncate), END };

enum { DONE = 40, FAILED, UNCONFINED };

static void
run(const struct crb_confinement *confinement, const struct crb_try *attempt,
    int error)
{
	struct crb_err err;
	long got;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    crb_calls_confine(confinement->calls, &err) != CRB_OK)
		(void)syscall(SYS_exit_group, UNCONFINED);
	got = attempt->make();
	(void)syscall(SYS_exit_group,
	    got == -1 && error != 0 && errno == error ? FAILED : DONE);
}

enum crb_outcome
crb_try(const struct crb_confinement *confinement,
    const struct crb_try *attempt, int error)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		run(confinement, attempt, error);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return CRB_KILLED;
	}
	assert_true(
	    WEXITSTATUS(status) == DONE || WEXITSTATUS(status) == FAILED);
	return WEXITSTATUS(status) == FAILED ? CRB_REFUSED : CRB_MADE;
}

static void
all(const struct crb_confinement *confinement, const struct crb_try *attempts,
    enum crb_outcome expected)
{
	bool failed = false;

	for (; attempts->name != NULL; attempts++) {
		if (crb_try(confinement, attempts, 0) == expected)
			continue;
		print_error("%s was %s\n", attempts->name,
		    expected == CRB_KILLED ? "let through" : "killed");
		failed = true;
	}
	assert_false(failed);
}

void
crb_all_killed(
    const struct crb_confinement *confinement, const struct crb_try *attempts)
{
	all(confinement, attempts, CRB_KILLED);
}

void
crb_all_made(
    const struct crb_confinement *confinement, const struct crb_try *attempts)
{
	all(confinement, attempts, CRB_MADE);
}
