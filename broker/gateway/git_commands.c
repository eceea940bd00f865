#include "broker/gateway/git_commands.h"

#include "broker/bus/messages.h"

#define REFS_MAX (64u << 10)

void
crb_git_commands_init(struct crb_git_commands *commands)
{
	*commands = (struct crb_git_commands){
		/* One byte more shows that there is more. */
		.text = CRB_BUF_INIT(CRB_COMMANDS_MAX + 1),
		.refs = CRB_BUF_INIT(REFS_MAX),
	};
}

void
crb_git_commands_clear(struct crb_git_commands *commands)
{
	crb_buf_clear(&commands->text);
	crb_buf_clear(&commands->refs);
}

void
crb_git_commands_stop(struct crb_git_commands *commands)
{
	if (commands->state == CRB_GIT_COMMANDS_MORE)
		commands->state = CRB_GIT_COMMANDS_UNCLEAR;
	crb_buf_clear(&commands->text);
}

static void
keep_ref(struct crb_git_commands *commands, struct crb_slice name)
{
	if (commands->refs.failed ||
	    commands->refs.len + name.len + 1 > commands->refs.max)
		return;
	crb_buf_add(&commands->refs, name.p, name.len);
	crb_buf_char(&commands->refs, '\0');
}

/* What the answer needs of them. */
static void
keep(struct crb_git_commands *commands)
{
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands parsed = { .count = 0 };
	struct crb_slice text = { crb_buf_text(&commands->text),
		commands->text.len };
	struct crb_err err;

	if (crb_push_commands_parse(text, &parsed, &err) != CRB_OK) {
		commands->state = CRB_GIT_COMMANDS_UNCLEAR;
		return;
	}
	for (size_t i = 0; i < parsed.count; i++)
		keep_ref(commands, parsed.command[i].ref);
	commands->count = parsed.count;
	commands->report_status = parsed.report_status;
	commands->side_band = parsed.side_band;
	commands->state = CRB_GIT_COMMANDS_DONE;
}

size_t
crb_git_commands_feed(
    struct crb_git_commands *commands, const void *bytes, size_t len)
{
	struct crb_buf *text = &commands->text;
	size_t before = text->len, room = text->max - before;
	struct crb_err err;

	if (commands->state != CRB_GIT_COMMANDS_MORE)
		return 0;
	crb_buf_add(text, bytes, len < room ? len : room);
	if (text->failed ||
	    crb_push_commands_end(&commands->end,
		(struct crb_slice){ crb_buf_text(text), text->len },
		CRB_COMMANDS_MAX, &err) != CRB_OK) {
		commands->state = CRB_GIT_COMMANDS_UNCLEAR;
		return len < room ? len : room;
	}
	if (commands->end.whole) {
		text->len = commands->end.len;
		keep(commands);
	}
	return text->len - before;
}
