#ifndef CRB_ARGS_H
#define CRB_ARGS_H

#include <stddef.h>

/*
 * A NULL-terminated list of strings that it owns, once there is one in it;
 * out of memory aborts.  Starts as all zeros.
 */
struct crb_args {
	size_t count;
	char **at;
};
void crb_args_add(struct crb_args *args, const char *text);
void crb_args_printf(struct crb_args *args, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void crb_args_clear(struct crb_args *args);

#endif /* !CRB_ARGS_H */
