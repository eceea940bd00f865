#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"

#define READ_PIECE 16384u

/* When a whole call has to be over; at < 0 is never. */
struct deadline {
	int64_t at;
};

static int64_t
now_ms(void)
{
	return crb_clock_ms(CLOCK_MONOTONIC);
}

static struct deadline
deadline_in(int timeout_ms)
{
	return (struct deadline){ timeout_ms < 0 ? -1 : now_ms() + timeout_ms };
}

static enum crb_status
wait_for(int fd, short events, struct deadline deadline, struct crb_err *err)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int64_t left;
	int n;

	do {
		left = deadline.at < 0 ? -1 : deadline.at - now_ms();
		if (deadline.at >= 0 && left < 0)
			left = 0;
		n = poll(&poll_fd, 1, (int)left);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return crb_err_errno(err, "poll");
	if (n == 0)
		return crb_err_set(err, CRB_ERR_TIMEOUT, "timed out");
	return CRB_OK;
}

static bool
is_transient(int error)
{
	return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

/* One read, after waiting; *got is 0 at the end of the file. */
static enum crb_status
read_some(int fd, void *bytes, size_t len, struct deadline deadline,
    size_t *got, struct crb_err *err)
{
	ssize_t n;

	do {
		if (wait_for(fd, POLLIN, deadline, err) != CRB_OK)
			return err->status;
		n = read(fd, bytes, len);
	} while (n == -1 && is_transient(errno));
	if (n == -1)
		return crb_err_errno(err, "read");
	*got = (size_t)n;
	return CRB_OK;
}

enum crb_status
crb_io_read(
    int fd, void *bytes, size_t len, int timeout_ms, struct crb_err *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	size_t done = 0, got;

	while (done < len) {
		if (read_some(fd, (char *)bytes + done, len - done, deadline,
			&got, err) != CRB_OK)
			return err->status;
		if (got == 0)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "ended after %zu of %zu bytes", done, len);
		done += got;
	}
	return CRB_OK;
}

/*
 * On a blocking descriptor poll() promises room for PIPE_BUF bytes of a pipe
 * only, so that more could block for ever.  A socket can be asked not to.
 */
static ssize_t
write_some(int fd, const void *bytes, size_t len, bool bounded)
{
	ssize_t n;

	n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != -1 || errno != ENOTSOCK)
		return n;
	return write(fd, bytes, bounded && len > PIPE_BUF ? PIPE_BUF : len);
}

enum crb_status
crb_io_write(
    int fd, const void *bytes, size_t len, int timeout_ms, struct crb_err *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		if (wait_for(fd, POLLOUT, deadline, err) != CRB_OK)
			return err->status;
		n = write_some(fd, (const char *)bytes + done, len - done,
		    timeout_ms >= 0);
		if (n == -1 && !is_transient(errno))
			return crb_err_errno(err, "write");
		done += n > 0 ? (size_t)n : 0;
	}
	return CRB_OK;
}

/* The buffer is full: is there anything left? */
static enum crb_status
expect_end(int fd, size_t max, struct deadline deadline, struct crb_err *err)
{
	char more;
	CRB_AUTO_WIPE const struct crb_wipe wipe = { &more, sizeof(more) };
	size_t got;

	if (read_some(fd, &more, sizeof(more), deadline, &got, err) != CRB_OK)
		return err->status;
	if (got > 0)
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "more than %zu bytes", max);
	return CRB_OK;
}

enum crb_status
crb_io_read_all(
    int fd, struct crb_buf *buf, int timeout_ms, struct crb_err *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	size_t left, got;
	char *room;

	for (;;) {
		left = buf->max - buf->len;
		left = left < READ_PIECE ? left : READ_PIECE;
		if (left == 0)
			return expect_end(fd, buf->max, deadline, err);
		if ((room = crb_buf_room(buf, left)) == NULL)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
		if (read_some(fd, room, left, deadline, &got, err) != CRB_OK)
			return err->status;
		if (got == 0)
			return CRB_OK;
		crb_buf_grew(buf, got);
	}
}

/* What opening a path came to, when it failed. */
static enum crb_status
open_error(const char *path, struct crb_err *err)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return crb_err_set(
		    err, CRB_ERR_NOT_FOUND, "%s: no such file", path);
	if (errno == ELOOP)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "%s: a symbolic link, which is not followed", path);
	return crb_err_errno(err, "%s", path);
}

