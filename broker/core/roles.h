#ifndef CRB_CORE_ROLES_H
#define CRB_CORE_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/config/roles.h"

/*
 * Who may do what at the admin socket.  Pure: what the kernel says of a peer
 * and what the configuration says go in, what the peer may do comes out.
 */
enum {
	CRB_MAY_ADMIN = 1u,   /* everything */
	CRB_MAY_ISSUE = 2u,   /* sessions of its own */
	CRB_MAY_APPROVE = 4u, /* approvals, once there are any */
	CRB_MAY_AUDIT = 8u,   /* looks at everything, changes nothing */
};
#define CRB_MAY_ANY (CRB_MAY_ISSUE | CRB_MAY_APPROVE | CRB_MAY_AUDIT)

/* What the kernel says of a peer. */
struct crb_identity {
	uid_t uid;
	const gid_t *gids;
	size_t gid_count;
};

/* What a peer may do; 0: nothing.  An admin has every bit. */
struct crb_access {
	unsigned may;
	uint64_t issuers; /* bit i: of roles->issuer[i], which apply to it */
	const struct crb_roles *roles; /* borrowed; NULL: the default */
};

/*
 * `owner` is the user whose broker it is.  He and root are admins whatever
 * `roles` says; without roles (NULL) nobody else is anything.
 */
void crb_roles_judge(const struct crb_roles *roles, uid_t owner,
    const struct crb_identity *peer, struct crb_access *out);

/* A session may be issued from this profile, or with this credential. */
bool crb_access_profile(const struct crb_access *access, const char *name);
bool crb_access_credential(const struct crb_access *access, const char *name);

/* "admin", "issuer or auditor", of bits; into `out`. */
#define CRB_ROLES_TEXT 48
void crb_roles_text(unsigned may, char out[CRB_ROLES_TEXT]);

#endif /* !CRB_CORE_ROLES_H */
