#ifndef CRB_CHILD_H
#define CRB_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Start the program `name` of the folder `libexec`: its own process group, the
 * environment cleared, `fd` as its descriptor 3, standard error as ours, and
 * no other descriptor.  `argv` ends with NULL.
 */
struct crb_spawn {
	const char *libexec;
	const char *name;
	const char *const *argv;
	int fd;
};
CRB_NODISCARD enum crb_status crb_spawn(
    const struct crb_spawn *spawn, pid_t *out, struct crb_err *err);

/* `status` is waitpid()'s. */
void crb_child_log_end(const char *name, pid_t pid, int status, bool expected);

/* How long to wait before a child that has died is started again. */
#define CRB_RESTART_FIRST_MS 100
#define CRB_RESTART_MOST_MS 10000
/* One that has been up for so long starts again with the first. */
#define CRB_RESTART_RESET_MS 60000
int64_t crb_restart_delay(int64_t last_delay_ms, int64_t was_up_ms);

#endif /* !CRB_CHILD_H */
