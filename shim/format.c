#include "shim/format.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define DIGITS_MAX 24

/* What is written, and how much would be if there were room. */
struct sink {
	char *out;
	size_t size;
	size_t len;
};

/* One conversion, as it was asked for. */
struct spec {
	bool zero;
	bool left;
	int width;
	int precision; /* -1: none */
	int longs;     /* 0: int; 1: long, size_t; 2: long long */
	char kind;
};

static void
put(struct sink *sink, char c)
{
	if (sink->len + 1 < sink->size)
		sink->out[sink->len] = c;
	sink->len++;
}

static void
pad(struct sink *sink, char with, int count)
{
	for (; count > 0; count--)
		put(sink, with);
}

static void
put_field(
    struct sink *sink, const struct spec *spec, const char *text, size_t len)
{
	int room = spec->width > (int)len ? spec->width - (int)len : 0;

	if (!spec->left)
		pad(sink, spec->zero ? '0' : ' ', room);
	for (size_t i = 0; i < len; i++)
		put(sink, text[i]);
	if (spec->left)
		pad(sink, ' ', room);
}

static void
put_number(struct sink *sink, const struct spec *spec,
    unsigned long long number, bool negative)
{
	const char *digits = spec->kind == 'X' ? "0123456789ABCDEF"
					       : "0123456789abcdef";
	unsigned base = spec->kind == 'x' || spec->kind == 'X' ? 16 : 10;
	char text[DIGITS_MAX];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[number % base];
		number /= base;
	} while (number > 0);
	if (negative)
		text[--at] = '-';
	put_field(sink, spec, text + at, sizeof(text) - at);
}

static int
take_number(const char **fmt)
{
	int number = 0;

	for (; **fmt >= '0' && **fmt <= '9' && number < 10000; ++*fmt)
		number = number * 10 + (**fmt - '0');
	return number;
}

static void
take_spec(const char **fmt, struct spec *spec, int star)
{
	for (; **fmt == '0' || **fmt == '-'; ++*fmt) {
		spec->zero |= **fmt == '0';
		spec->left |= **fmt == '-';
	}
	spec->width = take_number(fmt);
	if (**fmt == '.') {
		++*fmt;
		if (**fmt == '*') {
			++*fmt;
			spec->precision = star;
		} else {
			spec->precision = take_number(fmt);
		}
	}
	for (; **fmt == 'l' || **fmt == 'z'; ++*fmt)
		spec->longs++;
	spec->kind = **fmt;
	if (**fmt != '\0')
		++*fmt;
}

/* Whether a "*" comes before the conversion's letter. */
static bool
has_star(const char *fmt)
{
	return fmt[strspn(fmt, "-0123456789.")] == '*';
}

int
crb_format_into(char *out, size_t size, const char *fmt, va_list ap)
{
	struct sink sink = { out, size, 0 };

	while (*fmt != '\0') {
		struct spec spec = { .precision = -1 };
		const char *text;
		char one;
		long long number;

		if (*fmt != '%') {
			put(&sink, *fmt++);
			continue;
		}
		fmt++;
		take_spec(&fmt, &spec, has_star(fmt) ? va_arg(ap, int) : -1);
		switch (spec.kind) {
		case 's':
			text = va_arg(ap, const char *);
			put_field(&sink, &spec, text,
			    spec.precision >= 0
				? strnlen(text, (size_t)spec.precision)
				: strlen(text));
			break;
		case 'c':
			one = (char)va_arg(ap, int);
			put_field(&sink, &spec, &one, 1);
			break;
		case 'd':
		case 'i':
			number = spec.longs == 0 ? va_arg(ap, int)
			    : spec.longs == 1    ? va_arg(ap, long)
						 : va_arg(ap, long long);
			put_number(&sink, &spec,
			    number < 0 ? 0ULL - (unsigned long long)number
				       : (unsigned long long)number,
			    number < 0);
			break;
		case 'u':
		case 'x':
		case 'X':
			put_number(&sink, &spec,
			    spec.longs == 0 ? va_arg(ap, unsigned)
				: spec.longs == 1
				? va_arg(ap, unsigned long)
				: va_arg(ap, unsigned long long),
			    false);
			break;
		case '%':
			put(&sink, '%');
			break;
		default:
			abort();
		}
	}
	if (size > 0)
		out[sink.len < size ? sink.len : size - 1] = '\0';
	return (int)sink.len;
}
