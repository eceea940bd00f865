/*
 * The commands of a push: their end is found in pieces as in the whole, and
 * what is read of them is what a reader with no idea of the grammar finds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/bus/push_commands.h"

#define MOST 65536
#define MUST(what)               \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
in_pieces(struct crb_slice text, const struct crb_push_end *whole,
    enum crb_status status)
{
	struct crb_push_end end = { .len = 0 };
	enum crb_status now = CRB_OK;
	struct crb_err err;

	for (size_t i = 0; i <= text.len && now == CRB_OK && !end.whole; i++)
		now = crb_push_commands_end(
		    &end, (struct crb_slice){ text.p, i }, MOST, &err);
	MUST((now == CRB_OK) == (status == CRB_OK));
	MUST(now != CRB_OK ||
	    (end.whole == whole->whole && end.len == whole->len));
}

static void
check_slice(struct crb_slice text, struct crb_slice part)
{
	MUST(part.p >= text.p && part.p + part.len <= text.p + text.len);
}

static void
check_command(struct crb_slice text, const struct crb_push_command *command)
{
	bool old = crb_slice_consists(command->old_id, "0");
	bool new = crb_slice_consists(command->new_id, "0");

	check_slice(text, command->ref);
	check_slice(text, command->old_id);
	check_slice(text, command->new_id);
	/* As git's server finds it: "OLD NEW REF" in one piece. */
	MUST(command->new_id.p == command->old_id.p + command->old_id.len + 1);
	MUST(command->ref.p == command->new_id.p + command->new_id.len + 1);
	MUST(crb_slice_starts(command->ref, "refs/"));
	MUST(command->ref.len <= CRB_REF_MAX);
	MUST(memchr(command->ref.p, '\n', command->ref.len) == NULL);
	MUST(memchr(command->ref.p, ' ', command->ref.len) == NULL);
	MUST((command->change == CRB_CHANGE_DELETE) == new);
	MUST((command->change == CRB_CHANGE_CREATE) == (old && !new));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crb_slice text = { (const char *)data, size };
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands commands = {
		.count = 0
	};
	struct crb_push_end end = { .len = 0 };
	enum crb_status status, parsed;
	struct crb_err err;

	if (size > 4096)
		return 0;
	status = crb_push_commands_end(&end, text, MOST, &err);
	in_pieces(text, &end, status);
	parsed = crb_push_commands_parse(text, &commands, &err);
	/* What is read as a whole ends where its end was found. */
	if (parsed == CRB_OK)
		MUST(status == CRB_OK && end.whole && end.len == size);
	else
		MUST(commands.command == NULL && commands.option == NULL);
	for (size_t i = 0; i < commands.count; i++)
		check_command(text, &commands.command[i]);
	for (size_t i = 0; i < commands.option_count; i++)
		check_slice(text, commands.option[i]);
	return 0;
}
