#include "broker/bus/push_commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* LARGE_PACKET_MAX of git's pkt-line.h; the length counts its own digits. */
#define LINE_MAX_LEN 65520
#define HEAD 4
#define SHA1_HEX 40
#define SHA256_HEX 64
#define SIGNATURE_LINE_MAX 256
#define PUSH_OPTION "push-option "

const char *const crb_changes[] = { "create", "update", "delete", NULL };

enum line_kind { LINE_MORE, LINE_BAD, LINE_FLUSH, LINE_TEXT };

/* The line at *at, which moves behind it; LINE_MORE: it is not whole. */
static enum line_kind
next_line(struct crb_slice text, size_t *at, struct crb_slice *line)
{
	size_t left = text.len - *at, len = 0;

	if (left < HEAD)
		return LINE_MORE;
	for (size_t i = 0; i < HEAD; i++) {
		int digit = crb_text_hex_value(text.p[*at + i]);

		if (digit < 0)
			return LINE_BAD;
		len = len * 16 + (size_t)digit;
	}
	/* 0001 to 0003 would end them for git too; nobody sends them. */
	if ((len > 0 && len < HEAD) || len > LINE_MAX_LEN)
		return LINE_BAD;
	if (left < len)
		return LINE_MORE;
	*line = (struct crb_slice){ text.p + *at + HEAD,
		len > 0 ? len - HEAD : 0 };
	*at += len > 0 ? len : HEAD;
	return len > 0 ? LINE_TEXT : LINE_FLUSH;
}

/* What is behind the NUL of *line, which is cut there; false: no NUL. */
static bool
cut_capabilities(struct crb_slice *line, struct crb_slice *list)
{
	const char *nul = memchr(line->p, '\0', line->len);

	if (nul == NULL)
		return false;
	list->p = nul + 1;
	list->len = (size_t)(line->p + line->len - list->p);
	line->len = (size_t)(nul - line->p);
	return true;
}

/* As git's reader does: one at the end. */
static struct crb_slice
chomp(struct crb_slice line)
{
	if (line.len > 0 && line.p[line.len - 1] == '\n')
		line.len--;
	return line;
}

static bool
announces_options(struct crb_slice line)
{
	struct crb_slice list, one;

	line = chomp(line);
	if (!cut_capabilities(&line, &list))
		return false;
	while (crb_slice_cut(&list, ' ', &one)) {
		if (crb_slice_is(one, "push-options"))
			return true;
	}
	return false;
}

static void
end_line(struct crb_push_end *end, struct crb_slice line)
{
	if (end->begun || crb_slice_starts(line, "shallow "))
		return;
	end->begun = true;
	end->options = announces_options(line);
}

enum crb_status
crb_push_commands_end(struct crb_push_end *end, struct crb_slice text,
    size_t most, struct crb_err *err)
{
	enum line_kind kind = LINE_TEXT;
	struct crb_slice line;

	while (!end->whole && kind != LINE_MORE) {
		kind = next_line(text, &end->len, &line);
		if (kind == LINE_BAD)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "this is not the command list of a push");
		if (kind == LINE_TEXT)
			end_line(end, line);
		if (kind == LINE_FLUSH) {
			end->whole = !end->options;
			end->options = false;
		}
	}
	if (end->len > most || (!end->whole && text.len > most))
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "the command list of the push is longer than %zu bytes",
		    most);
	return CRB_OK;
}

void
crb_push_commands_clear(struct crb_push_commands *commands)
{
	free(commands->command);
	free(commands->option);
	*commands = (struct crb_push_commands){ .count = 0 };
}

struct reading {
	struct crb_slice text;
	size_t at;
	size_t id_len; /* of object ids, once it is known */
	size_t room, option_room;
	bool options; /* follow */
	struct crb_push_commands *out;
	struct crb_err *err;
};

static enum crb_status
bad(struct reading *reading, const char *what)
{
	return crb_err_set(
	    reading->err, CRB_ERR_INVALID, "the push's command list: %s", what);
}

/* The next line; *flush instead. */
static enum crb_status
read_line(struct reading *reading, struct crb_slice *line, bool *flush)
{
	enum line_kind kind = next_line(reading->text, &reading->at, line);

	*flush = kind == LINE_FLUSH;
	if (kind == LINE_MORE || kind == LINE_BAD)
		return bad(reading, "it is cut short, or no list");
	return CRB_OK;
}

static bool
is_id(struct reading *reading, struct crb_slice text)
{
	if (reading->id_len == 0)
		reading->id_len = text.len == SHA256_HEX ? SHA256_HEX
							 : SHA1_HEX;
	return text.len == reading->id_len &&
	    crb_slice_consists(text, CRB_DIGITS "abcdef");
}

static bool
is_zero(struct crb_slice id)
{
	return crb_slice_consists(id, "0");
}

