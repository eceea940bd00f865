#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "base/units.h"

#define STAT_MAX 4096u
#define STATUS_MAX 65536u
#define STAT_START 22u /* the field's number, from 1 */

/* Or the next file that is opened would become standard error. */
static enum crb_status
open_standard(struct crb_err *err)
{
	int fd;

	for (int i = 0; i <= STDERR_FILENO; i++) {
		if (fcntl(i, F_GETFD) != -1)
			continue;
		if ((fd = open("/dev/null", O_RDWR)) != i) {
			(void)crb_err_errno(err, "/dev/null");
			crb_fd_cleanup(&fd);
			return err->status;
		}
	}
	return CRB_OK;
}

enum crb_status
crb_process_harden(int last_fd, struct crb_err *err)
{
	const struct rlimit none = { 0, 0 };
	unsigned above = (unsigned)(last_fd > 2 ? last_fd : 2) + 1;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return crb_err_errno(err, "forbidding dumps");
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return crb_err_errno(err, "forbidding core files");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return crb_err_errno(err, "giving up new privileges");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return crb_err_errno(err, "ignoring SIGPIPE");
	(void)umask(077);
	if (open_standard(err) != CRB_OK)
		return err->status;
	if (close_range(above, ~0u, 0) != 0)
		return crb_err_errno(err, "closing descriptors");
	return CRB_OK;
}

static enum crb_status
read_boot(char boot[37], struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(64);

	if (crb_io_read_file("/proc/sys/kernel/random/boot_id", &text, err) !=
	    CRB_OK)
		return err->status;
	if (text.len < 36)
		return crb_err_set(err, CRB_ERR_SYSTEM, "no boot id");
	memcpy(boot, text.data, 36);
	boot[36] = '\0';
	return CRB_OK;
}

static enum crb_status
no_process(pid_t pid, struct crb_err *err)
{
	return crb_err_set(
	    err, CRB_ERR_NOT_FOUND, "no process has pid %lld", (long long)pid);
}

static enum crb_status
read_stat(pid_t pid, struct crb_buf *text, struct crb_err *err)
{
	char path[64];
	CRB_AUTO_FD int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	if (pid <= 0 ||
	    ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 && errno == ENOENT))
		return no_process(pid, err);
	if (fd == -1)
		return crb_err_errno(err, "%s", path);
	/* It may end between open() and read(), which then says ESRCH. */
	if (crb_io_read_all(fd, text, CRB_FOREVER, err) != CRB_OK)
		return errno == ESRCH ? no_process(pid, err) : err->status;
	return CRB_OK;
}

/* A command's name may hold spaces and ')', so the last ')' counts. */
static enum crb_status
parse_stat(
    const struct crb_buf *text, pid_t pid, uint64_t *start, struct crb_err *err)
{
	const char *name_end = strrchr(crb_buf_text(text), ')');
	struct crb_slice rest, field = { NULL, 0 };

	if (name_end == NULL || name_end[1] != ' ')
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "/proc/%lld/stat", (long long)pid);
	rest = CRB_SLICE(name_end + 2);
	for (unsigned number = 3; number <= STAT_START; number++) {
		if (!crb_slice_cut(&rest, ' ', &field))
			return crb_err_set(err, CRB_ERR_SYSTEM,
			    "/proc/%lld/stat is short", (long long)pid);
		if (number == 3 &&
		    (crb_slice_is(field, "Z") || crb_slice_is(field, "X")))
			return no_process(pid, err);
	}
	return crb_number_parse(field.p, field.len, UINT64_MAX, start, err);
}

enum crb_status
crb_process_identify(pid_t pid, struct crb_process_id *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(STAT_MAX);
	struct crb_process_id id = { .pid = pid };

	if (read_stat(pid, &text, err) != CRB_OK ||
	    parse_stat(&text, pid, &id.start, err) != CRB_OK ||
	    read_boot(id.boot, err) != CRB_OK)
		return err->status;
	*out = id;
	return CRB_OK;
}

static enum crb_status
read_status(pid_t pid, struct crb_buf *text, struct crb_err *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%lld/status", (long long)pid);
	CRB_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pid <= 0 || (fd == -1 && errno == ENOENT))
		return no_process(pid, err);
	if (fd == -1)
		return crb_err_errno(err, "%s", path);
	if (crb_io_read_all(fd, text, CRB_FOREVER, err) != CRB_OK)
		return errno == ESRCH ? no_process(pid, err) : err->status;
	return CRB_OK;
}

/* "Uid:\t1000\t1000\t1000\t1000": what follows `name`. */
static bool
find_line(const struct crb_buf *text, const char *name, struct crb_slice *line)
{
	struct crb_slice rest = { text->data, text->len };

	while (rest.p != NULL && crb_slice_cut(&rest, '\n', line)) {
		if (!crb_slice_starts(*line, name))
			continue;
		line->p += strlen(name);
		line->len -= strlen(name);
		return true;
	}
	return false;
}

enum crb_status
crb_process_user(pid_t pid, uid_t *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(STATUS_MAX);
	struct crb_slice line, field;
	uint64_t uid;

	if (read_status(pid, &text, err) != CRB_OK)
		return err->status;
	if (!find_line(&text, "Uid:\t", &line) ||
	    !crb_slice_cut(&line, '\t', &field))
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "/proc/%lld/status has no Uid", (long long)pid);
	if (crb_number_parse(field.p, field.len, UINT32_MAX, &uid, err) !=
	    CRB_OK)
		return err->status;
	*out = (uid_t)uid;
	return CRB_OK;
}

enum crb_status
crb_process_depth(pid_t pid, unsigned *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(STATUS_MAX);
	struct crb_slice line, field;
	unsigned depth = 0;

	if (read_status(pid, &text, err) != CRB_OK)
		return err->status;
	if (!find_line(&text, "NSpid:\t", &line))
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "/proc/%lld/status has no NSpid", (long long)pid);
	while (crb_slice_cut(&line, '\t', &field))
		depth++;
	*out = depth;
	return CRB_OK;
}

bool
crb_process_lives(const struct crb_process_id *id)
{
	struct crb_process_id now;
	struct crb_err err;

	return crb_process_identify((pid_t)id->pid, &now, &err) == CRB_OK &&
	    now.start == id->start && strcmp(now.boot, id->boot) == 0;
}

void
crb_process_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int64_t
crb_clock_ms(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
crb_wall_seconds(void)
{
	return crb_clock_ms(CLOCK_REALTIME) / 1000;
}
