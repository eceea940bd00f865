/*
 * The commands of a push on stdin, as they are read here: a line "OLD NEW REF"
 * each, as a pre-receive hook has it.  tests/e2e/test_push_commands_git.py
 * holds them against what git's own server reads.
 */
#include <stdio.h>

#include "base/buf.h"
#include "broker/bus/push_commands.h"

#define MOST (1u << 20)

int
main(void)
{
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands commands = {
		.count = 0
	};
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(MOST);
	struct crb_push_end end = { .len = 0 };
	struct crb_slice all;
	struct crb_err err;
	char piece[4096];
	size_t len;

	while ((len = fread(piece, 1, sizeof(piece), stdin)) > 0)
		crb_buf_add(&text, piece, len);
	all = (struct crb_slice){ crb_buf_text(&text), text.len };
	if (text.failed ||
	    crb_push_commands_end(&end, all, MOST, &err) != CRB_OK ||
	    !end.whole)
		return 1;
	all.len = end.len;
	if (crb_push_commands_parse(all, &commands, &err) != CRB_OK)
		return 1;
	for (size_t i = 0; i < commands.count; i++) {
		const struct crb_push_command *at = &commands.command[i];

		(void)printf("%.*s %.*s %.*s\n", (int)at->old_id.len,
		    at->old_id.p, (int)at->new_id.len, at->new_id.p,
		    (int)at->ref.len, at->ref.p);
	}
	return 0;
}
