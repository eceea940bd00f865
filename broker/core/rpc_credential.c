#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/change.h"
#include "broker/core/exchange.h"
#include "broker/core/lease.h"
#include "broker/core/profile.h"
#include "broker/core/rpc.h"

/* A change under way: `now` is in the map, `before` what it replaced. */
struct edit {
	struct crb_core *core;
	struct crb_credential *now, *before;
	struct crb_ending *ending; /* of leases, at the gateway; or NULL */
};

static enum crb_status
put(struct crb_core *core, struct crb_credential *credential,
    struct crb_err *err)
{
	core->terms++;
	return crb_map_put(&core->credentials, credential->name,
	    strlen(credential->name), credential, err);
}

static void
take(struct crb_core *core, const struct crb_credential *credential)
{
	core->terms++;
	(void)crb_map_take(
	    &core->credentials, credential->name, strlen(credential->name));
}

static void
settle(void *ctx, bool durable)
{
	CRB_AUTO_FREE struct edit *edit = ctx;
	struct crb_credential *gone = durable ? edit->before : edit->now;
	struct crb_credential *stays = durable ? edit->now : edit->before;
	struct crb_err err;

	if (stays != NULL)
		stays->busy = false;
	/* Minted meanwhile, of what it is not to be or is no more. */
	if (edit->before != NULL)
		crb_lease_drop_each(
		    edit->core, edit->before->name, edit->ending);
	if (!durable && edit->now != NULL)
		take(edit->core, edit->now);
	crb_credential_free(gone);
	/* One that was added meanwhile under the name of a removed one stays.
	 */
	if (!durable && stays != NULL && put(edit->core, stays, &err) != CRB_OK)
		crb_credential_free(stays);
}

/* Neither keys of it nor requests with it outlive it as it was. */
static void
end_uses(const struct edit *edit)
{
	const char *name = edit->before->name;
	struct crb_session *session;

	crb_lease_drop_each(edit->core, name, edit->ending);
	TAILQ_FOREACH(session, &edit->core->list, link)
	(void)crb_exchange_cut(session, 0, name,
	    edit->now != NULL ? "the credential was changed"
			      : "the credential was removed");
}

/* Put `now` in the place of `before`; either may be NULL, and both are taken.
 */
static enum crb_status
edit_new(struct crb_core *core, struct crb_credential *now,
    struct crb_credential *before, struct edit **out, struct crb_err *err)
{
	struct edit *edit = calloc(1, sizeof(*edit));
	struct crb_err other;

	if (edit == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*edit = (struct edit){ .core = core, .now = now, .before = before };
	if (before != NULL && crb_ending_new(NULL, NULL, &edit->ending, err)) {
		free(edit);
		return err->status;
	}
	if (before != NULL)
		take(core, before);
	if (now != NULL && put(core, now, err) != CRB_OK) {
		if (before != NULL)
			(void)!put(core, before, &other);
		if (edit->ending != NULL)
			crb_ending_ready(edit->ending);
		free(edit);
		return err->status;
	}
	if (before != NULL)
		end_uses(edit);
	if (now != NULL)
		now->busy = true;
	*out = edit;
	return CRB_OK;
}

static void
commit(struct crb_call *call, struct edit *edit)
{
	const struct crb_credential *credential = edit->now != NULL
	    ? edit->now
	    : edit->before;
	const struct crb_audit_event event = {
		.event = call->method->name,
		.credential = credential->name,
	};

	crb_change_commit(&(const struct crb_change){
	    .call = call,
	    .event = &event,
	    .kind = CRB_KIND_CREDENTIAL,
	    .id = &credential->record,
	    .record = edit->now != NULL ? crb_credential_record(edit->now)
					: NULL,
	    .result = edit->now != NULL ? json_pack("{s:o}", "credential",
					      crb_credential_shown(edit->now))
					: NULL,
	    .settle = settle,
	    .ctx = edit,
	    .ending = edit->ending,
	});
}

static bool
session_uses(const struct crb_session *session, const char *credential)
{
	for (size_t i = 0; i < session->grant_count; i++)
		if (strcmp(session->grants[i].grant->credential, credential) ==
		    0)
			return true;
	return false;
}

static size_t
count_sessions(const struct crb_core *core, const char *credential)
{
	const struct crb_session *session;
	size_t count = 0;

	TAILQ_FOREACH(session, &core->list, link)
	if (session->state <= CRB_SESSION_LIVE &&
	    session_uses(session, credential))
		count++;
	return count;
}

/*
 * Grants are by name: what a session had of one that was removed must not
 * become a grant of another.
 */
static enum crb_status
check_free(const struct crb_core *core, const char *name, struct crb_err *err)
{
	size_t sessions;

	if (crb_map_text(&core->credentials, name) != NULL)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "there is a credential \"%s\" already; change it with: credbroker credential set %s",
		    name, name);
	sessions = count_sessions(core, name);
	if (sessions > 0)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "%zu live sessions have grants of a credential \"%s\" that was removed, and would get this one: revoke them, or drop those grants (credbroker session drop), or choose another name",
		    sessions, name);
	return CRB_OK;
}

