#ifndef CRB_ADMIN_CLIENT_H
#define CRB_ADMIN_CLIENT_H

#include <sys/queue.h>

#include "base/buf.h"
#include "broker/core/admin.h"

/* What admin.c (bytes) and call.c (JSON-RPC) share. */
#define ADMIN_READ 16384u
#define ADMIN_OUT_MAX (64u << 20)
#define ADMIN_LINE_MS 10000
#define ADMIN_IDLE_MS 600000

struct crb_admin_client {
	TAILQ_ENTRY(crb_admin_client) link;
	struct crb_admin *admin;
	int fd;
	uid_t uid;
	struct crb_buf in, out;
	struct crb_timer deadline;
	struct crb_call *call; /* under way */
	bool spoke;            /* finished a line once */
	bool serving;
	bool failed; /* close once `out` is sent */
};

struct crb_admin {
	struct crb_core *core;
	int listener; /* -1: none */
	TAILQ_HEAD(, crb_admin_client) clients;
	unsigned count;
};

/* An answer was added to `out`; the client may be gone afterwards. */
void crb_admin_answered(struct crb_admin_client *client);
/* Answer a line that is over its bound, and close behind it. */
void crb_admin_too_long(struct crb_admin_client *client);

#endif /* !CRB_ADMIN_CLIENT_H */
