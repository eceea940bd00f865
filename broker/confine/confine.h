#ifndef CRB_CONFINE_H
#define CRB_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "broker/confine/apart.h"
#include "broker/confine/calls.h"
#include "broker/confine/landlock.h"

/*
 * How a process of the broker is confined, once it has what it needs to run
 * and before it reads the first byte that somebody else wrote.  Each process
 * has its own, in its folder's confinement.c.
 */
struct crb_confinement {
	const struct crb_syscall *const *calls; /* tables, and NULL */
	/* As an ordinary user; under root it is born into them. */
	unsigned namespaces;
	/* What its own root holds, and NULL; NULL: it stays where it is. */
	const char *const *root;
	/* NULL: none of its own; what mounts may not be bound by Landlock. */
	const struct crb_landlock_rule *files;
	bool connects;         /* to TCP ports */
	bool keeps_privileges; /* it hands them out */
};

#define CRB_PROBLEMS_MAX 512

/* What came of it. */
struct crb_confined {
	uid_t uid;
	bool seccomp;
	bool root;
	unsigned namespaces;             /* made here: bits of enum crb_apart */
	int landlock;                    /* its version; 0: none */
	char problems[CRB_PROBLEMS_MAX]; /* lines: what could not be done */
};

/*
 * Confine this process and its threads; it must have one thread for a root of
 * its own.  A root and Landlock are left out where the kernel refuses, and
 * *out says so.  Capabilities must be gone and the seccomp filter in effect,
 * or this fails.
 */
CRB_NODISCARD enum crb_status crb_confine(
    const struct crb_confinement *confinement, struct crb_confined *out,
    struct crb_err *err);

#endif /* !CRB_CONFINE_H */
