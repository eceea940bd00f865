#include "broker/supervisor/listen.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"

/* Since Linux 6.16; the header is older. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* A name that is gone unless it became the socket's. */
struct draft {
	int dir;
	const char *name;
};

static void
draft_discard(const struct draft *draft)
{
	if (draft->name != NULL)
		(void)unlinkat(draft->dir, draft->name, 0);
}

/*
 * The name is born with its mode: whoever can write in the folder all the same
 * (a container with the owner's uid) could put a link in its place before it
 * were changed.
 */
static int
bind_with(int sock, const struct sockaddr_un *address, mode_t mode)
{
	mode_t before;
	int result;

	if (fchmod(sock, mode) != 0)
		return -1;
	before = umask(0);
	result = bind(sock, (const struct sockaddr *)address, sizeof(*address));
	(void)umask(before);
	return result;
}

/* By way of /proc, since sun_path is shorter than paths are. */
static enum crb_status
bind_at(int sock, int dir, const char *name, mode_t mode, struct crb_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path),
	    "/proc/self/fd/%d/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return crb_err_set(
		    err, CRB_ERR_TOO_LARGE, "%s: too long for a socket", name);
	if (bind_with(sock, &address, mode) != 0)
		return crb_err_errno(err, "%s: bind", name);
	return CRB_OK;
}

enum crb_status
crb_listen(int dir, const char *name, const struct crb_listen *how, int *out,
    struct crb_err *err)
{
	CRB_AUTO_FD int sock = -1;
	__attribute__((cleanup(draft_discard))) struct draft draft = { dir,
		NULL };
	char new[64];

	(void)snprintf(new, sizeof(new), "%s" CRB_LISTEN_NEW, name);
	(void)unlinkat(dir, new, 0);
	if ((sock = socket(
		 AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return crb_err_errno(err, "%s: socket", name);
	if (bind_at(sock, dir, new, how->mode, err) != CRB_OK)
		return err->status;
	draft.name = new;
	if (how->owner != CRB_OWNER_SELF &&
	    fchownat(dir, new, how->owner, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0)
		return crb_err_errno(err, "%s: giving it to its owner", name);
	if (!how->descriptors)
		(void)setsockopt(
		    sock, SOL_SOCKET, SO_PASSRIGHTS, &(int){ 0 }, sizeof(int));
	if (listen(sock, how->backlog) != 0)
		return crb_err_errno(err, "%s: listen", name);
	if (renameat(dir, new, dir, name) != 0)
		return crb_err_errno(err, "%s: rename", name);
	draft.name = NULL;
	*out = CRB_STEAL_FD(sock);
	return CRB_OK;
}