static enum crb_status
add_command(struct reading *reading, const struct crb_push_command *command)
{
	struct crb_push_commands *out = reading->out;
	size_t room = reading->room > 0 ? 2 * reading->room : 8;
	struct crb_push_command *bigger;

	if (out->count == CRB_PUSH_REFS_MAX)
		return crb_err_set(reading->err, CRB_ERR_TOO_LARGE,
		    "the push has more than %d refs", CRB_PUSH_REFS_MAX);
	if (out->count == reading->room) {
		bigger = reallocarray(out->command, room, sizeof(*bigger));
		if (bigger == NULL)
			return crb_err_set(
			    reading->err, CRB_ERR_NOMEM, "out of memory");
		out->command = bigger;
		reading->room = room;
	}
	out->command[out->count++] = *command;
	return CRB_OK;
}

/* "OLD NEW REF", all of it. */
static enum crb_status
take_command(struct reading *reading, struct crb_slice line)
{
	struct crb_push_command command;

	if (!crb_slice_cut(&line, ' ', &command.old_id) ||
	    !is_id(reading, command.old_id) ||
	    !crb_slice_cut(&line, ' ', &command.new_id) ||
	    !is_id(reading, command.new_id) || line.p == NULL)
		return bad(reading, "a line is no command");
	if (!crb_git_ref_ok(line))
		return bad(reading, "a ref's name is not one that git has");
	command.ref = line;
	/* git looks at the new id first. */
	command.change = is_zero(command.new_id) ? CRB_CHANGE_DELETE
	    : is_zero(command.old_id)            ? CRB_CHANGE_CREATE
						 : CRB_CHANGE_UPDATE;
	return add_command(reading, &command);
}

static enum crb_status
take_capability(struct reading *reading, struct crb_slice one, size_t *id_len)
{
	struct crb_push_commands *out = reading->out;

	if (crb_slice_is(one, "report-status") ||
	    crb_slice_is(one, "report-status-v2"))
		out->report_status = true;
	else if (crb_slice_is(one, "side-band-64k"))
		out->side_band = true;
	else if (crb_slice_is(one, "push-options"))
		reading->options = true;
	else if (crb_slice_is(one, "object-format=sha256"))
		*id_len = SHA256_HEX;
	/* What git may read in another way than we do. */
	else if (crb_slice_starts(one, "push-options") ||
	    (crb_slice_starts(one, "object-format") &&
		!crb_slice_is(one, "object-format=sha1")))
		return bad(reading, "a capability that is not known");
	return CRB_OK;
}

static enum crb_status
take_capabilities(struct reading *reading, struct crb_slice list)
{
	size_t id_len = SHA1_HEX;
	struct crb_slice one;
	enum crb_status status;

	for (size_t i = 0; i < list.len; i++) {
		if (list.p[i] < 0x20 || list.p[i] > 0x7e)
			return bad(reading, "capabilities that are not text");
	}
	while (crb_slice_cut(&list, ' ', &one)) {
		if ((status = take_capability(reading, one, &id_len)) != CRB_OK)
			return status;
	}
	if (reading->id_len != 0 && reading->id_len != id_len)
		return bad(reading, "object ids of two kinds");
	reading->id_len = id_len;
	return CRB_OK;
}

/* "shallow OID" lines; *line is the first that is none. */
static enum crb_status
read_shallow(struct reading *reading, struct crb_slice *line, bool *flush)
{
	enum crb_status status;
	struct crb_slice id;

	for (;;) {
		if ((status = read_line(reading, line, flush)) != CRB_OK)
			return status;
		if (*flush || !crb_slice_starts(*line, "shallow "))
			return CRB_OK;
		id = chomp(*line);
		id.p += strlen("shallow ");
		id.len -= strlen("shallow ");
		if (!is_id(reading, id))
			return bad(reading, "a shallow line without an id");
	}
}

static enum crb_status
read_commands(struct reading *reading, struct crb_slice line)
{
	bool flush = false;
	enum crb_status status;

	while (!flush) {
		if ((status = take_command(reading, line)) != CRB_OK ||
		    (status = read_line(reading, &line, &flush)) != CRB_OK)
			return status;
		line = chomp(line);
	}
	return CRB_OK;
}

static enum crb_status
add_option(struct reading *reading, struct crb_slice option)
{
	struct crb_push_commands *out = reading->out;
	size_t room = reading->option_room > 0 ? 2 * reading->option_room : 8;
	struct crb_slice *bigger;

	if (out->option_count == CRB_PUSH_OPTIONS_MAX)
		return crb_err_set(reading->err, CRB_ERR_TOO_LARGE,
		    "the push has more than %d options", CRB_PUSH_OPTIONS_MAX);
	if (out->option_count == reading->option_room) {
		bigger = reallocarray(out->option, room, sizeof(*bigger));
		if (bigger == NULL)
			return crb_err_set(
			    reading->err, CRB_ERR_NOMEM, "out of memory");
		out->option = bigger;
		reading->option_room = room;
	}
	out->option[out->option_count++] = option;
	return CRB_OK;
}

/* What it says of itself, of which the push options have to come. */
static enum crb_status
take_signed_header(struct reading *reading, struct crb_slice line)
{
	size_t head = strlen(PUSH_OPTION);

	if (!crb_slice_starts(line, PUSH_OPTION))
		return CRB_OK;
	return add_option(
	    reading, (struct crb_slice){ line.p + head, line.len - head });
}

