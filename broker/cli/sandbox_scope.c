#include "broker/cli/sandbox_scope.h"

#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* linux/landlock.h as of 6.12; older ones have no scopes. */
#define ABI_WITH_SCOPES 6
#define VERSION_FLAG (1U << 0)
#define SCOPE_ABSTRACT_SOCKETS (1ULL << 0)

struct ruleset {
	uint64_t files, network, scoped;
};

bool
crb_sandbox_scope_works(const char *program)
{
	struct stat st;

	return stat(program, &st) == 0 &&
	    (st.st_mode & (S_ISUID | S_ISGID)) == 0 &&
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
		VERSION_FLAG) >= ABI_WITH_SCOPES;
}

bool
crb_sandbox_scope(void)
{
	const struct ruleset rules = { .scoped = SCOPE_ABSTRACT_SOCKETS };
	CRB_AUTO_FD int fd = (int)syscall(
	    SYS_landlock_create_ruleset, &rules, sizeof(rules), 0U);

	return fd != -1 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    syscall(SYS_landlock_restrict_self, fd, 0U) == 0;
}
