#include "broker/confine/instrumented.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "broker/confine/calls.h"

const struct crb_syscall crb_calls_instrumented[] = {
#ifdef CRB_SANITIZED
	/* Reports: what is mapped where, and who says so. */
	CRB_CALL(openat),
	CRB_CALL(open),
	CRB_CALL(newfstatat),
	CRB_CALL(readlink),
	CRB_CALL(readlinkat),
	CRB_CALL(getppid),
	CRB_CALL(sched_yield),
	CRB_CALL(fstat),
	CRB_CALL(getdents),
	CRB_CALL(getdents64),
	CRB_CALL(ioctl),
	CRB_CALL(fcntl),
	CRB_CALL(dup),
	CRB_CALL(dup2),
	CRB_CALL(access),
	CRB_CALL(pread64),
	CRB_CALL(sysinfo),
	CRB_CALL(uname),
	CRB_CALL(getrlimit),
	CRB_CALL(setrlimit),
	CRB_CALL(prlimit64),
	CRB_CALL(getrusage),
	CRB_CALL(sigaltstack),
	CRB_CALL(mincore),
	CRB_CALL(sched_getaffinity),
	CRB_CALL(set_robust_list),
	/* LeakSanitizer stops the threads from a process of its own. */
	CRB_CALL(clone),
	CRB_CALL(prctl),
	CRB_CALL(ptrace),
	CRB_CALL(wait4),
	CRB_CALL(kill),
	CRB_CALL(process_vm_readv),
	CRB_CALL(arch_prctl),
	CRB_CALL(pipe),
	CRB_CALL(pipe2),
#endif
#ifdef CRB_COVERED
	/* Counters are merged into files at the end. */
	CRB_CALL(openat),
	CRB_CALL(open),
	CRB_CALL(newfstatat),
	CRB_CALL(fcntl),
	CRB_CALL(lseek),
	CRB_CALL(mkdir),
	CRB_CALL(access),
	CRB_CALL(unlink),
#endif
	CRB_CALLS_END,
};
