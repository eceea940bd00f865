#ifndef CRB_SHIM_LINES_H
#define CRB_SHIM_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* The kernel's tables in /proc, a line each, and the numbers in them. */

/*
 * Call `fn` with each whole line, without its newline and writable, until it
 * says false.  Lines over 2 KiB are cut, and after 16 MiB no more is read.
 * `fd` is borrowed; -1 has no lines.
 */
typedef bool crb_lines_fn(void *ctx, char *line);
void crb_lines_each(int fd, crb_lines_fn *fn, void *ctx);

/*
 * The digits at `text`, in base 10 or 16; *end (may be NULL) is behind them,
 * and `text` itself when there are none.  What is too large wraps around.
 */
unsigned long crb_lines_number(
    const char *text, unsigned base, const char **end);

#endif /* !CRB_SHIM_LINES_H */
