#ifndef CRB_REQUESTS_H
#define CRB_REQUESTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "broker/bus/bus.h"
#include "broker/supervisor/child.h"
#include "broker/supervisor/hook.h"
#include "broker/supervisor/policy_file.h"

/*
 * What the core asks the supervisor for: a session's folder, its token file,
 * a file of the policies, a process that derives a key; these are answered at
 * once.  And to run the hook, which is not.
 */
#define CRB_KDF_MAX 2 /* each takes hundreds of megabytes */

struct crb_requests {
	const char *libexec;
	struct crb_user user; /* of the processes that derive keys */
	int sessions;         /* borrowed */
	struct crb_policy_folders policies;
	pid_t kdf[CRB_KDF_MAX]; /* 0: none */
	struct crb_hook hook;   /* borrowed */
};

/* Pauses the bus when replies pile up; the bus's `drained` resumes it. */
void crb_requests_answer(struct crb_requests *requests, struct crb_bus *bus,
    const struct crb_msg *msg);

/* Any child that has ended; `status` is waitpid()'s. */
void crb_requests_reaped(struct crb_requests *requests, pid_t pid, int status);
void crb_requests_kill(const struct crb_requests *requests, int signal);
/* No process of its own runs. */
bool crb_requests_idle(const struct crb_requests *requests);

#endif /* !CRB_REQUESTS_H */
