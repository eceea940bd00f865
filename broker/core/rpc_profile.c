#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/change.h"
#include "broker/core/grant.h"
#include "broker/core/profile.h"
#include "broker/core/profile_mounts.h"
#include "broker/core/rpc.h"

/* A change under way: `now` is in the map, `before` what it replaced. */
struct edit {
	struct crb_core *core;
	struct crb_profile *now, *before;
};

static enum crb_status
put(struct crb_core *core, struct crb_profile *profile, struct crb_err *err)
{
	return crb_map_put(&core->profiles, profile->name,
	    strlen(profile->name), profile, err);
}

static void
take(struct crb_core *core, const struct crb_profile *profile)
{
	(void)crb_map_take(
	    &core->profiles, profile->name, strlen(profile->name));
}

static void
settle(void *ctx, bool durable)
{
	CRB_AUTO_FREE struct edit *edit = ctx;
	struct crb_profile *gone = durable ? edit->before : edit->now;
	struct crb_profile *stays = durable ? edit->now : edit->before;
	struct crb_err err;

	if (stays != NULL)
		stays->busy = false;
	if (!durable && edit->now != NULL)
		take(edit->core, edit->now);
	crb_profile_free(gone);
	if (!durable && stays != NULL && put(edit->core, stays, &err) != CRB_OK)
		crb_profile_free(stays);
}

static enum crb_status
edit_new(struct crb_core *core, struct crb_profile *now,
    struct crb_profile *before, struct edit **out, struct crb_err *err)
{
	struct edit *edit = calloc(1, sizeof(*edit));

	if (edit == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	*edit = (struct edit){ core, now, before };
	if (before != NULL)
		take(core, before);
	if (now != NULL && put(core, now, err) != CRB_OK) {
		if (before != NULL)
			(void)!put(core, before, err);
		free(edit);
		return err->status;
	}
	if (now != NULL)
		now->busy = true;
	*out = edit;
	return CRB_OK;
}

static void
commit(struct crb_call *call, struct edit *edit)
{
	const struct crb_profile *profile = edit->now != NULL ? edit->now
							      : edit->before;
	CRB_AUTO_FREE char *detail = NULL;
	struct crb_audit_event event = { .event = call->method->name };

	if (asprintf(&detail, "profile %s", profile->name) == -1)
		detail = NULL;
	event.detail = detail;
	crb_change_commit(&(const struct crb_change){
	    .call = call,
	    .event = &event,
	    .kind = CRB_KIND_PROFILE,
	    .id = &profile->record,
	    .record = edit->now != NULL ? crb_profile_record(edit->now) : NULL,
	    .result = edit->now != NULL
		? json_pack("{s:o}", "profile", crb_profile_shown(edit->now))
		: NULL,
	    .settle = settle,
	    .ctx = edit,
	});
}

/* The texts in canonical form; each must stand for a grant. */
static enum crb_status
read_grants(struct crb_core *core, const json_t *texts, json_t **out,
    struct crb_err *err)
{
	CRB_AUTO_JSON json_t *grants = json_array();
	struct crb_grant *grant;
	const json_t *text;
	size_t i;
	int failed;

	if (json_array_size(texts) == 0 ||
	    json_array_size(texts) > CRB_SESSION_GRANTS_MAX)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a profile has 1 to %d grants", CRB_SESSION_GRANTS_MAX);
	json_array_foreach(texts, i, text)
	{
		if (!json_is_string(text))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "grants: item %zu is not a text", i + 1);
		if (crb_grant_resolve(&core->grants, &core->credentials,
			json_string_value(text), &grant, err) != CRB_OK)
			return err->status;
		failed = json_array_append_new(
		    grants, json_string(grant->text));
		crb_grant_release(grant);
		if (failed != 0)
			return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	}
	*out = CRB_STEAL(grants);
	return CRB_OK;
}

