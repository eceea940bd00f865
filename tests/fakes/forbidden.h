#ifndef CRB_FORBIDDEN_H
#define CRB_FORBIDDEN_H

#include <stdbool.h>

#include "broker/confine/confine.h"

/*
 * Makes system calls in a process that is confined as one of the broker's is,
 * without what sanitizers need besides.
 */
struct crb_try {
	const char *name;
	long (*make)(void); /* as syscall(): -1 and errno */
};

/* What no process of the broker may do; the end has no name. */
extern const struct crb_try crb_tries_never[];
/* To start another process or program. */
extern const struct crb_try crb_tries_process[];
/* To open a socket, or connect one. */
extern const struct crb_try crb_tries_socket[];
/* To open, look at or change a file by its name. */
extern const struct crb_try crb_tries_file[];

enum crb_outcome {
	CRB_KILLED,  /* by SIGSYS */
	CRB_REFUSED, /* it failed with the expected error */
	CRB_MADE,    /* it came to its end, well or not */
};
/* What became of it; `error` is what CRB_REFUSED means. */
enum crb_outcome crb_try(const struct crb_confinement *confinement,
    const struct crb_try *attempt, int error);

/* Each of a table is killed; fails the test with the name of one that is not.
 */
void crb_all_killed(
    const struct crb_confinement *confinement, const struct crb_try *attempts);
/* Each comes to its end. */
void crb_all_made(
    const struct crb_confinement *confinement, const struct crb_try *attempts);

#endif /* !CRB_FORBIDDEN_H */
