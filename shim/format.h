#ifndef CRB_SHIM_FORMAT_H
#define CRB_SHIM_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * vsnprintf() without floating point, which is three quarters of libc's and
 * would not fit into the shim: %d %i %u %x %X %c %s %%, the flags 0 and -, a
 * width, a precision for %s, and the lengths l, ll, z.  Anything else ends
 * the process: see musl.c.
 */
int crb_format_into(char *out, size_t size, const char *fmt, va_list ap);

#endif /* !CRB_SHIM_FORMAT_H */