static enum crb_status
read_profile(
    struct crb_call *call, struct crb_profile **out, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *grants = NULL;
	json_t *texts = NULL, *labels = NULL;
	const char *const kept[] = { call->core->config.state,
		call->core->config.runtime, NULL };
	CRB_AUTO_JSON json_t *mounts = NULL;
	json_t *given = NULL;
	enum crb_status status;
	const char *name;
	int64_t ttl = 0;

	if ((status = crb_call_need_text(call, "name", &name, err)) ||
	    (status = crb_call_array(call, "grants", &texts, err)) ||
	    (status = crb_call_object(call, "labels", &labels, err)) ||
	    (status = crb_call_array(call, "mounts", &given, err)) ||
	    (status = crb_profile_mounts_read(given, kept, &mounts, err)) ||
	    (status = crb_rpc_ttl(call, &ttl, err)) ||
	    (status = read_grants(call->core, texts, &grants, err)))
		return status;
	if (labels != NULL &&
	    (status = crb_labels_check(labels, err)) != CRB_OK)
		return status;
	status = crb_profile_new(name, grants, labels, ttl, out, err);
	if (status == CRB_OK)
		(void)json_array_extend((*out)->mounts, mounts);
	return status;
}

static enum crb_status
check_replace(
    const struct crb_profile *before, bool replace, struct crb_err *err)
{
	if (before == NULL)
		return CRB_OK;
	if (!replace)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "there is a profile \"%s\" already; --replace puts the new one in its place",
		    before->name);
	if (before->busy)
		return crb_err_set(err, CRB_ERR_EXISTS,
		    "profile %s is being changed by somebody else; try again",
		    before->name);
	return CRB_OK;
}

static enum crb_status
add(struct crb_call *call, struct edit **out, struct crb_err *err)
{
	struct crb_profile *now, *before;
	enum crb_status status;
	bool replace = false;

	if ((status = crb_call_flag(call, "replace", &replace, err)) ||
	    (status = read_profile(call, &now, err)))
		return status;
	before = crb_map_text(&call->core->profiles, now->name);
	if (before != NULL)
		now->record = before->record;
	status = check_replace(before, replace, err);
	if (status == CRB_OK)
		status = edit_new(call->core, now, before, out, err);
	if (status != CRB_OK)
		crb_profile_free(now);
	return status;
}

void
crb_rpc_profile_add(struct crb_call *call)
{
	struct edit *edit;
	struct crb_err err;

	if (add(call, &edit, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		commit(call, edit);
}

/* An issuer that is nothing else sees those that it may issue from. */
static bool
seen(const struct crb_call *call, const char *name)
{
	return (call->access.may & CRB_MAY_AUDIT) != 0 ||
	    crb_access_profile(&call->access, name);
}

static json_t *
show(const void *value, const void *ctx)
{
	const struct crb_profile *profile = value;

	return seen(ctx, profile->name) ? crb_profile_shown(profile) : NULL;
}

void
crb_rpc_profile_list(struct crb_call *call)
{
	crb_call_reply(call,
	    crb_rpc_sorted(&call->core->profiles, "profiles", show, call));
}

static enum crb_status
find(struct crb_call *call, struct crb_profile **out, struct crb_err *err)
{
	enum crb_status status;
	const char *name;

	status = crb_call_need_text(call, "name", &name, err);
	if (status == CRB_OK)
		status = crb_profile_find(
		    &call->core->profiles, name, out, err);
	return status;
}

void
crb_rpc_profile_show(struct crb_call *call)
{
	struct crb_profile *profile;
	struct crb_err err;
	const char *name;

	if (crb_call_need_text(call, "name", &name, &err) != CRB_OK ||
	    (!seen(call, name) &&
		crb_call_may_profile(call, name, &err) != CRB_OK) ||
	    find(call, &profile, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		crb_call_reply(call,
		    json_pack("{s:o}", "profile", crb_profile_shown(profile)));
}

void
crb_rpc_profile_remove(struct crb_call *call)
{
	struct crb_profile *profile;
	struct edit *edit;
	struct crb_err err;

	if (find(call, &profile, &err) != CRB_OK ||
	    check_replace(profile, true, &err) != CRB_OK ||
	    edit_new(call->core, NULL, profile, &edit, &err) != CRB_OK)
		crb_call_fail(call, &err);
	else
		commit(call, edit);
}
