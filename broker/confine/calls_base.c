#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "broker/confine/calls.h"

const struct crb_syscall crb_calls_base[] = {
	/* Memory, none of which ever becomes code. */
	CRB_CALL_WITHOUT(mmap, 2, PROT_EXEC),
	CRB_CALL_WITHOUT(mprotect, 2, PROT_EXEC),
	CRB_CALL(munmap),
	CRB_CALL(mremap),
	CRB_CALL(madvise),
	CRB_CALL(brk),
	CRB_CALL(mlock),
	CRB_CALL(mlock2),
	CRB_CALL(munlock),
	/* Descriptors that it has. */
	CRB_CALL(read),
	CRB_CALL(readv),
	CRB_CALL(write),
	CRB_CALL(writev),
	CRB_CALL(close),
	CRB_CALL(close_range),
	CRB_CALL(recvfrom),
	CRB_CALL(recvmsg),
	CRB_CALL(sendto),
	CRB_CALL(sendmsg),
	CRB_CALL(shutdown),
	CRB_CALL(getsockopt),
	CRB_CALL_WITH(fcntl, 1, F_GETFD),
	CRB_CALL_WITH(fcntl, 1, F_SETFD),
	CRB_CALL_WITH(fcntl, 1, F_GETFL),
	CRB_CALL_WITH(fcntl, 1, F_SETFL),
	CRB_CALL_WITH(fcntl, 1, F_DUPFD_CLOEXEC),
	CRB_CALL_WITH(ioctl, 1, FIONBIO),
	CRB_CALL_FAILS_WITH(ioctl, ENOTTY, 1, TCGETS),
	/* For stdio and for what is told whether a descriptor still exists. */
	CRB_CALL(fstat),
#ifdef __NR_newfstatat
	/* glibc's fstat(): AT_EMPTY_PATH. */
	CRB_CALL_BITS(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
#endif
	CRB_CALL(lseek),
	/* Waiting. */
	CRB_CALL(epoll_create1),
	CRB_CALL(epoll_ctl),
	CRB_CALL(epoll_wait),
	CRB_CALL(epoll_pwait),
	CRB_CALL(poll),
	CRB_CALL(ppoll),
	CRB_CALL(eventfd2),
	CRB_CALL(timerfd_create),
	CRB_CALL(timerfd_settime),
	CRB_CALL(signalfd4),
	CRB_CALL(clock_gettime),
	CRB_CALL(clock_getres),
	CRB_CALL(clock_nanosleep),
	CRB_CALL(nanosleep),
	CRB_CALL(gettimeofday),
	CRB_CALL(time),
	CRB_CALL(futex),
	CRB_CALL(sched_yield),
	CRB_CALL(restart_syscall),
	/* Itself: who it is, signals to itself, its end. */
	CRB_CALL(getpid),
	CRB_CALL(gettid),
	CRB_CALL(getppid),
	CRB_CALL(getuid),
	CRB_CALL(geteuid),
	CRB_CALL(getgid),
	CRB_CALL(getegid),
	CRB_CALL(getrandom),
	CRB_CALL(sched_getaffinity),
	CRB_CALL(rt_sigaction),
	CRB_CALL(rt_sigprocmask),
	CRB_CALL(rt_sigreturn),
	CRB_CALL_OWN(tgkill, 0),
	CRB_CALL(exit),
	CRB_CALL(exit_group),
	CRB_CALLS_END,
};

/* What distinguishes a thread from a process, and from a namespace. */
#define THREAD_FLAGS \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define SPACE_FLAGS                                                        \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |     \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_UNTRACED | \
	    CLONE_PTRACE | CLONE_VFORK)

const struct crb_syscall crb_calls_threads[] = {
	/* Its flags are in memory: glibc falls back to clone(). */
	CRB_CALL_FAILS(clone3, ENOSYS),
	CRB_CALL_BITS(clone, 0, THREAD_FLAGS | SPACE_FLAGS, THREAD_FLAGS),
	CRB_CALL(set_robust_list),
	CRB_CALL(rseq),
	CRB_CALL_WITH(prctl, 0, PR_SET_NAME),
	CRB_CALLS_END,
};
