#include <sys/socket.h>

#include "broker/core/admin_client.h"

/* Who has more groups than this is known by the first of them only. */
#define GROUPS_MAX 1024

static void
judge(const struct crb_core *core, const struct crb_identity *identity,
    struct crb_peer *out)
{
	*out = (struct crb_peer){ .uid = identity->uid };
	crb_users_who(core->users, identity->uid, out->who);
	crb_roles_judge(core->roles, core->owner, identity, &out->access);
}

void
crb_peer_of(const struct crb_core *core, uid_t uid, struct crb_peer *out)
{
	judge(core, &(const struct crb_identity){ .uid = uid }, out);
}

/* Those that the kernel noted when the peer connected; *all: they are all. */
static size_t
read_groups(int fd, gid_t first, gid_t groups[GROUPS_MAX + 1], bool *all)
{
	socklen_t size = GROUPS_MAX * sizeof(groups[0]);

	groups[0] = first;
	*all = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups + 1, &size) ==
	    0;
	return *all ? 1 + size / sizeof(groups[0]) : 1;
}

enum crb_status
crb_peer_read(const struct crb_core *core, int fd, struct crb_peer *out,
    struct crb_err *err)
{
	struct ucred peer = { 0 };
	gid_t groups[GROUPS_MAX + 1];
	struct crb_identity identity = { .gids = groups };
	socklen_t size = sizeof(peer);
	bool all;

	*out = (struct crb_peer){ .uid = (uid_t)-1, .who = "unknown" };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
	    peer.uid == (uid_t)-1)
		return crb_err_set(err, CRB_ERR_ROLE,
		    "the kernel does not say who this client is");
	identity.uid = peer.uid;
	identity.gid_count = read_groups(fd, peer.gid, groups, &all);
	judge(core, &identity, out);
	out->pid = peer.pid;
	if (all)
		out->groups = crb_users_groups(
		    core->users, groups, identity.gid_count);
	if (out->access.may != 0)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_ROLE,
	    "%s has no role at this broker. Its admin gives roles in the "
	    "config file: \"roles\"",
	    out->who);
}
