#include "broker/cli/args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
take(struct crb_args *args, char *text)
{
	args->at = reallocarray(args->at, args->count + 2, sizeof(*args->at));
	if (args->at == NULL || text == NULL)
		abort();
	args->at[args->count] = text;
	args->at[++args->count] = NULL;
}

void
crb_args_add(struct crb_args *args, const char *text)
{
	take(args, strdup(text));
}

void
crb_args_printf(struct crb_args *args, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	take(args, n == -1 ? NULL : text);
}

void
crb_args_clear(struct crb_args *args)
{
	for (size_t i = 0; i < args->count; i++)
		free(args->at[i]);
	free(args->at);
	*args = (struct crb_args){ .count = 0 };
}
