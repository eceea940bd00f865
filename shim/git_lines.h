#ifndef CRB_SHIM_GIT_LINES_H
#define CRB_SHIM_GIT_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* The format of git-credential(1): "key=value" lines, an empty one at most. */

/* The longest whole message that is read or relayed. */
#define CRB_GIT_LINES_MAX (64 * 1024)

/* True once `bytes` holds the empty line that ends a message. */
bool crb_git_lines_ended(const char *bytes, size_t len);

/*
 * Check a message that must have a protocol and a host, or may lack them
 * (an answer).  Gives NULL, and in *used how many bytes come before the empty
 * line, or says what is wrong.  What is behind the empty line is ignored, as
 * git does.
 */
const char *crb_git_lines_check_question(
    const char *bytes, size_t len, size_t *used);
const char *crb_git_lines_check_answer(
    const char *bytes, size_t len, size_t *used);

#endif /* !CRB_SHIM_GIT_LINES_H */
