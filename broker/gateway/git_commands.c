#include "broker/gateway/git_commands.h"

#include <string.h>

#include "base/text.h"

#define HEAD 4
#define REFS_MAX (64u << 10)

void
crb_git_commands_init(struct crb_git_commands *commands)
{
	*commands = (struct crb_git_commands){
		.line = CRB_BUF_INIT(CRB_PKTLINE_MAX),
		.refs = CRB_BUF_INIT(REFS_MAX),
	};
}

void
crb_git_commands_clear(struct crb_git_commands *commands)
{
	crb_buf_clear(&commands->line);
	crb_buf_clear(&commands->refs);
}

/* Take the length in the line's head; -1 for what is no head. */
static int
line_length(const struct crb_buf *line)
{
	int length = 0;

	for (size_t i = 0; i < HEAD; i++) {
		char c = line->data[i];

		length *= 16;
		if (c >= '0' && c <= '9')
			length += c - '0';
		else if (c >= 'a' && c <= 'f')
			length += c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			length += c - 'A' + 10;
		else
			return -1;
	}
	return length;
}

static bool
is_oid(struct crb_slice text)
{
	/* SHA-1, SHA-256 */
	if (text.len != 40 && text.len != 64)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (strchr("0123456789abcdef", text.p[i]) == NULL ||
		    text.p[i] == '\0')
			return false;
	}
	return true;
}

static void
take_capabilities(struct crb_git_commands *commands, struct crb_slice list)
{
	struct crb_slice one;

	while (crb_slice_cut(&list, ' ', &one)) {
		if (crb_slice_is(one, "report-status") ||
		    crb_slice_is(one, "report-status-v2"))
			commands->report_status = true;
		else if (crb_slice_is(one, "side-band-64k"))
			commands->side_band = true;
	}
}

/* A name goes into our answer: it must be one that git could have. */
static bool
is_ref(struct crb_slice name)
{
	if (name.len == 0)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c <= 0x20 || c == 0x7f)
			return false;
	}
	return true;
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

/* "OLD NEW REF", all of it or nothing. */
static bool
take_command(struct crb_git_commands *commands, struct crb_slice text)
{
	struct crb_slice old_id, new_id;

	if (!crb_slice_cut(&text, ' ', &old_id) || !is_oid(old_id) ||
	    !crb_slice_cut(&text, ' ', &new_id) || !is_oid(new_id) ||
	    !is_ref(text))
		return false;
	commands->count++;
	keep_ref(commands, text);
	return true;
}

static bool
take_line(struct crb_git_commands *commands)
{
	struct crb_slice text = { commands->line.data + HEAD,
		commands->line.len - HEAD };
	const char *nul = memchr(text.p, '\0', text.len);

	if (text.len > 0 && text.p[text.len - 1] == '\n')
		text.len--;
	if (nul != NULL && nul < text.p + text.len) {
		struct crb_slice list = { nul + 1,
			(size_t)(text.p + text.len - nul - 1) };

		take_capabilities(commands, list);
		text.len = (size_t)(nul - text.p);
	}
	return crb_slice_starts(text, "shallow ") ||
	    take_command(commands, text);
}

/* The line is whole. */
static void
end_line(struct crb_git_commands *commands, int length)
{
	if (length == 0)
		commands->state = CRB_GIT_COMMANDS_DONE;
	else if (!take_line(commands))
		commands->state = CRB_GIT_COMMANDS_UNCLEAR;
	crb_buf_reset(&commands->line);
}

/* How many bytes the line still lacks; 0 when it is whole. */
static size_t
lacking(struct crb_git_commands *commands, int *length)
{
	*length = 0;
	if (commands->line.len < HEAD)
		return HEAD - commands->line.len;
	*length = line_length(&commands->line);
	if (*length < 0 || (*length > 0 && *length <= HEAD) ||
	    *length > CRB_PKTLINE_MAX) {
		commands->state = CRB_GIT_COMMANDS_UNCLEAR;
		return 0;
	}
	return *length == 0 ? 0 : (size_t)*length - commands->line.len;
}

void
crb_git_commands_feed(
    struct crb_git_commands *commands, const void *bytes, size_t len)
{
	const char *at = bytes;
	size_t lack;
	int length;

	while (len > 0 && commands->state == CRB_GIT_COMMANDS_MORE) {
		lack = lacking(commands, &length);
		if (commands->state != CRB_GIT_COMMANDS_MORE)
			break;
		lack = lack < len ? lack : len;
		commands->seen += lack;
		crb_buf_add(&commands->line, at, lack);
		at += lack;
		len -= lack;
		if (commands->line.failed ||
		    commands->seen > CRB_GIT_COMMANDS_MAX)
			commands->state = CRB_GIT_COMMANDS_UNCLEAR;
		else if (lacking(commands, &length) == 0 &&
		    commands->state == CRB_GIT_COMMANDS_MORE)
			end_line(commands, length);
	}
	if (commands->state != CRB_GIT_COMMANDS_MORE)
		crb_buf_clear(&commands->line);
}
