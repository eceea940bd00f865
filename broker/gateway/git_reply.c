#include "broker/gateway/git_reply.h"

#include <string.h>

#include "base/text.h"

/* Room for the names that are kept, each with some words. */
#define REPORT_MAX (192u << 10)
/* Of it, in one line of a side band: with the line's head and the band. */
#define BAND_MAX (CRB_PKTLINE_MAX - 5)

static const struct crb_git_reply fetch_reply = { 200,
	"application/x-git-upload-pack-result" };
static const struct crb_git_reply push_reply = { 200,
	"application/x-git-receive-pack-result" };

/* The target behind the last of these, before the query. */
static const struct {
	const char *method;
	const char *suffix;
	enum crb_git_operation operation;
} shapes[] = {
	{ "GET", "/info/refs", CRB_GIT_DISCOVER_FETCH },
	{ "POST", "/git-upload-pack", CRB_GIT_FETCH },
	{ "POST", "/git-receive-pack", CRB_GIT_PUSH },
};

enum crb_git_operation
crb_git_operation_of(const char *method, const char *target)
{
	struct crb_slice path = { target, strcspn(target, "?") };

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(method, shapes[i].method) == 0 &&
		    crb_slice_ends(path, shapes[i].suffix))
			return shapes[i].operation;
	}
	return CRB_GIT_NONE;
}

/* Why each ref is not pushed. */
struct reasons {
	const char *all;         /* of every one; or */
	const char *refs, *next; /* lines, and the one behind the last found */
};

/* The line of this ref between `from` and `to`; NULL when there is none. */
static const char *
find_line(const char *from, const char *to, const char *name)
{
	size_t len = strlen(name);
	const char *line = from, *end;

	for (; line < to; line = *end != '\0' ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		if ((size_t)(end - line) > len && line[len] == ' ' &&
		    memcmp(line, name, len) == 0)
			return line;
	}
	return NULL;
}

/* They mostly stand there in the order of the commands. */
static struct crb_slice
reason_of(struct reasons *reasons, const char *name)
{
	const char *line;
	size_t skip = strlen(name) + 1;

	if (reasons->refs == NULL)
		return CRB_SLICE(reasons->all);
	line = find_line(
	    reasons->next, reasons->next + strlen(reasons->next), name);
	if (line == NULL)
		line = find_line(reasons->refs, reasons->next, name);
	if (line == NULL)
		return CRB_SLICE("not pushed: another ref was refused");
	line += skip;
	reasons->next = line + strcspn(line, "\n");
	if (*reasons->next != '\0')
		reasons->next++;
	return (struct crb_slice){ line, strcspn(line, "\n") };
}

/* Nothing in it ends the line, or moves a terminal's cursor. */
static void
add_text(struct crb_buf *out, struct crb_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		crb_buf_char(out, c < 0x20 || c == 0x7f ? '?' : text.p[i]);
	}
}

/* Room for one more "ng" line is checked, so that the report always ends. */
static void
add_refs(const struct crb_git_commands *commands, struct reasons *reasons,
    struct crb_buf *report)
{
	const struct crb_buf *refs = &commands->refs;
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_PKTLINE_MAX);
	const char *name = refs->data;

	for (; name != NULL && name < refs->data + refs->len;
	     name += strlen(name) + 1) {
		crb_buf_reset(&line);
		crb_buf_printf(&line, "ng %s ", name);
		add_text(&line, reason_of(reasons, name));
		crb_buf_char(&line, '\n');
		if (line.failed || report->len + line.len + 8 > REPORT_MAX)
			return;
		crb_pktline_add(report, CRB_BAND_NONE, line.data, line.len);
	}
}

/*
 * "unpack ok" although nothing came to be unpacked: a reason there would be
 * shown besides those of the refs, with the same words.
 */
static void
add_report(const struct crb_git_commands *commands, struct reasons *reasons,
    struct crb_buf *report)
{
	static const char ok[] = "unpack ok\n";

	crb_pktline_add(report, CRB_BAND_NONE, ok, sizeof(ok) - 1);
	add_refs(commands, reasons, report);
	crb_pktline_flush(report);
}

/* What people read, a line each, in the progress band. */
static void
add_progress(const struct crb_refusal *refusal, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(4096);

	crb_problem_text(refusal, &text);
	crb_pktline_add(out, CRB_BAND_PROGRESS, crb_buf_text(&text), text.len);
}

/* The other end puts the lines together again. */
static void
add_banded(const struct crb_buf *report, struct crb_buf *out)
{
	size_t len;

	for (size_t at = 0; at < report->len; at += len) {
		len = report->len - at < BAND_MAX ? report->len - at : BAND_MAX;
		crb_pktline_add(out, CRB_BAND_DATA, report->data + at, len);
	}
	crb_pktline_flush(out);
}

static void
add_push(const struct crb_refusal *refusal,
    const struct crb_git_commands *commands, const char *refs,
    struct crb_buf *out)
{
	struct reasons reasons = { .refs = refs, .next = refs };
	CRB_AUTO_BUF struct crb_buf reason = CRB_BUF_INIT(4096);
	CRB_AUTO_BUF struct crb_buf report = CRB_BUF_INIT(REPORT_MAX);

	if (commands->side_band)
		crb_buf_printf(&reason, "credbroker: %s, as said above",
		    refusal->title[0] != '\0' ? refusal->title : "refused");
	else
		crb_problem_line(refusal, &reason);
	reasons.all = crb_buf_text(&reason);
	add_report(commands, &reasons, &report);
	if (!commands->side_band) {
		crb_buf_add(out, crb_buf_text(&report), report.len);
		return;
	}
	add_progress(refusal, out);
	add_banded(&report, out);
}

static void
add_fetch(const struct crb_refusal *refusal, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(4096);

	crb_buf_str(&line, "ERR ");
	crb_problem_line(refusal, &line);
	crb_buf_char(&line, '\n');
	crb_pktline_add(out, CRB_BAND_NONE, crb_buf_text(&line), line.len);
}

static struct crb_git_reply
plain(const struct crb_refusal *refusal, struct crb_buf *out)
{
	struct crb_git_reply reply = { refusal->status,
		"text/plain; charset=utf-8" };

	if (reply.status == 401)
		reply.status = 403;
	crb_problem_text(refusal, out);
	return reply;
}

struct crb_git_reply
crb_git_reply(const struct crb_refusal *refusal,
    enum crb_git_operation operation, const struct crb_git_commands *commands,
    const char *refs, struct crb_buf *out)
{
	if (operation == CRB_GIT_FETCH) {
		add_fetch(refusal, out);
		return fetch_reply;
	}
	if (operation != CRB_GIT_PUSH || commands == NULL ||
	    commands->state != CRB_GIT_COMMANDS_DONE)
		return plain(refusal, out);
	/* git asks once with an empty list, and reads no answer to it. */
	if (commands->count == 0)
		crb_pktline_flush(out);
	else if (commands->report_status)
		add_push(refusal, commands, refs, out);
	else
		return plain(refusal, out);
	return push_reply;
}
