#include "broker/core/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "broker/core/credential.h"
#include "broker/core/lease_record.h"
#include "broker/core/policies.h"
#include "broker/core/profile.h"
#include "broker/core/session.h"

static enum crb_status
load_credential(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	struct crb_credential *credential;
	struct crb_core *core = ctx;
	enum crb_status status;

	status = crb_credential_load(id, plain, &credential, err);
	if (status != CRB_OK)
		return status;
	status = crb_map_put(&core->credentials, credential->name,
	    strlen(credential->name), credential, err);
	if (status != CRB_OK)
		crb_credential_free(credential);
	return status;
}

static enum crb_status
load_profile(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	struct crb_profile *profile;
	struct crb_core *core = ctx;
	enum crb_status status;

	status = crb_profile_load(id, plain, &profile, err);
	if (status != CRB_OK)
		return status;
	status = crb_map_put(&core->profiles, profile->name,
	    strlen(profile->name), profile, err);
	if (status != CRB_OK)
		crb_profile_free(profile);
	return status;
}

static enum crb_status
load_session(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	struct crb_session *session;
	struct crb_core *core = ctx;
	enum crb_status status;

	status = crb_session_load(core, id, plain, &session, err);
	if (status != CRB_OK)
		return status;
	status = crb_session_enter(session, err);
	if (status != CRB_OK)
		crb_session_free(session);
	return status;
}

static enum crb_status
load_lease(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	return crb_lease_record_load(ctx, id, plain, err);
}

static enum crb_status
load_policy(void *ctx, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	const struct crb_core *core = ctx;

	return crb_policies_load(core->policies, id, plain, err);
}

static int
by_age(const void *a, const void *b)
{
	const struct crb_session *const *left = a;
	const struct crb_session *const *right = b;

	if ((*left)->created != (*right)->created)
		return (*left)->created < (*right)->created ? -1 : 1;
	return strcmp((*left)->id, (*right)->id);
}

/* The store has them in no order. */
static enum crb_status
sort_sessions(struct crb_core *core, struct crb_err *err)
{
	size_t count = 0, most = core->sessions.count;
	CRB_AUTO_FREE struct crb_session **all = calloc(most + 1, sizeof(*all));
	struct crb_session *session;

	if (all == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	while (count < most && (session = TAILQ_FIRST(&core->list)) != NULL) {
		TAILQ_REMOVE(&core->list, session, link);
		all[count++] = session;
	}
	qsort(all, count, sizeof(*all), by_age);
	for (size_t i = 0; i < count; i++)
		TAILQ_INSERT_TAIL(&core->list, all[i], link);
	return CRB_OK;
}

enum crb_status
crb_load_all(struct crb_core *core, struct crb_err *err)
{
	static const struct {
		enum crb_kind kind;
		crb_record_fn *fn;
	} kinds[] = {
		{ CRB_KIND_CREDENTIAL, load_credential },
		{ CRB_KIND_PROFILE, load_profile },
		{ CRB_KIND_SESSION, load_session },
		{ CRB_KIND_LEASE, load_lease },
		{ CRB_KIND_POLICY, load_policy },
	};
	enum crb_status status = CRB_OK;

	for (size_t i = 0;
	     status == CRB_OK && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		status = crb_vault_each(
		    core->vault, kinds[i].kind, kinds[i].fn, core, err);
	return status == CRB_OK ? sort_sessions(core, err) : status;
}

void
crb_load_wipe(struct crb_core *core)
{
	struct crb_session *session;

	core->terms++;
	while ((session = TAILQ_FIRST(&core->list)) != NULL)
		crb_session_free(session);
	crb_lease_records_clear(&core->lease_records);
	for (size_t i = 0; i < core->credentials.capacity; i++)
		crb_credential_free(core->credentials.slot[i].value);
	for (size_t i = 0; i < core->profiles.capacity; i++)
		crb_profile_free(core->profiles.slot[i].value);
	crb_map_clear(&core->credentials);
	crb_map_clear(&core->profiles);
	crb_map_clear(&core->sessions);
	crb_map_clear(&core->grants);
	crb_map_clear(&core->exchanges);
	crb_map_clear(&core->jobs);
	core->polled = 0;
}
