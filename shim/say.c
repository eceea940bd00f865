#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shim/say.h"

bool
crb_say_bytes(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* RFC 3629, the table of section 4. */
size_t
crb_say_utf8(const unsigned char *p, size_t len)
{
	static const struct {
		unsigned char lead_min, lead_max, next_min, next_max;
		size_t len;
	} forms[] = {
		{ 0xc2, 0xc2, 0xa0, 0xbf, 2 },
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (p[0] < forms[i].lead_min || p[0] > forms[i].lead_max)
			continue;
		if (len < forms[i].len || p[1] < forms[i].next_min ||
		    p[1] > forms[i].next_max)
			return 0;
		for (size_t k = 2; k < forms[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].len;
	}
	return 0;
}

/* How many bytes at `p` may be shown as they are: 0 for none. */
static size_t
shown_length(const unsigned char *p, size_t len)
{
	if (p[0] == '\n' || p[0] == '\t' || (p[0] >= 0x20 && p[0] < 0x7f))
		return 1;
	return crb_say_utf8(p, len);
}

bool
crb_say_text(int fd, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char out[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < len;) {
		const unsigned char *p = (const unsigned char *)text + i;
		size_t n = shown_length(p, len - i);

		if (used + 4 > sizeof(out)) {
			if (!crb_say_bytes(fd, out, used))
				return false;
			used = 0;
		}
		if (n > 0) {
			memcpy(out + used, p, n);
			used += n;
			i += n;
		} else {
			out[used++] = '\\';
			out[used++] = 'x';
			out[used++] = hex[*p >> 4];
			out[used++] = hex[*p & 15];
			i++;
		}
	}
	if (!crb_say_bytes(fd, out, used))
		return false;
	return len == 0 || text[len - 1] == '\n' || crb_say_bytes(fd, "\n", 1);
}

int
crb_say_fail(enum crb_exit code, const char *fmt, ...)
{
	static const char prefix[] = "credbroker-shim: ";
	char line[512];
	int n;
	va_list ap;

	memcpy(line, prefix, sizeof(prefix));
	va_start(ap, fmt);
	n = vsnprintf(line + sizeof(prefix) - 1,
	    sizeof(line) - sizeof(prefix) + 1, fmt, ap);
	va_end(ap);
	if (n >= 0)
		(void)crb_say_text(STDERR_FILENO, line, strlen(line));
	return (int)code;
}
