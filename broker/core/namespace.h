#ifndef CRB_NAMESPACE_H
#define CRB_NAMESPACE_H

#include <sys/types.h>

#include "base/err.h"

/*
 * The host, as far as administering goes: the user and the pid namespace that
 * the core itself is in.  A process can always open its own namespaces, and
 * one in a sandbox has no way to a descriptor of the host's; so a client shows
 * where it sits by sending descriptors of its own.
 */
enum { CRB_NAMESPACE_USER, CRB_NAMESPACE_PID, CRB_NAMESPACES };

struct crb_host {
	/* Kept open, so that no later namespace gets their inodes. */
	int fd[CRB_NAMESPACES];
	unsigned major, minor; /* of nsfs */
	ino_t inode[CRB_NAMESPACES];
	unsigned depth; /* of pid namespaces */
};

#define CRB_HOST_NONE             \
	{                         \
		.fd = { -1, -1 }, \
	}

CRB_NODISCARD enum crb_status crb_host_open(
    struct crb_host *out, struct crb_err *err);
void crb_host_close(struct crb_host *host);

/* What a person does about it. */
#define CRB_OUTSIDE_HINT "Run credbroker there, not in a sandbox or a container"

/*
 * CRB_ERR_OUTSIDE unless `fd` has, in this order, the host's user and pid
 * namespace.  Does not block, whatever file somebody else made of them.
 */
CRB_NODISCARD enum crb_status crb_host_check(const struct crb_host *host,
    const int fd[CRB_NAMESPACES], struct crb_err *err);

/*
 * CRB_ERR_OUTSIDE when the process that connected is seen to be in a deeper pid
 * namespace, whatever it may show, or is gone, since another one has its
 * connection then.  It need not be seen: /proc may hide others' processes.
 */
CRB_NODISCARD enum crb_status crb_host_peer(
    const struct crb_host *host, pid_t pid, struct crb_err *err);

#endif /* !CRB_NAMESPACE_H */
