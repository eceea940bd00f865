/*
 * In the static program, and only there, these stand for musl's own, which are
 * then not linked: they would take a tenth of the room that there is.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/format.h"
#include "shim/say.h"

/* The longest that dprintf() is asked for. */
#define LINE_BYTES 512

int
vsnprintf(char *restrict out, size_t size, const char *restrict fmt, va_list ap)
{
	return crb_format_into(out, size, fmt, ap);
}

int
snprintf(char *restrict out, size_t size, const char *restrict fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = crb_format_into(out, size, fmt, ap);
	va_end(ap);
	return len;
}

int
dprintf(int fd, const char *restrict fmt, ...)
{
	char line[LINE_BYTES];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = crb_format_into(line, sizeof(line), fmt, ap);
	va_end(ap);
	return crb_say_bytes(fd, line, strlen(line)) ? len : -1;
}

/* musl's stops all threads for it where the kernel is old; there is one. */
int
setrlimit(int resource, const struct rlimit *limit)
{
	return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

void *
memmem(const void *text, size_t len, const void *needle, size_t needle_len)
{
	const char *at = text;

	for (; needle_len <= len; at++, len--) {
		if (memcmp(at, needle, needle_len) == 0)
			return (void *)(uintptr_t)at;
	}
	return NULL;
}