static enum crb_status
add(struct crb_call *call, struct edit **out, struct crb_err *err)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = NULL;
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	const char *name, *backend;
	json_t *params = NULL;
	enum crb_status status;

	if ((status = crb_call_secret(call, "secret", &secret, err)) ||
	    (status = crb_call_need_text(call, "name", &name, err)) ||
	    (status = crb_call_need_text(call, "backend", &backend, err)) ||
	    (status = crb_call_object(call, "params", &params, err)))
		return status;
	if (secret == NULL)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "the secret is missing");
	status = crb_credential_secret(backend, &secret, err);
	if (status == CRB_OK)
		status = crb_credential_new(
		    name, backend, params, &secret, &credential, err);
	if (status == CRB_OK)
		status = check_free(call->core, name, err);
	if (status == CRB_OK)
		status = edit_new(call->core, credential, NULL, out, err);
	if (status == CRB_OK)
		credential = NULL;
	return status;
}

void
crb_rpc_credential_add(struct crb_call *call)
{
	struct edit *edit;
	struct crb_err err;

	if (add(call, &edit, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		commit(call, edit);
}

static enum crb_status
find(struct crb_call *call, bool change, struct crb_credential **out,
    struct crb_err *err)
{
	enum crb_status status;
	const char *name;

	status = crb_call_need_text(call, "name", &name, err);
	if (status == CRB_OK)
		status = crb_credential_find(
		    &call->core->credentials, name, out, err);
	if (status == CRB_OK && change && (*out)->busy)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "credential %s is being changed by somebody else; try again",
		    name);
	return status;
}

/* What is not given stays as it was; null takes a parameter away. */
static enum crb_status
merge_params(const struct crb_credential *before, json_t *params, json_t **out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *merged = json_copy(before->params);
	const char *key;
	json_t *value;

	if (merged == NULL || json_object_update(merged, params) != 0)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	json_object_foreach(params, key, value) if (json_is_null(value))(void)
	    json_object_del(merged, key);
	*out = CRB_STEAL(merged);
	return CRB_OK;
}

/* A new one with the old identity. */
static enum crb_status
set(struct crb_call *call, struct edit **out, struct crb_err *err)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *now = NULL;
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	CRB_AUTO_JSON json_t *merged = NULL;
	struct crb_credential *before;
	json_t *params = NULL;
	enum crb_status status;

	if ((status = crb_call_secret(call, "secret", &secret, err)) ||
	    (status = find(call, true, &before, err)) ||
	    (status = crb_call_object(call, "params", &params, err)))
		return status;
	if (secret == NULL && params == NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "nothing to change: give params or secret");
	if (secret != NULL)
		status = crb_credential_secret(
		    before->backend->kind, &secret, err);
	if (status == CRB_OK && params != NULL)
		status = merge_params(before, params, &merged, err);
	if (status == CRB_OK && secret == NULL)
		status = crb_secret_copy(crb_secret_bytes(before->secret),
		    crb_secret_len(before->secret), &secret, err);
	if (status == CRB_OK)
		status = crb_credential_new(before->name, before->backend->kind,
		    merged != NULL ? merged : before->params, &secret, &now,
		    err);
	if (status != CRB_OK)
		return status;
	now->record = before->record;
	now->created = before->created;
	now->used = before->used;
	status = edit_new(call->core, now, before, out, err);
	if (status == CRB_OK)
		now = NULL;
	return status;
}

void
crb_rpc_credential_set(struct crb_call *call)
{
	struct edit *edit;
	struct crb_err err;

	if (set(call, &edit, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		commit(call, edit);
}

static json_t *
show(const void *value, const void *ctx)
{
	(void)ctx;
	return crb_credential_shown(value);
}

void
crb_rpc_credential_list(struct crb_call *call)
{
	crb_call_reply(call,
	    crb_rpc_sorted(
		&call->core->credentials, "credentials", show, NULL));
}

void
crb_rpc_credential_show(struct crb_call *call)
{
	struct crb_credential *credential;
	struct crb_err err;

	if (find(call, false, &credential, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call,
		    json_pack("{s:o}", "credential",
			crb_credential_shown(credential)));
}

static bool
names(const char *grant, const char *credential)
{
	size_t len = strlen(credential);

	return strncmp(grant, credential, len) == 0 &&
	    (grant[len] == ':' || grant[len] == '\0');
}

static bool
profile_uses(const struct crb_profile *profile, const char *credential)
{
	const json_t *text;
	size_t i;

	json_array_foreach(profile->grants, i,
	    text) if (names(json_string_value(text), credential)) return true;
	return false;
}

static enum crb_status
check_unused(const struct crb_core *core, const char *name, struct crb_err *err)
{
	size_t sessions = count_sessions(core, name), profiles = 0;

	for (size_t i = 0; i < core->profiles.capacity; i++)
		if (core->profiles.slot[i].value != NULL &&
		    profile_uses(core->profiles.slot[i].value, name))
			profiles++;
	if (sessions == 0 && profiles == 0)
		return CRB_OK;
	return crb_err_set(err, CRB_ERR_EXISTS,
	    "credential %s is granted to %zu live sessions and named in %zu profiles; remove it all the same with --force",
	    name, sessions, profiles);
}

static enum crb_status
remove_it(struct crb_call *call, struct edit **out, struct crb_err *err)
{
	struct crb_core *core = call->core;
	struct crb_credential *credential;
	enum crb_status status;
	bool force = false;

	if ((status = crb_call_flag(call, "force", &force, err)) ||
	    (status = find(call, true, &credential, err)))
		return status;
	if (!force &&
	    (status = check_unused(core, credential->name, err)) != CRB_OK)
		return status;
	return edit_new(core, NULL, credential, out, err);
}

void
crb_rpc_credential_remove(struct crb_call *call)
{
	struct edit *edit;
	struct crb_err err;

	if (remove_it(call, &edit, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		commit(call, edit);
}
