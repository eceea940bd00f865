#include "broker/bus/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/slab.h"

/*
 * The kernel doubles this, and an ordinary user may ask for no more: seven
 * 64 KiB packets fit, with which both ends are kept at work (measured: 7.8
 * GB/s; half of it gives 4.2, five times as much 10).
 */
#define SOCKET_BYTES 212992
#define BODY_HEAD 6u /* type and length */

_Static_assert(BODY_HEAD + CRB_BODY_MAX <= CRB_STREAM_PACKET_MAX, "body");
_Static_assert(CRB_HEADERS_MAX + CRB_WHOLE_MAX + 64 <= CRB_STREAM_PACKET_MAX,
    "headers and a short body");

/* Of a message that is none of a stream's, either way is wrong. */
static bool
is_request(enum crb_msg_type type)
{
	return type == CRB_MSG_REQUEST_HEAD || type == CRB_MSG_REQUEST_BODY ||
	    type == CRB_MSG_REQUEST_END || type == CRB_MSG_REQUEST_WHOLE;
}

static enum crb_status
check(enum crb_msg_type type, struct crb_err *err)
{
	bool request = is_request(type);

	return crb_msg_check(type, request ? CRB_ROLE_GATEWAY : CRB_ROLE_EGRESS,
	    request ? CRB_ROLE_EGRESS : CRB_ROLE_GATEWAY, false, err);
}

enum crb_status
crb_stream_send(
    int fd, enum crb_msg_type type, const void *msg, struct crb_err *err)
{
	CRB_AUTO_SLAB uint8_t *packet = NULL;
	size_t size, len;

	if (check(type, err) != CRB_OK)
		return err->status;
	size = crb_msg_size(type, msg);
	if ((packet = crb_slab_alloc(size)) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "a message");
	if (crb_msg_encode(type, msg, packet, size, &len, err) != CRB_OK)
		return err->status;
	return crb_io_send(fd, packet, len, -1, err);
}

static enum crb_status
send_parts(int fd, struct iovec *parts, size_t count, struct crb_err *err)
{
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = count };
	ssize_t n;

	do {
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	if (n == -1 && (errno == EAGAIN || errno == ENOBUFS))
		return crb_err_set(err, CRB_ERR_LIMIT, "the stream is full");
	if (n == -1)
		return crb_err_errno(err, "stream");
	return CRB_OK;
}

enum crb_status
crb_stream_send_body(int fd, enum crb_msg_type type, const void *data,
    size_t len, struct crb_err *err)
{
	uint8_t head[BODY_HEAD] = { (uint8_t)type, (uint8_t)(type >> 8),
		(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
		(uint8_t)(len >> 24) };
	/* sendmsg() only reads them. */
	struct iovec parts[] = {
		{ head, sizeof(head) },
		{ (void *)(uintptr_t)data, len },
	};

	if (type != CRB_MSG_REQUEST_BODY && type != CRB_MSG_RESPONSE_BODY)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "message %s: not a body", crb_msg_name(type));
	if (len > CRB_BODY_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "message %s: data has %zu bytes, of %u at most",
		    crb_msg_name(type), len, CRB_BODY_MAX);
	return send_parts(fd, parts, 2, err);
}

enum crb_status
crb_stream_receive(int fd, enum crb_role from, enum crb_role to,
    uint8_t *packet, struct crb_msg *out, bool *closed, struct crb_err *err)
{
	CRB_AUTO_FD int came = -1;
	int gone;
	size_t len;

	if (crb_io_receive(fd, packet, CRB_STREAM_PACKET_MAX, &len, &came,
		&gone, err) != CRB_OK)
		return crb_err_context(err, "stream");
	*closed = gone != 0;
	if (len == 0) {
		*out = (struct crb_msg){ .type = CRB_MSG_NONE_, .fd = -1 };
		return CRB_OK;
	}
	/* No message of a stream has a descriptor: one that came is closed. */
	if (crb_msg_decode(packet, len, came, from, to, out, err) != CRB_OK)
		return crb_err_context(err, "stream");
	return CRB_OK;
}

enum crb_status
crb_stream_pair(int pair[2], struct crb_err *err)
{
	int fds[2], size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) != 0)
		return crb_err_errno(err, "a stream");
	for (unsigned i = 0; i < 2; i++)
		(void)setsockopt(
		    fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pair[0] = fds[0];
	pair[1] = fds[1];
	return CRB_OK;
}
