#ifndef CRB_OPTIONS_H
#define CRB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/err.h"

/*
 * Options are tables.  One table drives parsing of a command line, of a JSON
 * object (the config file, a backend's parameters, an RPC's members), the
 * defaults, the bounds, --help, the check of the man page and completion.
 * Values land in the caller's struct, at `offset`.
 */
enum crb_option_type {
	CRB_OPTION_FLAG,     /* bool; no value */
	CRB_OPTION_TEXT,     /* const char *, borrowed */
	CRB_OPTION_CHOICE,   /* const char *, one of `choices` */
	CRB_OPTION_LIST,     /* struct crb_list; repeatable, commas split */
	CRB_OPTION_REPEAT,   /* struct crb_list; repeatable, taken whole */
	CRB_OPTION_NUMBER,   /* int64_t */
	CRB_OPTION_DURATION, /* int64_t, seconds */
	CRB_OPTION_SIZE,     /* int64_t, bytes */
};

#define CRB_LIST_MAX 64
struct crb_list {
	size_t count;
	const char *item[CRB_LIST_MAX];
	/* Owns what a split made; NULL otherwise.  crb_options_clear(). */
	char *copy[CRB_LIST_MAX];
};

struct crb_option {
	const char *name; /* "bind-pid": --bind-pid, or the JSON key */
	char letter;      /* 'k' for -k, or 0 */
	enum crb_option_type type;
	size_t offset;
	bool required;
	int64_t min, max;   /* number, duration, size; both 0: unbounded */
	const char *preset; /* the default, in the option's own syntax */
	bool unset;         /* the default stands for "not given" */
	const char *const *choices; /* NULL-terminated */
	const char *value;          /* what help calls the value: "PID" */
	const char *help;           /* one line */
};

#define CRB_OPTION_END       \
	{                    \
		.name = NULL \
	}

/*
 * Parse argv[first..argc), after setting every option of the table to its
 * default.  Options end at "--", or, with `stop_at_operand`, at the first
 * operand; operands are collected.  --name=value and --name value both work;
 * a secret-looking value is not this function's business.  Unknown and
 * repeated options are errors that name the nearest known one.  With a flag
 * `help` given, nothing is required.  A failure leaves nothing to clear.
 */
struct crb_operands {
	int count;
	char **at; /* points into argv, which is permuted */
};
CRB_NODISCARD enum crb_status crb_options_argv(const struct crb_option *table,
    int argc, char **argv, int first, bool stop_at_operand, void *out,
    struct crb_operands *operands, struct crb_err *err);

/*
 * The same from a JSON object; numbers, durations and sizes may be JSON
 * numbers or text in their syntax, lists may be arrays or text.  Strings are
 * borrowed from `object`.  `where` starts every message ("config.json",
 * "backend static").  A null object is an empty one.
 */
CRB_NODISCARD enum crb_status crb_options_json(const struct crb_option *table,
    const json_t *object, const char *where, void *out, struct crb_err *err);

/* Only the defaults. */
CRB_NODISCARD enum crb_status crb_options_defaults(
    const struct crb_option *table, void *out, struct crb_err *err);

/* Free what parsing into `out` made. */
void crb_options_clear(const struct crb_option *table, void *out);

/* "  --ttl DURATION   how long ... (default 8h)" a line each, aligned. */
void crb_options_help(const struct crb_option *table, FILE *to);

const struct crb_option *crb_options_find(
    const struct crb_option *table, const char *name);

#endif /* !CRB_OPTIONS_H */
