#ifndef CRB_COMMAND_H
#define CRB_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"
#include "base/options.h"
#include "broker/config/config.h"

/* Options that every command has; the first member of each options struct. */
struct crb_common {
	bool help;
	bool json;
	const char *config;
};

#define CRB_COMMON_OPTIONS                                         \
	{ .name = "json",                                          \
		.type = CRB_OPTION_FLAG,                           \
		.offset = offsetof(struct crb_common, json),       \
		.help = "print JSON" },                            \
	    { .name = "config",                                    \
		    .type = CRB_OPTION_TEXT,                       \
		    .offset = offsetof(struct crb_common, config), \
		    .value = "FILE",                               \
		    .help = "another configuration file" },        \
	    { .name = "help",                                      \
		    .letter = 'h',                                 \
		    .type = CRB_OPTION_FLAG,                       \
		    .offset = offsetof(struct crb_common, help),   \
		    .help = "show this help" },                    \
	    CRB_OPTION_END

/* What a command is run with. */
struct crb_cli {
	const struct crb_command *command;
	const struct crb_common *common;
	struct crb_config config;
	int admin;        /* socket to the broker, or -1 */
	json_int_t calls; /* sent so far; the last one's id */
	json_t *failure;  /* error.data of the last refused call, or NULL */
	int exit;         /* overrides the status's when not -1 */
};

typedef enum crb_status crb_command_fn(struct crb_cli *cli, const void *options,
    const struct crb_operands *operands, struct crb_err *err);

struct crb_command {
	const char *name;     /* "credential add" */
	const char *operands; /* "NAME", "[SESSION]", "-- COMMAND [ARG...]" */
	int least, most;      /* operands; most -1: any number */
	bool stop_at_operand;
	bool no_config;      /* the config file is not read */
	const char *summary; /* one line */
	const char *details; /* below the options: examples, notes; or NULL */
	const struct crb_option *options;
	size_t options_size;
	crb_command_fn *run;
};

/* Every command, in the order of help; ends with name NULL. */
extern const struct crb_command *const crb_commands[];

#endif /* !CRB_COMMAND_H */
