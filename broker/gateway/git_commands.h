#ifndef CRB_GIT_COMMANDS_H
#define CRB_GIT_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/gateway/pktline.h"

/*
 * Reads the command list at the head of a push (gitprotocol-pack(5),
 * "OLD NEW REF[\0capabilities]" and "shallow OID" up to a flush), only to be
 * able to answer it with a report-status: nothing is decided on it.  It stops
 * where it does not understand, and keeps a bounded number of names.
 */
#define CRB_GIT_COMMANDS_MAX (1u << 20) /* bytes of list that are read */

enum crb_git_commands_state {
	CRB_GIT_COMMANDS_MORE,
	CRB_GIT_COMMANDS_DONE,
	CRB_GIT_COMMANDS_UNCLEAR, /* too long, or not a command list */
};

struct crb_git_commands {
	enum crb_git_commands_state state;
	size_t seen;         /* bytes */
	struct crb_buf line; /* the line under way, with its head */
	struct crb_buf refs; /* names, each with its NUL */
	unsigned count;      /* commands, also those without a name kept */
	bool report_status;  /* what the client can read */
	bool side_band;
};

void crb_git_commands_init(struct crb_git_commands *commands);
void crb_git_commands_clear(struct crb_git_commands *commands);

/* The next bytes of the body. */
void crb_git_commands_feed(
    struct crb_git_commands *commands, const void *bytes, size_t len);

#define CRB_AUTO_GIT_COMMANDS __attribute__((cleanup(crb_git_commands_clear)))

#endif /* !CRB_GIT_COMMANDS_H */