enum part { PART_START, PART_HEADERS, PART_COMMANDS, PART_SIGNATURE, PART_END };

/*
 * A signature is not looked into, but git takes the last line that begins one
 * for its beginning, and what is before it for commands: there is only one, and
 * nothing in it that could be a command.
 */
static bool
is_signature_line(struct crb_slice line)
{
	struct crb_slice first;

	if (line.len > SIGNATURE_LINE_MAX ||
	    crb_slice_starts(line, "-----BEGIN"))
		return false;
	(void)crb_slice_cut(&line, ' ', &first);
	return line.p == NULL ||
	    (first.len != SHA1_HEX && first.len != SHA256_HEX);
}

/* A line of a certificate, without its end. */
static enum crb_status
take_signed(struct reading *reading, enum part *part, struct crb_slice line)
{
	bool dashes = crb_slice_starts(line, "-----");

	switch (*part) {
	case PART_START:
		*part = PART_HEADERS;
		if (crb_slice_is(line, "certificate version 0.1"))
			return CRB_OK;
		break;
	case PART_HEADERS:
		if (line.len == 0)
			*part = PART_COMMANDS;
		if (!dashes)
			return take_signed_header(reading, line);
		break;
	case PART_COMMANDS:
		if (!dashes)
			return take_command(reading, line);
		*part = PART_SIGNATURE;
		if (crb_slice_starts(line, "-----BEGIN ") &&
		    reading->out->count > 0)
			return CRB_OK;
		break;
	case PART_SIGNATURE:
		if (crb_slice_starts(line, "-----END "))
			*part = PART_END;
		if (is_signature_line(line))
			return CRB_OK;
		break;
	case PART_END:
		break;
	}
	return bad(reading, "a push certificate that git does not write");
}

/* Up to the flush; every line of it ends with LF, and has no other. */
static enum crb_status
read_certificate(struct reading *reading)
{
	enum part part = PART_START;
	struct crb_slice line;
	enum crb_status status;
	bool flush;

	reading->out->is_signed = true;
	for (;;) {
		if ((status = read_line(reading, &line, &flush)) != CRB_OK)
			return status;
		if (flush || line.len == 0 || line.p[line.len - 1] != '\n' ||
		    memchr(line.p, '\n', line.len - 1) != NULL ||
		    memchr(line.p, '\0', line.len) != NULL)
			return bad(reading, "a push certificate is broken");
		if (part == PART_END && crb_slice_is(line, "push-cert-end\n"))
			break;
		status = take_signed(reading, &part, chomp(line));
		if (status != CRB_OK)
			return status;
	}
	if ((status = read_line(reading, &line, &flush)) != CRB_OK)
		return status;
	return flush ? CRB_OK : bad(reading, "more behind a push certificate");
}

static bool
is_same(struct crb_slice a, struct crb_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Those that are signed are there already, and have to be these. */
static enum crb_status
take_option(struct reading *reading, struct crb_slice option, size_t at)
{
	struct crb_push_commands *out = reading->out;

	if (!out->is_signed)
		return add_option(reading, option);
	if (at < out->option_count && is_same(option, out->option[at]))
		return CRB_OK;
	return bad(reading, "push options that are not those that are signed");
}

static enum crb_status
read_options(struct reading *reading, size_t *count)
{
	struct crb_slice line;
	enum crb_status status;
	bool flush;

	for (*count = 0;; ++*count) {
		if ((status = read_line(reading, &line, &flush)) != CRB_OK ||
		    flush)
			return status;
		line = chomp(line);
		if (memchr(line.p, '\0', line.len) != NULL ||
		    memchr(line.p, '\n', line.len) != NULL ||
		    !crb_json_is_string(line))
			return bad(reading, "a push option that is not text");
		status = take_option(reading, line, *count);
		if (status != CRB_OK)
			return status;
	}
}

static enum crb_status
read_push(struct reading *reading)
{
	struct crb_slice line, list;
	enum crb_status status;
	size_t options = 0;
	bool flush;

	status = read_shallow(reading, &line, &flush);
	if (status != CRB_OK || flush)
		return status;
	line = chomp(line);
	if (cut_capabilities(&line, &list) &&
	    (status = take_capabilities(reading, list)) != CRB_OK)
		return status;
	status = crb_slice_is(line, "push-cert") ? read_certificate(reading)
						 : read_commands(reading, line);
	if (status == CRB_OK && reading->options)
		status = read_options(reading, &options);
	if (status == CRB_OK && options != reading->out->option_count)
		return bad(reading, "push options are signed that do not come");
	return status;
}

enum crb_status
crb_push_commands_parse(
    struct crb_slice text, struct crb_push_commands *out, struct crb_err *err)
{
	CRB_AUTO_PUSH_COMMANDS struct crb_push_commands commands = {
		.count = 0
	};
	struct reading reading = { .text = text, .out = &commands, .err = err };
	enum crb_status status;

	if ((status = read_push(&reading)) != CRB_OK)
		return status;
	if (reading.at != text.len)
		return bad(&reading, "something follows its end");
	*out = commands;
	commands = (struct crb_push_commands){ .count = 0 };
	return CRB_OK;
}
