#ifndef CRB_SHIM_SAY_H
#define CRB_SHIM_SAY_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/command.h"

/*
 * Say on standard error, in one write, what went wrong: "credbroker-shim: "
 * before it, a newline behind, bytes that could steer a terminal escaped.
 * Returns `code`, so that a failure is one statement.
 */
int crb_say_fail(enum crb_exit code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Write all of it as it is; false if the descriptor takes no more.
 */
bool crb_say_bytes(int fd, const char *bytes, size_t len);

/*
 * The length of the well-formed UTF-8 sequence of two to four bytes at `p`
 * (RFC 3629), of which `len` are there, or 0.  C1 controls do not count.
 */
size_t crb_say_utf8(const unsigned char *p, size_t len);

/*
 * Write text that somebody else chose: printable ASCII, newlines, tabs and
 * well-formed UTF-8 as they are, all else (C0 and C1 controls, broken UTF-8)
 * as \xNN.  A newline is added where the last one is missing.
 */
bool crb_say_text(int fd, const char *text, size_t len);

#endif /* !CRB_SHIM_SAY_H */
