#include "broker/cli/secret_input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"

#define SECRET_MAX 16384
#define CONTROL_C 3

static enum crb_status
read_line(int tty, struct crb_buf *buf, struct crb_err *err)
{
	char c;
	ssize_t n;

	for (;;) {
		n = read(tty, &c, 1);
		if (n == -1 && errno == EINTR)
			return crb_err_set(err, CRB_ERR_INVALID, "interrupted");
		if (n <= 0 || c == '\n')
			return crb_buf_check(buf, "the secret", err);
		if (c == CONTROL_C)
			return crb_err_set(err, CRB_ERR_INVALID, "interrupted");
		crb_buf_add(buf, &c, 1);
	}
}

/* Echo comes back on every way out but SIGKILL: signals wait meanwhile. */
static enum crb_status
prompt(int tty, const char *what, struct crb_buf *buf, struct crb_err *err)
{
	struct termios saved, quiet;
	sigset_t stop, before;
	enum crb_status status;

	if (tcgetattr(tty, &saved) == -1)
		return crb_err_errno(err, "terminal");
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	quiet.c_lflag |= ICANON;
	quiet.c_cc[VEOL] = CONTROL_C; /* so that it is read at once */
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTSTP);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &stop, &before);
	/* Quiet first: whoever answers the prompt at once is not echoed. */
	(void)tcsetattr(tty, TCSAFLUSH, &quiet);
	(void)dprintf(tty, "%s: ", what);
	status = read_line(tty, buf, err);
	(void)tcsetattr(tty, TCSAFLUSH, &saved);
	(void)dprintf(tty, "\n");
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}

static enum crb_status
from_terminal(int tty, const char *what, bool confirm, struct crb_buf *buf,
    struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf again = CRB_BUF_INIT_WIPED(SECRET_MAX);

	if (prompt(tty, what, buf, err) != CRB_OK)
		return err->status;
	if (!confirm)
		return CRB_OK;
	if (prompt(tty, "Again", &again, err) != CRB_OK)
		return err->status;
	if (again.len != buf->len ||
	    (buf->len > 0 &&
		sodium_memcmp(again.data, buf->data, buf->len) != 0))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "the two are not the same; nothing was changed");
	return CRB_OK;
}

static void
drop_line_end(struct crb_buf *buf)
{
	if (buf->len > 0 && buf->data[buf->len - 1] == '\n')
		buf->len--;
	if (buf->len > 0 && buf->data[buf->len - 1] == '\r')
		buf->len--;
}

static enum crb_status
from_descriptor(int fd, struct crb_buf *buf, struct crb_err *err)
{
	if (crb_io_read_all(fd, buf, CRB_FOREVER, err) != CRB_OK)
		return crb_err_context(err, "reading the secret");
	drop_line_end(buf);
	return CRB_OK;
}

static enum crb_status
gather(const struct crb_secret_source *source, const char *what, bool confirm,
    struct crb_buf *buf, struct crb_err *err)
{
	CRB_AUTO_FD int tty = -1;

	if (source->file != NULL && source->fd != -1)
		return crb_err_set(err, CRB_ERR_USAGE,
		    "a file or a descriptor to read from: one of them");
	if (source->file != NULL) {
		if (crb_io_read_file(source->file, buf, err) != CRB_OK)
			return err->status;
		drop_line_end(buf);
		return CRB_OK;
	}
	if (source->fd != -1)
		return from_descriptor((int)source->fd, buf, err);
	if (isatty(STDIN_FILENO) == 1 &&
	    (tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) != -1)
		return from_terminal(tty, what, confirm, buf, err);
	return from_descriptor(STDIN_FILENO, buf, err);
}

enum crb_status
crb_secret_input(const struct crb_secret_source *source, const char *what,
    bool confirm, struct crb_secret **out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf buf = CRB_BUF_INIT_WIPED(SECRET_MAX);

	if (gather(source, what, confirm, &buf, err) != CRB_OK)
		return err->status;
	if (buf.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: it is empty; nothing was changed", what);
	return crb_secret_take(buf.data, buf.len, out, err);
}