enum crb_status
crb_io_read_file(const char *path, struct crb_buf *buf, struct crb_err *err)
{
	CRB_AUTO_FD int fd = -1;
	struct stat st;

	/* O_NONBLOCK, or a named pipe would hold us before we can tell. */
	if ((fd = open(path,
		 O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)) ==
	    -1)
		return open_error(path, err);
	if (fstat(fd, &st) != 0)
		return crb_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "%s: not a regular file", path);
	if (crb_io_read_all(fd, buf, CRB_FOREVER, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

/* A file beside the one to replace; removed unless it took its place. */
struct draft {
	int folder;
	char name[NAME_MAX + 1]; /* empty once there is nothing left */
};

static void
draft_discard(const struct draft *draft)
{
	if (draft->name[0] != '\0')
		(void)unlinkat(draft->folder, draft->name, 0);
}

static int
open_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;

	if (len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(folder, path, len);
	folder[len] = '\0';
	if (slash == NULL)
		memcpy(folder, ".", sizeof("."));
	else if (len == 0)
		memcpy(folder, "/", sizeof("/"));
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum crb_status
draft_write(struct draft *draft, const struct crb_io_replacement *how,
    struct crb_err *err)
{
	char suffix[13], name[sizeof(draft->name)];
	CRB_AUTO_FD int fd = -1;

	crb_text_random(suffix, sizeof(suffix) - 1);
	(void)snprintf(name, sizeof(name), ".crb-%s.tmp", suffix);
	if ((fd = openat(draft->folder, name,
		 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) ==
	    -1)
		return crb_err_errno(err, "a temporary file beside it");
	memcpy(draft->name, name, sizeof(name));
	if (crb_io_write(fd, how->bytes, how->len, CRB_FOREVER, err) != CRB_OK)
		return err->status;
	/* The umask does not decide, and fsync() before rename() does. */
	if ((how->group != (gid_t)-1 &&
		fchown(fd, (uid_t)-1, how->group) != 0) ||
	    fchmod(fd, how->mode) != 0 || fsync(fd) != 0)
		return crb_err_errno(err, "writing to disk");
	return CRB_OK;
}

/* What is fresh is linked, for a link never takes a place that is taken. */
static enum crb_status
draft_place(
    struct draft *draft, const char *name, bool fresh, struct crb_err *err)
{
	int done = fresh
	    ? linkat(draft->folder, draft->name, draft->folder, name, 0)
	    : renameat(draft->folder, draft->name, draft->folder, name);

	if (done != 0 && fresh && errno == EEXIST)
		return crb_err_set(
		    err, CRB_ERR_EXISTS, "exists already; nothing was changed");
	if (done != 0)
		return crb_err_errno(err, fresh ? "link" : "rename");
	if (fresh)
		draft_discard(draft);
	draft->name[0] = '\0';
	return CRB_OK;
}

static enum crb_status
replace(int folder, const char *name, const struct crb_io_replacement *how,
    struct crb_err *err)
{
	__attribute__((
	    cleanup(draft_discard))) struct draft draft = { .folder = folder };

	if (draft_write(&draft, how, err) != CRB_OK ||
	    (how->check != NULL &&
		how->check(how->ctx, folder, name, err) != CRB_OK) ||
	    draft_place(&draft, name, how->fresh, err) != CRB_OK)
		return err->status;
	if (fsync(folder) != 0)
		return crb_err_errno(err, "writing the folder to disk");
	return CRB_OK;
}

enum crb_status
crb_io_replace_file(const char *path,
    const struct crb_io_replacement *replacement, struct crb_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	CRB_AUTO_FD int folder = -1;

	if (name[0] == '\0')
		return crb_err_set(
		    err, CRB_ERR_INVALID, "%s: not a file", path);
	if ((folder = open_folder_of(path)) == -1)
		return open_error(path, err);
	if (replace(folder, name, replacement, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

enum crb_status
crb_io_write_file(const char *path, const void *bytes, size_t len, mode_t mode,
    struct crb_err *err)
{
	const struct crb_io_replacement replacement = {
		.bytes = bytes, .len = len, .mode = mode, .group = (gid_t)-1
	};

	return crb_io_replace_file(path, &replacement, err);
}

static enum crb_status
send_error(struct crb_err *err)
{
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
	case ETOOMANYREFS:
		return crb_err_set(err, CRB_ERR_LIMIT, "the socket is full");
	case EMSGSIZE:
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "too large for the socket");
	default:
		return crb_err_errno(err, "send");
	}
}

enum crb_status
crb_io_send(
    int sock, const void *bytes, size_t len, int fd, struct crb_err *err)
{
	/* sendmsg() only reads them. */
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (len == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "an empty packet");
	if (fd != -1) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return send_error(err);
	if ((size_t)n != len)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "the socket took a part of a packet");
	return CRB_OK;
}

#define FDS_MAX 8u /* the kernel closes what does not fit */

struct received {
	size_t count;
	int fd[FDS_MAX];
};

static void
received_close(struct received *received)
{
	for (size_t i = 0; i < received->count; i++)
		(void)close(received->fd[i]);
	received->count = 0;
}

static void
received_gather(struct msghdr *msg, struct received *out)
{
	struct cmsghdr *cmsg;
	size_t count;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (count > FDS_MAX - out->count)
			count = FDS_MAX - out->count;
		memcpy(
		    out->fd + out->count, CMSG_DATA(cmsg), count * sizeof(int));
		out->count += count;
	}
}

/*
 * A peer that closed with something unread resets the connection, which is
 * said once; what it had sent before can be read afterwards.
 */
static ssize_t
receive_packet(int sock, struct msghdr *msg)
{
	bool reset = false;
	ssize_t n;

	for (;;) {
		n = recvmsg(sock, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n != -1 || (errno != EINTR && errno != ECONNRESET))
			return n;
		if (errno == ECONNRESET && reset)
			return n;
		reset |= errno == ECONNRESET;
	}
}

enum crb_status
crb_io_receive(int sock, void *bytes, size_t cap, size_t *len, int *fd,
    int *closed, struct crb_err *err)
{
	struct iovec iov = { bytes, cap };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	__attribute__((
	    cleanup(received_close))) struct received received = { 0 };
	ssize_t n;

	*len = 0;
	*fd = -1;
	*closed = 0;
	n = receive_packet(sock, &msg);
	if (n == -1 && errno == EAGAIN)
		return CRB_OK;
	if (n == -1 && errno != ECONNRESET)
		return crb_err_errno(err, "receive");
	*closed = n <= 0;
	if (n <= 0)
		return CRB_OK;

	received_gather(&msg, &received);
	if ((msg.msg_flags & MSG_TRUNC) != 0 || received.count > 1 ||
	    ((msg.msg_flags & MSG_CTRUNC) != 0 && received.count > 0))
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a packet that is too large, or with descriptors too many");
	if ((msg.msg_flags & MSG_CTRUNC) != 0)
		*fd = CRB_FD_LOST;
	if (received.count == 1) {
		*fd = received.fd[0];
		received.count = 0;
	}
	*len = (size_t)n;
	return CRB_OK;
}
