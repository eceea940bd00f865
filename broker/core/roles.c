#include "broker/core/roles.h"

#include <stdio.h>
#include <string.h>

_Static_assert(CRB_ROLES_ISSUERS_MAX <= 64, "a bit for each issuer");

static bool
in_group(const struct crb_identity *peer, gid_t gid)
{
	for (size_t i = 0; i < peer->gid_count; i++)
		if (peer->gids[i] == gid)
			return true;
	return false;
}

static bool
among(const struct crb_members *members, const struct crb_identity *peer)
{
	for (size_t i = 0; i < members->count; i++) {
		const struct crb_member *member = &members->at[i];

		if (member->group ? in_group(peer, member->id)
				  : peer->uid == member->id)
			return true;
	}
	return false;
}

void
crb_roles_judge(const struct crb_roles *roles, uid_t owner,
    const struct crb_identity *peer, struct crb_access *out)
{
	*out = (struct crb_access){ .roles = roles };
	if (peer->uid == 0 || peer->uid == owner ||
	    (roles != NULL && among(&roles->admin, peer))) {
		out->may = CRB_MAY_ADMIN | CRB_MAY_ANY;
		return;
	}
	if (roles == NULL)
		return;
	if (among(&roles->approver, peer))
		out->may |= CRB_MAY_APPROVE;
	if (among(&roles->auditor, peer))
		out->may |= CRB_MAY_AUDIT;
	for (size_t i = 0; i < roles->issuer_count; i++)
		if (among(&roles->issuer[i].who, peer))
			out->issuers |= UINT64_C(1) << i;
	if (out->issuers != 0)
		out->may |= CRB_MAY_ISSUE;
}

static bool
lists(const struct crb_names *names, const char *name)
{
	for (size_t i = 0; !names->all && i < names->count; i++)
		if (strcmp(names->at[i], name) == 0)
			return true;
	return names->all;
}

static bool
listed(const struct crb_access *access, const char *name, bool profile)
{
	const struct crb_roles *roles = access->roles;

	if ((access->may & CRB_MAY_ADMIN) != 0)
		return true;
	for (size_t i = 0; roles != NULL && i < roles->issuer_count; i++)
		if ((access->issuers & (UINT64_C(1) << i)) != 0 &&
		    lists(profile ? &roles->issuer[i].profiles
				  : &roles->issuer[i].credentials,
			name))
			return true;
	return false;
}

bool
crb_access_profile(const struct crb_access *access, const char *name)
{
	return listed(access, name, true);
}

bool
crb_access_credential(const struct crb_access *access, const char *name)
{
	return listed(access, name, false);
}

void
crb_roles_text(unsigned may, char out[CRB_ROLES_TEXT])
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ CRB_MAY_ADMIN, "admin" },
		{ CRB_MAY_ISSUE, "issuer" },
		{ CRB_MAY_APPROVE, "approver" },
		{ CRB_MAY_AUDIT, "auditor" },
	};
	size_t len = 0, left = 0;

	/* Who is an admin need not be told what else he is. */
	if ((may & CRB_MAY_ADMIN) != 0)
		may = CRB_MAY_ADMIN;
	for (unsigned bits = may; bits != 0; bits &= bits - 1)
		left++;
	(void)snprintf(out, CRB_ROLES_TEXT, "none");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((may & names[i].bit) == 0)
			continue;
		left--;
		len += (size_t)snprintf(out + len, CRB_ROLES_TEXT - len, "%s%s",
		    names[i].name,
		    left == 0       ? ""
			: left == 1 ? " or "
				    : ", ");
	}
}
