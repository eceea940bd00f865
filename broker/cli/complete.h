#ifndef CRB_COMPLETE_H
#define CRB_COMPLETE_H

#include "base/buf.h"
#include "base/text.h"
#include "broker/cli/command.h"

/*
 * What may stand next on a command line, out of the tables of commands,
 * options, backends and presets.  A shell asks with the words behind
 * "credbroker", the last of which is being typed and may be empty.
 *
 * Answer: lines "WORD\tWHAT IT IS"; a word that ends in "=", ":" or "," goes
 * on.  ":files", ":folders" or ":commands" alone on a line say that the shell
 * completes those itself.
 */
struct crb_complete;

/* What only the broker knows: "credentials", "profiles", "sessions", "tasks",
 * "approvals".
 */
typedef void crb_complete_names_fn(
    void *ctx, const char *which, struct crb_complete *complete);

struct crb_complete {
	const struct crb_command *const *commands;
	crb_complete_names_fn *names;
	void *ctx;
	struct crb_buf *out;
	/* The inside's. */
	const char *typed;     /* the last word */
	struct crb_slice head; /* of it: what candidates stand behind */
	const char *tail;      /* what follows each candidate: "=" */
};

void crb_complete_words(
    struct crb_complete *complete, char *const *words, size_t count);

/* For a crb_complete_names_fn: one that may be meant. */
void crb_complete_add(
    struct crb_complete *complete, const char *word, const char *text);

#endif /* !CRB_COMPLETE_H */
