#ifndef CRB_PROCESS_H
#define CRB_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

/*
 * What every process of the broker does first in main(): not dumpable, no
 * core files, no new privileges, umask 077, standard descriptors open, every
 * descriptor above `last_fd` closed, SIGPIPE ignored.
 */
CRB_NODISCARD enum crb_status crb_process_harden(
    int last_fd, struct crb_err *err);

/*
 * What a process's identity is made of, so that a pid that was used again is
 * noticed: start time in clock ticks (field 22 of /proc/PID/stat, found behind
 * the last ')') and the boot's id.
 */
struct crb_process_id {
	int64_t pid;
	uint64_t start;
	char boot[37];
};
/* CRB_ERR_NOT_FOUND when there is no such process (or it is a zombie). */
CRB_NODISCARD enum crb_status crb_process_identify(
    pid_t pid, struct crb_process_id *out, struct crb_err *err);
/* The real uid of a process; CRB_ERR_NOT_FOUND when there is none. */
CRB_NODISCARD enum crb_status crb_process_user(
    pid_t pid, uid_t *out, struct crb_err *err);
/*
 * In how many pid namespaces it is, from that of /proc on: 1 for one that is in
 * no deeper one.  Anybody may know, where /proc does not hide others'.
 */
CRB_NODISCARD enum crb_status crb_process_depth(
    pid_t pid, unsigned *out, struct crb_err *err);
/* The very same process still runs. */
bool crb_process_lives(const struct crb_process_id *id);

/* As many descriptors as the hard limit allows, where it can be had. */
void crb_process_raise_files(void);

/* A clock of clock_gettime(), in milliseconds. */
int64_t crb_clock_ms(clockid_t clock);
/* Wall clock, seconds. */
int64_t crb_wall_seconds(void);

#endif /* !CRB_PROCESS_H */
