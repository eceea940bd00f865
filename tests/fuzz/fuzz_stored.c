/*
 * What is inside a sealed record once it is open: a session, a credential, a
 * profile.  The first byte says which.  What loads is written as the same, and
 * shown without its secret.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "broker/core/credential.h"
#include "broker/core/lease_record.h"
#include "broker/core/profile.h"
#include "broker/core/session.h"
#include "tests/fakes/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct crb_record_id id = { { 7 } };
static struct world world;

static void
end(void)
{
	world_stop(&world);
}

/* Loading what was written, and writing it, comes to the same. */
static struct crb_secret *
again(json_t *record)
{
	struct crb_secret *plain;
	struct crb_err err;
	char *text;

	if (record == NULL || (text = crb_json_text(record)) == NULL)
		abort();
	if (crb_secret_copy(text, strlen(text), &plain, &err) != CRB_OK)
		abort();
	crb_json_text_free(text);
	return plain;
}

static void
same(json_t *first, json_t *second)
{
	if (json_equal(first, second) == 0)
		abort();
}

/* It was never entered into the maps, nor is it to leave them. */
static void
drop(struct crb_session *session)
{
	session->id[0] = '\0';
	crb_session_free(session);
}

static void
try_session(const struct crb_secret *plain)
{
	CRB_AUTO_SECRET struct crb_secret *written = NULL;
	CRB_AUTO_JSON json_t *first = NULL;
	CRB_AUTO_JSON json_t *second = NULL;
	struct crb_session *session;
	struct crb_err err;

	if (crb_session_load(world.core, &id, plain, &session, &err) != CRB_OK)
		return;
	first = crb_session_record(session);
	json_decref(crb_session_shown(session));
	drop(session);
	written = again(first);
	if (crb_session_load(world.core, &id, written, &session, &err) !=
	    CRB_OK)
		abort();
	second = crb_session_record(session);
	drop(session);
	same(first, second);
}

static void
try_credential(const struct crb_secret *plain)
{
	CRB_AUTO_CREDENTIAL struct crb_credential *credential = NULL;
	CRB_AUTO_CREDENTIAL struct crb_credential *reloaded = NULL;
	CRB_AUTO_SECRET struct crb_secret *written = NULL;
	CRB_AUTO_JSON json_t *first = NULL;
	CRB_AUTO_JSON json_t *second = NULL;
	CRB_AUTO_JSON json_t *shown = NULL;
	struct crb_err err;

	if (crb_credential_load(&id, plain, &credential, &err) != CRB_OK)
		return;
	first = crb_credential_record(credential);
	shown = crb_credential_shown(credential);
	if (json_object_get(shown, "secret") != NULL)
		abort();
	written = again(first);
	if (crb_credential_load(&id, written, &reloaded, &err) != CRB_OK)
		abort();
	second = crb_credential_record(reloaded);
	same(first, second);
}

static void
try_profile(const struct crb_secret *plain)
{
	CRB_AUTO_SECRET struct crb_secret *written = NULL;
	CRB_AUTO_JSON json_t *first = NULL;
	CRB_AUTO_JSON json_t *second = NULL;
	struct crb_profile *profile;
	struct crb_err err;

	if (crb_profile_load(&id, plain, &profile, &err) != CRB_OK)
		return;
	first = crb_profile_record(profile);
	json_decref(crb_profile_shown(profile));
	crb_profile_free(profile);
	written = again(first);
	if (crb_profile_load(&id, written, &profile, &err) != CRB_OK)
		abort();
	second = crb_profile_record(profile);
	crb_profile_free(profile);
	same(first, second);
}

static void
try_lease(const struct crb_secret *plain)
{
	struct crb_lease_record *record;
	struct crb_err err;

	if (crb_lease_record_load(world.core, &id, plain, &err) != CRB_OK)
		return;
	if ((record = crb_lease_record_find(world.core, &id)) == NULL)
		abort();
	json_decref(crb_lease_record_shown(record));
	crb_lease_record_free(record);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const struct crb_secret *) = { try_session,
		try_credential, try_profile, try_lease };
	CRB_AUTO_SECRET struct crb_secret *plain = NULL;
	static bool begun;
	struct crb_err err;

	if (!begun) {
		crb_log_open("fuzz", CRB_LOG_ERROR);
		(void)atexit(end);
		world_start(&world, NULL);
		world_add_credential(&world, "gh");
	}
	begun = true;
	if (size < 2 || size > 65536 ||
	    crb_secret_copy(data + 1, size - 1, &plain, &err) != CRB_OK)
		return 0;
	tries[data[0] % 4](plain);
	return 0;
}
