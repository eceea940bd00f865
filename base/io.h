#ifndef CRB_IO_H
#define CRB_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* No deadline. */
#define CRB_FOREVER (-1)

/*
 * Whole reads and writes on blocking or non-blocking descriptors; EINTR and
 * short transfers are theirs to handle.  `timeout_ms` bounds the whole call.
 * A file that ends early is CRB_ERR_INVALID.
 */
CRB_NODISCARD enum crb_status crb_io_read(
    int fd, void *bytes, size_t len, int timeout_ms, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_io_write(
    int fd, const void *bytes, size_t len, int timeout_ms, struct crb_err *err);
/* Append all until end of file; over buf->max is CRB_ERR_TOO_LARGE. */
CRB_NODISCARD enum crb_status crb_io_read_all(
    int fd, struct crb_buf *buf, int timeout_ms, struct crb_err *err);

/* Append a regular file's content (O_NOFOLLOW on the last component). */
CRB_NODISCARD enum crb_status crb_io_read_file(
    const char *path, struct crb_buf *buf, struct crb_err *err);
/*
 * Replace a file in one step: temporary file beside it, fsync, rename, fsync
 * of the folder.  After a failure the old file is untouched and the temporary
 * one is gone.
 */
CRB_NODISCARD enum crb_status crb_io_write_file(const char *path,
    const void *bytes, size_t len, mode_t mode, struct crb_err *err);

/* The same, with more to say about it. */
struct crb_io_replacement {
	const void *bytes;
	size_t len;
	mode_t mode;
	gid_t group; /* (gid_t)-1: as it comes */
	bool fresh;  /* CRB_ERR_EXISTS when there is something already */
	/* A last look at `name` in the folder, before it is replaced. */
	enum crb_status (*check)(
	    const void *ctx, int folder, const char *name, struct crb_err *err);
	const void *ctx;
};
CRB_NODISCARD enum crb_status crb_io_replace_file(const char *path,
    const struct crb_io_replacement *replacement, struct crb_err *err);

/*
 * One packet with at most one descriptor, on a SOCK_SEQPACKET or stream
 * socket.  Sending never blocks: CRB_ERR_LIMIT when the socket is full.
 * Receiving sets *len to 0 when nothing waits, *closed when the peer is gone,
 * *fd to -1 or to the caller's descriptor (CLOEXEC); a truncated packet or
 * more than one descriptor is CRB_ERR_INVALID, with all of them closed.  One
 * that came, but for which this process has no room, is CRB_FD_LOST: the packet
 * is good without it, and a process with nothing to spare goes on.
 */
#define CRB_FD_LOST (-2)
CRB_NODISCARD enum crb_status crb_io_send(
    int sock, const void *bytes, size_t len, int fd, struct crb_err *err);
CRB_NODISCARD enum crb_status crb_io_receive(int sock, void *bytes, size_t cap,
    size_t *len, int *fd, int *closed, struct crb_err *err);

#endif /* !CRB_IO_H */
