#include "shim/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 2048
#define ALL_MAX (16 * 1024 * 1024)

void
crb_lines_each(int fd, crb_lines_fn *fn, void *ctx)
{
	char bytes[LINE_BYTES];
	size_t len = 0, all = 0;
	bool cut = false;

	while (fd != -1 && all < ALL_MAX) {
		ssize_t n = read(fd, bytes + len, sizeof(bytes) - 1 - len);
		char *line = bytes, *end;

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		len += (size_t)n;
		all += (size_t)n;
		while ((end = memchr(line, '\n',
			    len - (size_t)(line - bytes))) != NULL) {
			*end = '\0';
			/* The rest of a line that was cut is none. */
			if (!cut && !fn(ctx, line))
				return;
			cut = false;
			line = end + 1;
		}
		len -= (size_t)(line - bytes);
		memmove(bytes, line, len);
		if (len < sizeof(bytes) - 1)
			continue;
		bytes[len] = '\0';
		if (!cut && !fn(ctx, bytes))
			return;
		cut = true;
		len = 0;
	}
}

static unsigned
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

unsigned long
crb_lines_number(const char *text, unsigned base, const char **end)
{
	unsigned long number = 0;

	for (; digit_of(*text) < base; text++)
		number = number * base + digit_of(*text);
	if (end != NULL)
		*end = text;
	return number;
}
