#include "broker/core/load.h"

#include <string.h>

#include "broker/core/credential.h"
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
	};
	enum crb_status status = CRB_OK;

	for (size_t i = 0;
	     status == CRB_OK && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		status = crb_vault_each(
		    core->vault, kinds[i].kind, kinds[i].fn, core, err);
	return status;
}

void
crb_load_wipe(struct crb_core *core)
{
	struct crb_session *session;

	while ((session = TAILQ_FIRST(&core->list)) != NULL)
		crb_session_free(session);
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
