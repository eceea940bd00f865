#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/process.h"
#include "base/text.h"

#define LINE_MAX_LEN 4096u
#define TEXT_MOST 256u

static const struct {
	const char *name;
	bool is_text;
} keys[] = {
	[CRB_LOG_SESSION] = { "session", true },
	[CRB_LOG_TASK] = { "task", true },
	[CRB_LOG_CREDENTIAL] = { "credential", true },
	[CRB_LOG_PROCESS] = { "process", true },
	[CRB_LOG_PATH] = { "path", true },
	[CRB_LOG_REASON] = { "reason", true },
	[CRB_LOG_CODE] = { "code", true },
	[CRB_LOG_HOST] = { "host", true },
	[CRB_LOG_PID] = { "pid", false },
	[CRB_LOG_UID] = { "uid", false },
	[CRB_LOG_COUNT] = { "count", false },
	[CRB_LOG_STATUS] = { "status", false },
	[CRB_LOG_SIGNAL] = { "signal", false },
	[CRB_LOG_MILLISECONDS] = { "ms", false },
	[CRB_LOG_BYTES] = { "bytes", false },
	[CRB_LOG_SESSIONS] = { "sessions", false },
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* One log a process, as there is one standard error. */
static struct {
	const char *process;
	enum crb_log_level least;
} state = { "credbroker", CRB_LOG_INFO };

void
crb_log_open(const char *process, enum crb_log_level least)
{
	state.process = process;
	state.least = least;
}

static const char *
level_name(enum crb_log_level level)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	return (unsigned)level <= CRB_LOG_ERROR ? names[level] : "error";
}

/* In quotes when it has anything but these, so that a line reads one way. */
static bool
is_plain(const char *text)
{
	return text[0] != '\0' &&
	    text[strspn(text,
		"abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-:/@+")] == '\0';
}

static void
add_text(struct crb_buf *line, const char *text)
{
	size_t len = strlen(text);
	bool cut = len > TEXT_MOST;
	struct crb_slice rest = { text, cut ? TEXT_MOST : len }, piece;

	if (is_plain(text) && !cut) {
		crb_buf_str(line, text);
		return;
	}
	crb_buf_char(line, '"');
	for (bool first = true; crb_slice_cut(&rest, '"', &piece);
	     first = false) {
		if (!first)
			crb_buf_str(line, "\\x22");
		crb_text_escape(line, piece.p, piece.len, piece.len);
	}
	crb_buf_str(line, cut ? "...\"" : "\"");
}

static void
add_pairs(struct crb_buf *line, va_list ap)
{
	const char *text;
	int key;

	while ((key = va_arg(ap, int)) > CRB_LOG_END && key < (int)KEYS) {
		crb_buf_printf(line, " %s=", keys[key].name);
		if (!keys[key].is_text) {
			crb_buf_printf(
			    line, "%lld", (long long)va_arg(ap, int64_t));
			continue;
		}
		text = va_arg(ap, const char *);
		add_text(line, text != NULL ? text : "");
	}
}

void
crb_log(enum crb_log_level level, const char *event, ...)
{
	CRB_AUTO_BUF struct crb_buf line = CRB_BUF_INIT(LINE_MAX_LEN);
	char now[CRB_TIME_TEXT];
	int saved = errno;
	va_list ap;

	if (level < state.least)
		return;
	crb_text_time((long long)crb_wall_seconds(), now);
	crb_buf_printf(
	    &line, "%s %s %s ", now, level_name(level), state.process);
	crb_text_escape(&line, event, strlen(event), TEXT_MOST);
	va_start(ap, event);
	add_pairs(&line, ap);
	va_end(ap);

	/* Too many pairs: the line ends where there was no more room. */
	line.failed = false;
	line.max++;
	crb_buf_char(&line, '\n');
	/* One write, so that lines of several processes do not mix. */
	if (line.len > 0 && write(STDERR_FILENO, line.data, line.len) == -1)
		errno = saved; /* there is nowhere to say so */
	errno = saved;
}
