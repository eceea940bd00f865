#include "broker/gateway/git_reply.h"

#include <string.h>

#include "base/text.h"

/* A report fits in one line of a side band: so many bytes of it are made. */
#define REPORT_MAX (CRB_PKTLINE_MAX - 512)

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

/* Room for one more "ng" line is checked, so that the report always ends. */
static void
add_refs(const struct crb_git_commands *commands, const char *reason,
    struct crb_buf *report)
{
	const struct crb_buf *refs = &commands->refs;
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_PKTLINE_MAX);
	const char *name = refs->data;

	for (; name != NULL && name < refs->data + refs->len;
	     name += strlen(name) + 1) {
		crb_buf_reset(&line);
		crb_buf_printf(&line, "ng %s %s\n", name, reason);
		if (line.failed || report->len + line.len + 8 > REPORT_MAX)
			return;
		crb_pktline_add(report, CRB_BAND_NONE, line.data, line.len);
	}
}

static void
add_report(const struct crb_git_commands *commands, const char *reason,
    struct crb_buf *report)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(CRB_PKTLINE_MAX);

	crb_buf_printf(&line, "unpack %s\n", reason);
	crb_pktline_add(report, CRB_BAND_NONE, crb_buf_text(&line), line.len);
	add_refs(commands, reason, report);
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

static void
add_push(const struct crb_refusal *refusal,
    const struct crb_git_commands *commands, struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf reason = CRB_BUF_INIT(4096);
	CRB_AUTO_BUF struct crb_buf report = CRB_BUF_INIT(CRB_PKTLINE_MAX);

	crb_problem_line(refusal, &reason);
	add_report(commands, crb_buf_text(&reason), &report);
	if (!commands->side_band) {
		crb_buf_add(out, crb_buf_text(&report), report.len);
		return;
	}
	add_progress(refusal, out);
	crb_pktline_add(out, CRB_BAND_DATA, crb_buf_text(&report), report.len);
	crb_pktline_flush(out);
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
    struct crb_buf *out)
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
		add_push(refusal, commands, out);
	else
		return plain(refusal, out);
	return push_reply;
}
