#ifndef CRB_ADMIN_CLIENT_H
#define CRB_ADMIN_CLIENT_H

#include <sys/queue.h>

#include "base/buf.h"
#include "broker/core/admin.h"
#include "broker/core/discard.h"
#include "broker/core/namespace.h"
#include "broker/core/refusal.h"

/* What admin.c (bytes) and call.c (JSON-RPC) share. */
#define ADMIN_READ 16384u
#define ADMIN_OUT_MAX (64u << 20)
#define ADMIN_LINE_MS 10000
#define ADMIN_IDLE_MS 600000
#define ADMIN_PAUSE_MS 1000

struct crb_admin_client {
	TAILQ_ENTRY(crb_admin_client) link;
	struct crb_admin *admin;
	int fd;
	struct crb_peer peer;
	struct crb_buf in, out;
	struct crb_timer deadline;
	struct crb_call *call; /* under way */
	bool proven;           /* that it is on this host */
	bool spoke;            /* finished a line once */
	bool serving;
	bool failed; /* close once `out` is sent */
};

struct crb_admin {
	struct crb_core *core;
	int listener; /* -1: none */
	struct crb_host host;
	struct crb_discards *discards;
	struct crb_refusals refusals;
	struct crb_timer pause; /* of accepting, while threads wait */
	TAILQ_HEAD(, crb_admin_client) clients;
	unsigned count, others; /* all, and those that are no admins */
};

/*
 * Who is at the other end of `fd`.  *out is filled in any case, and its groups
 * are the caller's to release; CRB_ERR_ROLE when he may do nothing here.
 */
CRB_NODISCARD enum crb_status crb_peer_read(const struct crb_core *core, int fd,
    struct crb_peer *out, struct crb_err *err);
/* The same of a user of whom no groups are known. */
void crb_peer_of(const struct crb_core *core, uid_t uid, struct crb_peer *out);

/* An answer was added to `out`; the client may be gone afterwards. */
void crb_admin_answered(struct crb_admin_client *client);
/* Answer a line that is over its bound, and close behind it. */
void crb_admin_too_long(struct crb_admin_client *client);
/*
 * Say once, as the answer to no call, why a connection is not served.  It is
 * for the caller to close.
 */
void crb_admin_refusal(int fd, const struct crb_err *why, const char *next);

#endif /* !CRB_ADMIN_CLIENT_H */
