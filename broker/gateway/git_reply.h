#ifndef CRB_GIT_REPLY_H
#define CRB_GIT_REPLY_H

#include "broker/gateway/git_commands.h"
#include "broker/gateway/problem.h"

/*
 * How a refusal reaches the person at the other end of git.  git shows a
 * text/plain body only where it asks for refs; where it posts, the refusal has
 * to be an answer of the service itself.  Never 401: git would ask for a
 * password.
 */
struct crb_git_reply {
	unsigned status;
	const char *type; /* Content-Type */
};

/* What a request looks like to git; nothing is decided on it. */
enum crb_git_operation crb_git_operation_of(
    const char *method, const char *target);

/*
 * Write the answer's body to *out.  `commands` is what is known of a push's
 * command list, or NULL; `refs` (or NULL) what was refused of it, in lines
 * "REF REASON".
 */
struct crb_git_reply crb_git_reply(const struct crb_refusal *refusal,
    enum crb_git_operation operation, const struct crb_git_commands *commands,
    const char *refs, struct crb_buf *out);

#endif /* !CRB_GIT_REPLY_H */
