#ifndef CRB_GIT_COMMANDS_H
#define CRB_GIT_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/bus/push_commands.h"
#include "broker/gateway/pktline.h"

/*
 * The command list at the head of a push, gathered as the body comes: the core
 * is shown it, and a report-status answers it.  Nothing is decided on it here.
 * It stops where it does not understand, and keeps a bounded number of names.
 */
enum crb_git_commands_state {
	CRB_GIT_COMMANDS_MORE,
	CRB_GIT_COMMANDS_DONE,
	CRB_GIT_COMMANDS_UNCLEAR, /* too long, or not a command list */
};

struct crb_git_commands {
	enum crb_git_commands_state state;
	struct crb_push_end end; /* whole: `text` is all that belongs to them */
	struct crb_buf text;     /* as it came, until somebody takes it */
	struct crb_buf refs;     /* names, each with its NUL */
	size_t count;            /* commands, also those without a name kept */
	bool report_status;      /* what the client can read */
	bool side_band;
};

void crb_git_commands_init(struct crb_git_commands *commands);
void crb_git_commands_clear(struct crb_git_commands *commands);

/*
 * The next bytes of the body.  Returns how many of them belong to the
 * commands; of those that end them it may be fewer than all.
 */
size_t crb_git_commands_feed(
    struct crb_git_commands *commands, const void *bytes, size_t len);

/* No more of it is looked at, as when there is no memory for it. */
void crb_git_commands_stop(struct crb_git_commands *commands);

#define CRB_AUTO_GIT_COMMANDS __attribute__((cleanup(crb_git_commands_clear)))

#endif /* !CRB_GIT_COMMANDS_H */
