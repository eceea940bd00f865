#include "broker/core/rpc.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PARAMS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_PARAMS ((const char *const[]){ NULL })

const struct crb_method crb_methods[] = {
	{ "status", CRB_MAY_ANY, false, NO_PARAMS, crb_rpc_status },
	{ "unlock", CRB_MAY_ADMIN, false,
	    PARAMS("passphrase", "key_file", "slot"), crb_rpc_unlock },
	{ "lock", CRB_MAY_ADMIN, true, NO_PARAMS, crb_rpc_lock },
	{ "credential.add", CRB_MAY_ADMIN, true,
	    PARAMS("name", "backend", "params", "secret"),
	    crb_rpc_credential_add },
	{ "credential.set", CRB_MAY_ADMIN, true,
	    PARAMS("name", "params", "secret"), crb_rpc_credential_set },
	{ "credential.list", CRB_MAY_AUDIT, true, NO_PARAMS,
	    crb_rpc_credential_list },
	{ "credential.show", CRB_MAY_AUDIT, true, PARAMS("name"),
	    crb_rpc_credential_show },
	{ "credential.remove", CRB_MAY_ADMIN, true, PARAMS("name", "force"),
	    crb_rpc_credential_remove },
	{ "credential.test", CRB_MAY_ADMIN, true, PARAMS("name"),
	    crb_rpc_credential_test },
	{ "profile.add", CRB_MAY_ADMIN, true,
	    PARAMS("name", "grants", "labels", "ttl", "mounts", "replace"),
	    crb_rpc_profile_add },
	{ "profile.list", CRB_MAY_ISSUE | CRB_MAY_AUDIT, true, NO_PARAMS,
	    crb_rpc_profile_list },
	{ "profile.show", CRB_MAY_ISSUE | CRB_MAY_AUDIT, true, PARAMS("name"),
	    crb_rpc_profile_show },
	{ "profile.remove", CRB_MAY_ADMIN, true, PARAMS("name"),
	    crb_rpc_profile_remove },
	{ "session.issue", CRB_MAY_ISSUE, true,
	    PARAMS("task", "grants", "profile", "labels", "ttl", "bind_pid",
		"owner", "workspace", "port", "network", "aws", "mint",
		"ask_always"),
	    crb_rpc_session_issue },
	{ "session.list", CRB_MAY_ANY, true, PARAMS("task", "all"),
	    crb_rpc_session_list },
	{ "session.show", CRB_MAY_ANY, true, PARAMS("session"),
	    crb_rpc_session_show },
	{ "session.grant", CRB_MAY_ISSUE, true, PARAMS("session", "grant"),
	    crb_rpc_session_grant },
	{ "session.drop", CRB_MAY_ISSUE, true, PARAMS("session", "grant"),
	    crb_rpc_session_drop },
	{ "session.extend", CRB_MAY_ISSUE, true, PARAMS("session", "ttl"),
	    crb_rpc_session_extend },
	{ "revoke", CRB_MAY_ISSUE, true, PARAMS("session", "task", "all"),
	    crb_rpc_revoke },
	{ "approval.list", CRB_MAY_ANY, true,
	    PARAMS("session", "after", "wait"), crb_rpc_approval_list },
	{ "approval.show", CRB_MAY_ANY, true, PARAMS("approval"),
	    crb_rpc_approval_show },
	{ "approval.approve", CRB_MAY_APPROVE, true, PARAMS("approval"),
	    crb_rpc_approval_approve },
	{ "approval.deny", CRB_MAY_APPROVE, true, PARAMS("approval", "reason"),
	    crb_rpc_approval_deny },
	{ "audit.show", CRB_MAY_AUDIT, true,
	    PARAMS("session", "task", "credential", "event", "decision",
		"since", "after", "most", "newest"),
	    crb_rpc_audit_show },
	{ "audit.verify", CRB_MAY_AUDIT, true, NO_PARAMS,
	    crb_rpc_audit_verify },
	{ "policy.show", CRB_MAY_ANY, true, NO_PARAMS, crb_rpc_policy_show },
	{ "policy.reload", CRB_MAY_ADMIN, true, NO_PARAMS,
	    crb_rpc_policy_reload },
	{ "policy.trust", CRB_MAY_ADMIN, true, PARAMS("key", "replaces"),
	    crb_rpc_policy_trust },
	{ NULL, 0, false, NULL, NULL },
};

static int
by_key(const void *a, const void *b)
{
	const struct crb_map_slot *const *left = a;
	const struct crb_map_slot *const *right = b;
	size_t len = (*left)->len < (*right)->len ? (*left)->len
						  : (*right)->len;
	int order = memcmp((*left)->key, (*right)->key, len);

	if (order != 0)
		return order;
	return ((*left)->len > (*right)->len) - ((*left)->len < (*right)->len);
}

json_t *
crb_rpc_sorted(const struct crb_map *map, const char *key,
    json_t *(*show)(const void *value, const void *ctx), const void *ctx)
{
	CRB_AUTO_FREE const struct crb_map_slot **slots = calloc(
	    map->count + 1, sizeof(*slots));
	json_t *list = json_array();
	size_t count = 0;

	for (size_t i = 0; slots != NULL && i < map->capacity; i++)
		if (map->slot[i].value != NULL)
			slots[count++] = &map->slot[i];
	if (count > 0)
		qsort(slots, count, sizeof(*slots), by_key);
	/* Appending NULL does nothing. */
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, show(slots[i]->value, ctx));
	return json_pack("{s:o}", key, list);
}
