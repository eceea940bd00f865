#include "broker/core/proof.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* Since Linux 6.16; the header is older. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Room for what is asked for; the kernel keeps what is beyond, and says so. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(CRB_NAMESPACES * sizeof(int))];
};
_Static_assert(CMSG_SPACE(CRB_NAMESPACES * sizeof(int)) <
	CMSG_LEN((CRB_NAMESPACES + 1) * sizeof(int)),
    "no room for one descriptor more");

/* Whether it is one record of two descriptors; `junk` has what there is. */
static bool
read_control(struct msghdr *msg, int junk[CRB_NAMESPACES])
{
	struct cmsghdr *at = CMSG_FIRSTHDR(msg);
	size_t count;

	if (at == NULL || at->cmsg_level != SOL_SOCKET ||
	    at->cmsg_type != SCM_RIGHTS || at->cmsg_len < CMSG_LEN(0))
		return false;
	count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (count > CRB_NAMESPACES)
		count = CRB_NAMESPACES;
	memcpy(junk, CMSG_DATA(at), count * sizeof(int));
	return count == CRB_NAMESPACES && (msg->msg_flags & MSG_CTRUNC) == 0 &&
	    CMSG_NXTHDR(msg, at) == NULL;
}

static enum crb_proof
fail(struct crb_err *why)
{
	(void)crb_err_set(why, CRB_ERR_OUTSIDE,
	    "the client did not show that it is on the broker's host. " CRB_OUTSIDE_HINT);
	return CRB_PROOF_FAILED;
}

/*
 * Looking sees further than taking does: what it saw may belong to a byte
 * behind the first.  Then crb_proof_read() finds it there, too late.
 *
 * The descriptors are of namespaces, so closing is at once.  From here on the
 * kernel refuses more of them where it can; elsewhere crb_proof_read() does.
 */
static enum crb_proof
accept_proof(int sock, char *first, const int fd[CRB_NAMESPACES])
{
	const int off = 0;

	for (unsigned i = 0; i < CRB_NAMESPACES; i++)
		(void)close(fd[i]);
	(void)setsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	if (recv(sock, first, 1, MSG_DONTWAIT) != 1)
		return CRB_PROOF_GONE;
	return CRB_PROOF_GIVEN;
}

enum crb_proof
crb_proof_take(int sock, const struct crb_host *host, char *first,
    int junk[CRB_NAMESPACES], struct crb_err *why)
{
	union control control = { 0 };
	struct iovec byte = { .iov_base = first, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t got;

	for (unsigned i = 0; i < CRB_NAMESPACES; i++)
		junk[i] = -1;
	got = recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
		    ? CRB_PROOF_WAIT
		    : CRB_PROOF_GONE;
	if (got == 0)
		return CRB_PROOF_GONE;
	if (!read_control(&msg, junk))
		return fail(why);
	if (crb_host_check(host, junk, why) != CRB_OK)
		return CRB_PROOF_FAILED;
	return accept_proof(sock, first, junk);
}

ssize_t
crb_proof_read(int sock, char *bytes, size_t size)
{
	struct iovec all = { .iov_base = bytes, .iov_len = size };
	struct msghdr msg = { .msg_iov = &all, .msg_iovlen = 1 };
	ssize_t got = recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT);

	if (got <= 0)
		return got;
	/* There is no room for descriptors, so there were some. */
	if ((msg.msg_flags & MSG_CTRUNC) != 0) {
		errno = EBADMSG;
		return -1;
	}
	return recv(sock, bytes, (size_t)got, MSG_DONTWAIT);
}
