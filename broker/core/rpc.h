#ifndef CRB_RPC_H
#define CRB_RPC_H

#include "broker/core/admin.h"

/* The handlers of the admin socket's methods (docs/admin-api.md). */
crb_method_fn crb_rpc_status;
crb_method_fn crb_rpc_unlock, crb_rpc_lock;
crb_method_fn crb_rpc_credential_add, crb_rpc_credential_set,
    crb_rpc_credential_list, crb_rpc_credential_show, crb_rpc_credential_remove,
    crb_rpc_credential_test;
crb_method_fn crb_rpc_profile_add, crb_rpc_profile_list, crb_rpc_profile_show,
    crb_rpc_profile_remove;
crb_method_fn crb_rpc_session_issue, crb_rpc_session_list, crb_rpc_session_show,
    crb_rpc_session_grant, crb_rpc_session_drop, crb_rpc_session_extend,
    crb_rpc_revoke;
crb_method_fn crb_rpc_approval_list, crb_rpc_approval_show,
    crb_rpc_approval_approve, crb_rpc_approval_deny;
crb_method_fn crb_rpc_policy_show, crb_rpc_policy_reload, crb_rpc_policy_trust;
crb_method_fn crb_rpc_audit_show, crb_rpc_audit_verify;

/* The second half of `lock`, outside of any callback of the commit. */
void crb_rpc_lock_due(struct crb_core *core);

/* The member `ttl`, within the ceiling; *ttl is its default before. */
CRB_NODISCARD enum crb_status crb_rpc_ttl(
    const struct crb_call *call, int64_t *ttl, struct crb_err *err);
/*
 * {KEY: [...]}: what `show` makes of each value of a map, sorted by key; where
 * that is NULL it is left out.
 */
json_t *crb_rpc_sorted(const struct crb_map *map, const char *key,
    json_t *(*show)(const void *value, const void *ctx), const void *ctx);

#endif /* !CRB_RPC_H */
