#ifndef CRB_HOOK_H
#define CRB_HOOK_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "broker/supervisor/child.h"

/*
 * The hook of approvals: a program of the administrator's, which is told of
 * each on its standard input.  It may be anything, and a filter cannot be taken
 * off again.  So what starts it is a process of its own, made before the
 * supervisor binds itself, that has no privilege and nothing of the broker's
 * but one end of a socket; it runs as the hook's user from its start.  It is
 * two: one that keeps the other, and starts another one when it dies.
 */
#define CRB_HOOKS_MAX 4 /* at once; more wait, and then are not run */
#define CRB_HOOK_MS 30000

struct crb_hook_options {
	const char *const *argv; /* an absolute path first, NULL last */
	struct crb_user user;
	int64_t most_ms; /* then it is killed, with its process group */
};

struct crb_hook {
	pid_t pid; /* 0: there is none */
	int sock;  /* -1 */
};
#define CRB_HOOK_NONE \
	{             \
		0, -1 \
	}

/*
 * The program has to be a file that only root or we can write.  Before any
 * thread, loop, or filter; the caller reaps it.
 */
CRB_NODISCARD enum crb_status crb_hook_start(
    const struct crb_hook_options *options, struct crb_hook *out,
    struct crb_err *err);

/* Run it, with the descriptor (borrowed) as its standard input.  Does not wait:
 * CRB_ERR_LIMIT when too many do. */
CRB_NODISCARD enum crb_status crb_hook_run(
    const struct crb_hook *hook, int fd, struct crb_err *err);

void crb_hook_close(struct crb_hook *hook);

#endif /* !CRB_HOOK_H */
