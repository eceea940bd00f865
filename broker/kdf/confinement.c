#include "broker/kdf/confinement.h"

#include <sys/mman.h>

/*
 * One request in, memory to work in, one key out: not even what every other
 * process does.
 */
static const struct crb_syscall calls[] = {
	CRB_CALL(read),
	CRB_CALL(write),
	CRB_CALL(recvfrom),
	CRB_CALL(sendto),
	CRB_CALL(close),
	CRB_CALL(poll),
	CRB_CALL(ppoll),
	CRB_CALL(clock_gettime),
	CRB_CALL(getrandom),
	CRB_CALL_WITHOUT(mmap, 2, PROT_EXEC),
	CRB_CALL_WITHOUT(mprotect, 2, PROT_EXEC),
	CRB_CALL(munmap),
	CRB_CALL(mremap),
	CRB_CALL(madvise),
	CRB_CALL(brk),
	CRB_CALL(mlock),
	CRB_CALL(munlock),
	CRB_CALL(futex),
	CRB_CALL(getpid),
	CRB_CALL(gettid),
	CRB_CALL_OWN(tgkill, 0),
	CRB_CALL(rt_sigaction),
	CRB_CALL(rt_sigprocmask),
	CRB_CALL(rt_sigreturn),
	CRB_CALL(restart_syscall),
	CRB_CALL(exit),
	CRB_CALL(exit_group),
	CRB_CALLS_END,
};

static const struct crb_syscall *const tables[] = { calls, NULL };

static const char *const root[] = { NULL };
static const struct crb_landlock_rule files[] = { { NULL, false } };

const struct crb_confinement crb_kdf_confinement = {
	.calls = tables,
	.namespaces = CRB_APART_IPC | CRB_APART_UTS | CRB_APART_NET,
	.root = root,
	.files = files,
};
