#ifndef CRB_CLI_DOCTOR_H
#define CRB_CLI_DOCTOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "broker/cli/command.h"

/*
 * What `doctor` looks at: a table of checks, a function each.  A check finds
 * any number of things, each one line, and what to do about it.
 */
enum crb_finding { CRB_FINDING_OK, CRB_FINDING_WARN, CRB_FINDING_FAIL };

struct crb_doctor {
	struct crb_cli *cli;
	const char *check; /* the one that runs */
	json_t *findings;
	unsigned count[3];     /* by enum crb_finding */
	json_t *status;        /* the broker's; NULL: none answers */
	struct crb_err silent; /* then: why */
	bool network;          /* try the upstreams */
	struct crb_err config; /* its status is CRB_OK when it could be read */
};

typedef void crb_check_fn(struct crb_doctor *doctor);
struct crb_check {
	const char *name;
	crb_check_fn *fn;
};

/* Each ends with name NULL. */
extern const struct crb_check crb_checks_broker[], crb_checks_paths[],
    crb_checks_host[], crb_checks_kernel[], crb_checks_network[];

/* `remedy` is what to do, or NULL. */
void crb_doctor_find(struct crb_doctor *doctor, enum crb_finding finding,
    const char *remedy, const char *fmt, ...) CRB_PRINTF(4, 5);

/* The first line of a small file such as those below /proc and /sys. */
CRB_NODISCARD enum crb_status crb_doctor_line(
    const char *path, char *out, size_t cap, struct crb_err *err);
/* The number in such a file; false when there is none. */
bool crb_doctor_number(const char *path, long long *out);

/* The state folder's file or folder, looked at without following links. */
bool crb_doctor_is_ours(const struct crb_doctor *doctor, uid_t uid);

/* Whose state folder it is: the core's user, once the broker has started. */
uid_t crb_doctor_owner(const struct crb_doctor *doctor);

#endif /* !CRB_CLI_DOCTOR_H */
