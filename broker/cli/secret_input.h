#ifndef CRB_SECRET_INPUT_H
#define CRB_SECRET_INPUT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/options.h"
#include "base/secret.h"

/*
 * How a secret comes in: from a file, a descriptor, a prompt with echo off
 * when there is a terminal, else from standard input.  Never from argv.
 */
struct crb_secret_source {
	const char *file;
	int64_t fd; /* -1: none */
};

#define CRB_SECRET_OPTIONS(owner, field) \
	CRB_SECRET_OPTIONS_OF("secret", owner, field)
/* Where --secret-file could be taken for another file. */
#define CRB_PASSPHRASE_OPTIONS(owner, field) \
	CRB_SECRET_OPTIONS_OF("passphrase", owner, field)

#define CRB_SECRET_OPTIONS_OF(word, owner, field)                              \
	{ .name = word "-file",                                                \
		.type = CRB_OPTION_TEXT,                                       \
		.offset = offsetof(owner, field.file),                         \
		.value = "FILE",                                               \
		.help = "read the " word " from a file" },                     \
	{                                                                      \
		.name = word "-fd", .type = CRB_OPTION_NUMBER,                 \
		.offset = offsetof(owner, field.fd), .value = "FD", .min = -1, \
		.max = 65535, .preset = "-1", .unset = true,                   \
		.help = "read the " word " from this descriptor"               \
	}

/*
 * `what` is asked for ("Passphrase"), twice when `confirm`.  One line end at
 * the end is not part of the secret; an empty one is an error.
 */
CRB_NODISCARD enum crb_status crb_secret_input(
    const struct crb_secret_source *source, const char *what, bool confirm,
    struct crb_secret **out, struct crb_err *err);

#endif /* !CRB_SECRET_INPUT_H */
