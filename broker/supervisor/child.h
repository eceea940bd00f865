#ifndef CRB_CHILD_H
#define CRB_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "broker/confine/apart.h"

/* Whom a child runs as; `set`, which only root can, or as we do. */
struct crb_user {
	bool set;
	uid_t uid;
	gid_t gid;
};

/* Without CRB_APART_USER, which depends on who we are. */
#define CRB_APART_ALL                                               \
	((unsigned)(CRB_APART_PID | CRB_APART_IPC | CRB_APART_UTS | \
	    CRB_APART_NET))

#define CRB_SPAWN_FDS_MAX 3

/*
 * Start the program `name` of the folder `libexec`: its own process group, the
 * environment cleared, `fds` as its descriptors 3, 4, ..., standard error as
 * ours, and no other descriptor; no capability, but what it takes to make a
 * root of its own in its namespaces.  `argv` ends with NULL.
 */
struct crb_spawn {
	const char *libexec;
	const char *name;
	const char *const *argv;
	int fds[CRB_SPAWN_FDS_MAX]; /* -1: not there */
	struct crb_user user;
	unsigned namespaces; /* wanted: bits of enum crb_apart */
};

/* What it got; without its namespaces it is started all the same. */
struct crb_spawned {
	pid_t pid;           /* as we see it */
	unsigned namespaces; /* as an ordinary user none: it makes them */
	char problem[256];   /* why it has none, or "" */
};
CRB_NODISCARD enum crb_status crb_spawn(const struct crb_spawn *spawn,
    struct crb_spawned *out, struct crb_err *err);

/* `status` is waitpid()'s. */
void crb_child_log_end(const char *name, pid_t pid, int status, bool expected);

/* How long to wait before a child that has died is started again. */
#define CRB_RESTART_FIRST_MS 100
#define CRB_RESTART_MOST_MS 10000
/* One that has been up for so long starts again with the first. */
#define CRB_RESTART_RESET_MS 60000
int64_t crb_restart_delay(int64_t last_delay_ms, int64_t was_up_ms);

#endif /* !CRB_CHILD_H */
